# Two commands are enough: `make run` and `make test`. Both install what they need into .venv first, and need nothing
# but Python 3.11 or later; uv is used where it is on PATH.

VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= python3
SCENARIO ?= maltan/early
ARGS ?=

# The stamp is named after what was installed, and where: other requirements, or a moved folder, install again.
INSTALLED := $(VENV)/.installed-$(shell { cat pyproject.toml requirements.lock; pwd; } | cksum | tr -d ' ')
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet

.DEFAULT_GOAL := help
.PHONY: help run test test-compiled check compile bench bench-logs dashboard install lock clean

help: ## what there is
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):[^#]*## /  make \1\t/' | expand -t 20

run: $(INSTALLED) ## simulate maltan/early and say what binds (SCENARIO=... for another, ARGS=... for more options)
	@$(BIN)/windtunnel run $(SCENARIO) --confirm $(ARGS)

test: check ## linters, types, import contracts and all tests (ARGS=... for pytest)
	$(BIN)/python -m pytest -n 2 --dist loadfile --ignore=tests/benchmarks $(ARGS)

check: $(INSTALLED) ## linters, types and import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check --quiet .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

compile: $(INSTALLED) ## compile the hot modules: up to three times as fast, same results (needs a C compiler; ARGS=--remove: undo)
	@$(BIN)/python -m experiments.compilation $(ARGS)

test-compiled: compile ## the tests of what is compiled, compiled
	$(BIN)/python -m pytest -n 2 --dist loadfile tests/unit tests/properties tests/fidelity tests/theory \
		tests/e2e/test_compilation.py $(ARGS)

bench: $(INSTALLED) ## requests a second beside plain SimPy and other simulators (ARGS=--quick: a short one)
	@$(BIN)/python tests/benchmarks/bench.py $(ARGS)

bench-logs: $(INSTALLED) ## how fast logs are read, beside a bare loop (ARGS="--memory 10000000": and in how much memory)
	@$(BIN)/python tests/benchmarks/logs.py $(ARGS)

dashboard: $(INSTALLED) ## what-if sliders in the browser
	@$(BIN)/windtunnel dashboard $(ARGS)

install: $(INSTALLED) ## only install
	@echo "Everything is installed in $(VENV)."

lock: $(INSTALLED) ## compute requirements.lock anew from pyproject.toml (ARGS=--upgrade: newest versions)
	$(call with_uv,pip compile --quiet --universal --python-version 3.11 --fork-strategy fewest --no-emit-index-url \
		--extra dev --custom-compile-command "make lock" $(ARGS) pyproject.toml -o requirements.lock)

clean: ## remove the environment and what the tools left
	rm -f sim/compiled.json
	find sim models -name '*.so' -delete
	rm -rf $(VENV) $(VENV)-peers build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis

with_uv = if command -v uv >/dev/null 2>&1; then uv $(1); else $(BIN)/uv $(1); fi

# The stamp is written last. Where there is none at all, an installation was interrupted, and is made again from nothing:
# half a package looks like a whole one. uv takes seconds where pip takes a minute, so it is fetched where it is
# missing; where uv cannot install, pip tries.
$(INSTALLED):
	@command -v $(PYTHON) >/dev/null 2>&1 || \
		{ echo "There is no $(PYTHON). Install Python 3.11 or later, or name one: make PYTHON=..." >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Windtunnel needs Python 3.11 or later; $(PYTHON) is $$($(PYTHON) --version 2>&1)." \
			"Name another: make PYTHON=python3.12 ..." >&2; exit 1; }
	@if ! ls $(VENV)/.installed* >/dev/null 2>&1 || ! $(BIN)/python -c '' 2>/dev/null; then \
		rm -rf $(VENV); \
		if command -v uv >/dev/null 2>&1; then \
			uv venv --quiet --python "$$(command -v $(PYTHON))" $(VENV); \
		elif $(PYTHON) -c 'import ensurepip, venv' 2>/dev/null; then \
			$(PYTHON) -m venv $(VENV); \
		else \
			echo "This Python cannot make virtual environments. On Debian and Ubuntu: apt-get install python3-venv" >&2; \
			exit 1; \
		fi; \
	fi
	@rm -f $(VENV)/.installed*
	@echo "Installing into $(VENV) ..." >&2
	@command -v uv >/dev/null 2>&1 || test -x $(BIN)/uv || $(PIP) uv || true
	@{ $(call with_uv,pip install --quiet --python $(BIN)/python -r requirements.lock) && \
	   $(call with_uv,pip install --quiet --python $(BIN)/python --no-deps --editable .); } || \
	 { echo "uv could not install; trying pip, which takes longer ..." >&2; \
	   $(BIN)/python -m pip --version >/dev/null 2>&1 || $(BIN)/python -m ensurepip >/dev/null; \
	   $(PIP) -r requirements.lock && $(PIP) --no-deps --editable .; }
	@touch $@
