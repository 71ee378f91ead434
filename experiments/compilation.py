"""Compile the hot modules of sim/ and models/ from the sources that stand there: `make compile`.

Models   A module is compiled when a .pxd of its name stands beside it. The extension goes beside the source; Python
         then loads it instead, as long as `sim` finds that it belongs to the source as it is.
Source   Cython's pure Python mode: the .py stays the only implementation, the .pxd says what types it uses. No fused
         multiply-add and no reordering of floating-point operations, so that results are the same to the last bit.
Checked  tests/e2e/test_compilation.py
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from experiments.files import write_text
from sim import MANIFEST, ROOT, digest_of

DIRECTIVES = {"language_level": 3, "annotation_typing": False, "initializedcheck": False, "binding": True}
_UNBOUND = re.compile(r"__Pyx_CFunc_\w+_to_py")
C_FLAGS = ["-O2", "-ffp-contract=off", "-fno-strict-aliasing"]


def sources(root: Path = ROOT) -> list[Path]:
    """The modules to compile, as paths below `root`."""
    found = [types.with_suffix(".py") for part in ("sim", "models") for types in (root / part).rglob("*.pxd")]
    return sorted(source.relative_to(root) for source in found)


def compile_all(workers: int, kept: Path | None = None) -> int:
    """Compile everything in place. Returns how many modules there were.

    `kept`: a folder for C files, so that next time only what has changed is translated and compiled.
    """
    from Cython.Build import cythonize as untyped
    from setuptools import Extension
    from setuptools.dist import Distribution

    cythonize: Any = untyped
    names = sources()
    MANIFEST.unlink(missing_ok=True)  # from here to the end, what stands there is nobody's
    remove_strays(ROOT, names)
    before = Path.cwd()
    os.chdir(ROOT)
    try:
        with tempfile.TemporaryDirectory() if kept is None else nullcontext(str(kept)) as c_files:
            extensions: list[Any] = cythonize(
                [
                    Extension(".".join(name.with_suffix("").parts), [str(name)], extra_compile_args=C_FLAGS)
                    for name in names
                ],
                build_dir=c_files, nthreads=workers, quiet=True, compiler_directives=DIRECTIVES,
            )  # fmt: skip
            _refuse_unbound(Path(c_files))
            distribution = Distribution({"name": "windtunnel", "ext_modules": extensions})
            command: Any = distribution.get_command_obj("build_ext")
            command.inplace = True
            command.parallel = workers
            command.build_temp = c_files
            command.ensure_finalized()
            command.run()
    finally:
        os.chdir(before)
    modules = {name.as_posix(): digest_of(ROOT / name) for name in names}
    manifest = {"interpreter": sys.implementation.cache_tag, "modules": modules}
    write_text(MANIFEST, json.dumps(manifest, indent=1) + "\n")
    return len(names)


def _refuse_unbound(c_files: Path) -> None:
    """Cython makes of `other.method`, where a compiled class has it and nobody calls it, a function that has forgotten
    whose it is. Write a lambda instead."""
    for file in sorted(c_files.rglob("*.c")):
        if _UNBOUND.search(file.read_text()):
            raise RuntimeError(f"{file.relative_to(c_files)}: a method of a compiled class is used as a value")


def remove() -> None:
    """Remove everything that was compiled."""
    MANIFEST.unlink(missing_ok=True)
    remove_strays(ROOT, [])


def remove_strays(root: Path, kept: Sequence[Path]) -> None:
    """Remove the extensions of modules that are not compiled any more: Python would load them all the same."""
    modules = {name.with_suffix("") for name in kept}
    for part in ("sim", "models"):
        for extension in (root / part).rglob("*.so"):
            if extension.relative_to(root).with_name(extension.name.partition(".")[0]) not in modules:
                extension.unlink()


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m experiments.compilation", description=__doc__.partition("\n")[0])
    parser.add_argument("--remove", action="store_true", help="remove what was compiled")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="compilations at a time")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="keep the C files there, and compile what has changed")
    options = parser.parse_args()
    if options.remove:
        remove()
        return 0
    compiler = (os.environ.get("CC") or "gcc").split()[0]
    if shutil.which(compiler) is None:
        _say(f"compile: must have a C compiler, got none called {compiler}. Install gcc, or name another: CC=...")
        return 2
    if importlib.util.find_spec("Cython") is None:
        _say("compile: must have Cython, got none. Install it: pip install 'cython>=3.1' setuptools")
        return 2
    _say(f"Compiling {len(sources())} modules; that takes a minute or two ...")
    if options.keep is not None:
        options.keep.mkdir(parents=True, exist_ok=True)
    number = compile_all(options.workers, options.keep and options.keep.resolve())
    _say(f"Compiled {number} modules. windtunnel --version says which run.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
