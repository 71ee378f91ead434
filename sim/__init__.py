"""The kernel: time, chance, waiting, counting. It knows nothing of microservices.

Every module runs as it stands here. Those beside which a .pxd file says what types they use can be compiled, from the
same source (`make compile`, `python -m experiments.compilation`); then they run several times as fast, with the same
results to the last bit. What was compiled is used when all of it belongs to these very sources, and not otherwise:
a half-compiled kernel would be two kernels. WINDTUNNEL_PURE=1 leaves it aside.
"""

from __future__ import annotations

import json
import os
import sys
from hashlib import blake2b
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import spec_from_file_location
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MANIFEST = Path(__file__).with_name("compiled.json")
"""What was compiled, and from what: the digest of each module's source and types."""


def digest_of(source: Path) -> str:
    """Of a module's source and of what its .pxd says: another one needs another compilation."""
    content = source.read_bytes() + b"\0" + source.with_suffix(".pxd").read_bytes()
    return blake2b(content, digest_size=16).hexdigest()


def _why_interpreted() -> str:
    """Why nothing that was compiled is used; empty where it is."""
    if os.environ.get("WINDTUNNEL_PURE", "0") not in ("", "0"):
        return "WINDTUNNEL_PURE is set"
    try:
        manifest = json.loads(MANIFEST.read_bytes())
        if manifest["interpreter"] != sys.implementation.cache_tag:
            return f"compiled for {manifest['interpreter']}: run make compile"
        for name, digest in manifest["modules"].items():
            if digest_of(ROOT / name) != digest:
                return f"{name} has changed since it was compiled: run make compile"
    except FileNotFoundError:
        return "not compiled"
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return "what was compiled cannot be read: run make compile"
    return ""


class _Interpreted:
    """Finds the sources of modules, whatever was compiled beside them."""

    @staticmethod
    def find_spec(name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        if name.partition(".")[0] not in ("sim", "models"):
            return None
        source = ROOT.joinpath(*name.split(".")).with_suffix(".py")
        if not source.is_file():
            return None
        return spec_from_file_location(name, source, loader=SourceFileLoader(name, str(source)))


why_interpreted = _why_interpreted()
if why_interpreted and any(Path(__file__).parent.glob("heap.*.so")):
    sys.meta_path.insert(0, _Interpreted())


def compiled() -> bool:
    """Whether the compiled modules are in use."""
    return not why_interpreted
