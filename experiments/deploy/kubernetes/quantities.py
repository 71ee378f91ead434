"""Kubernetes' quantities and times, read exactly and written back in the unit that stood there.

Models   `500m` is half a core; `512Mi` is binary, `512M` is decimal; parts of a byte round up, as there.
Source   Kubernetes: apimachinery pkg/api/resource/quantity.go; pkg/kubelet/cm/helpers_linux.go (shares)
Checked  tests/unit/test_deploy_kubernetes.py
"""

from __future__ import annotations

import re
from fractions import Fraction

from sim.quantities import format_duration, format_size, parse_duration, parse_size

_QUANTITY = re.compile(
    r"\+?([0-9]{1,18}(?:\.[0-9]{0,18})?|\.[0-9]{1,18})(?:([numkMGTPE]|[KMGTPE]i)|[eE]([+-]?[0-9]{1,2}))?"
)
_SCALES = {
    **{unit: Fraction(1, 1000**power) for power, unit in enumerate(("", "m", "u", "n"))},
    **{unit: Fraction(1000**power) for power, unit in enumerate(("k", "M", "G", "T", "P", "E"), 1)},
    **{f"{unit}i": Fraction(1024**power) for power, unit in enumerate("KMGTPE", 1)},
}
_LEAST_CPUS = Fraction(1, 100)
_MOST_CPUS = 100_000
_MOST_BYTES = 1 << 60
_MOST_SECONDS = 10**9
LEAST_SHARES = 2


def quantity(text: str) -> Fraction:
    """What a quantity means. Raises ValueError."""
    match = _QUANTITY.fullmatch(text.strip())
    if match is None:
        raise ValueError("must be a quantity such as 500m or 512Mi")
    return Fraction(match[1]) * (_SCALES[match[2] or ""] if match[3] is None else Fraction(10) ** int(match[3]))


def cpus(text: str) -> float | int:
    """Cores of `500m` or `0.5`."""
    value = Fraction(-((-quantity(text) * 1000) // 1), 1000)
    if not _LEAST_CPUS <= value <= _MOST_CPUS:
        raise ValueError(f"must be 10m to {_MOST_CPUS} cores to be modelled")
    return int(value) if value.denominator == 1 else float(value)


def write_cpus(value: object, before: str) -> str:
    return _number(Fraction(repr(_plain(value))), before)


def shares(text: str) -> int:
    """The weight that a request of CPU gives a container: 1024 for a core, at least 2."""
    milli = -((-quantity(text) * 1000) // 1)
    if milli > _MOST_CPUS * 1000:
        raise ValueError(f"must be at most {_MOST_CPUS} cores to be modelled")
    return max(LEAST_SHARES, int(milli * 1024 // 1000))


def write_shares(value: object, before: str) -> str:
    """The least request that gives this weight."""
    wanted = Fraction(repr(_plain(value)))
    milli = -((-wanted * 1000) // 1024)
    text = _number(Fraction(milli, 1000), before)
    if shares(text) != wanted:
        raise ValueError("must be a weight that whole thousandths of a core give")
    return text


def size(text: str) -> str:
    """Bytes of `512Mi` or `512M`, in the scenario's words."""
    value = -(-quantity(text) // 1)
    if value > _MOST_BYTES:
        raise ValueError("must be a size below 1Ei to be modelled")
    if value == 0:
        raise ValueError("must be more than nothing: Kubernetes takes 0 as no limit, and so does the scenario")
    return format_size(int(value))


def write_size(value: object, before: str) -> str:
    count = Fraction(parse_size(value))
    match = _QUANTITY.fullmatch(before.strip())
    own = match[2] if match and match[2] and match[2] not in "mun" else None
    binary = own is None or own.endswith("i")
    for unit in ((own,) if own else ()) + (("Gi", "Mi", "Ki") if binary and own else ("G", "M", "k") if own else ()):
        if (count / _SCALES[unit]).denominator == 1:
            return f"{count / _SCALES[unit]}{unit}"
    return str(count)


def whole(text: str) -> int:
    if not re.fullmatch("[0-9]{1,9}", text.strip()):
        raise ValueError("must be a whole number")
    return int(text)


def positive(text: str) -> int:
    value = whole(text)
    if value < 1:
        raise ValueError("must be at least 1")
    return value


def write_whole(value: object, _before: str = "") -> str:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError("must be a whole number")
    return str(value)


def seconds(text: str) -> str:
    """A time in whole seconds, in the scenario's words."""
    return format_duration(float(whole(text)))


def positive_seconds(text: str) -> str:
    return format_duration(float(positive(text)))


def write_seconds(value: object, _before: str = "", added_s: int = 0) -> str:
    exact = Fraction(repr(parse_duration(value)))
    if exact.denominator != 1 or exact > _MOST_SECONDS:
        raise ValueError("must be whole seconds, as everywhere in Kubernetes")
    return str(int(exact) + added_s)


def _plain(value: object) -> float | int:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e9:
        raise ValueError("must be a number of cores")
    return value


def _number(value: Fraction, before: str) -> str:
    """A count of cores as thousandths where it was written so or has to be, else as a decimal number."""
    milli = value * 1000
    if milli.denominator != 1:
        raise ValueError("must be whole thousandths of a core")
    if before.strip().endswith("m"):
        return f"{milli}m"
    digits = f"{int(milli) // 1000}.{int(milli) % 1000:03d}".rstrip("0").rstrip(".")
    return digits
