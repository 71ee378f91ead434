# Two commands are enough: `make run` and `make test`. Both install what they need into .venv first.

VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= python3
INSTALLED := $(VENV)/.installed
SCENARIO ?= maltan/early

.DEFAULT_GOAL := help
.PHONY: help run test check bench dashboard install clean

help: ## what there is
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):[^#]*## /  make \1\t/' | expand -t 20

run: $(INSTALLED) ## simulate maltan/early (SCENARIO=... for another) and report
	@$(BIN)/windtunnel run $(SCENARIO) --confirm

test: check ## linters, types, import contracts and all tests
	$(BIN)/python -m pytest -n 2 --dist loadfile

check: $(INSTALLED) ## linters, types and import contracts
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(INSTALLED) ## requests a second beside plain SimPy, as ratios within one run
	$(BIN)/python tests/benchmarks/bench.py

dashboard: $(INSTALLED) ## what-if sliders in the browser
	@$(BIN)/windtunnel dashboard

install: $(INSTALLED) ## only install

clean: ## remove the environment and what the tools left
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis

# The stamp is written last, so an installation that was interrupted is made again.
$(INSTALLED): pyproject.toml requirements.lock
	@rm -f $@
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Windtunnel needs Python 3.11 or later, got $$($(PYTHON) --version). Try make PYTHON=python3.12 ..." >&2; exit 1; }
	@if command -v uv >/dev/null 2>&1; then \
		test -x $(BIN)/python || uv venv --quiet --python $(PYTHON) $(VENV); \
		uv pip install --quiet --python $(BIN)/python -r requirements.lock && \
		uv pip install --quiet --python $(BIN)/python --no-deps -e .; \
	else \
		$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || \
			{ echo "This Python lacks venv. Install it (Debian, Ubuntu: apt install python3-venv) and try again." >&2; exit 1; }; \
		test -x $(BIN)/pip || $(PYTHON) -m venv $(VENV); \
		$(BIN)/python -m pip install --quiet --disable-pip-version-check uv && \
		$(BIN)/uv pip install --quiet --python $(BIN)/python -r requirements.lock && \
		$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps -e . || { \
			$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock && \
			$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -e .; }; \
	fi
	@touch $@
