"""What Compose says of a container's limits, replicas, restarts and health, and how another value is written there.

Source   Compose specification; durations and sizes as Docker Compose 2.40.3 reads them
Checked  tests/unit/test_deploy_compose.py, tests/real/test_compose_config.py
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from fractions import Fraction

from experiments.deploy.containers.model import ComposeFile
from experiments.deploy.fact import Fact
from experiments.deploy.setting import Setting
from sim.quantities import format_duration, format_size, parse_duration, parse_size

Write = Callable[[object, str], str]
_LETTERS = "bkmgtp"
_ENDS = ("", "b", "ib")
_SIZES = {
    "": 1, "b": 1, **{unit + end: 1 << 10 * n for n, unit in enumerate(_LETTERS) if n for end in _ENDS},
}  # fmt: skip
_SIZE = re.compile(r"([0-9]{1,15}(?:\.[0-9]{0,6})?) ?([A-Za-z]{0,3})")
_PARTS = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,9})?)(ns|us|µs|μs|ms|s|m|h|d|w)")
_SECONDS = {
    "ns": Fraction(1, 10**9), "us": Fraction(1, 10**6), "µs": Fraction(1, 10**6), "μs": Fraction(1, 10**6),
    "ms": Fraction(1, 1000), "s": Fraction(1), "m": Fraction(60), "h": Fraction(3600), "d": Fraction(86400),
    "w": Fraction(604800),
}  # fmt: skip
LEAST_CPUS, LEAST_SHARES, LEAST_MEMORY, PERIOD_US = 0.01, 2, 6 << 20, 100_000
"""Docker: daemon/daemon_unix.go (linuxMinMemory, linuxMinCPUShares; CPUs from 0.01); the kernel's period."""
RESTARTS = ("no", "always", "unless-stopped", "on-failure")


def facts_of(compose: ComposeFile, at: tuple[str, ...]) -> Iterator[Fact]:
    """What Compose says of a container's limits, replicas, restarts and health."""
    period = compose.get(*at, "cpu_period")
    if period is not None and str(period.value) in ("100000", "100ms"):
        compose.ledger.harmless(period, "the kernel's own")
    elif period is not None and (quota := compose.get(*at, "cpu_quota")) is not None:
        what = "cpu_quota: with a cpu_period other than 100000 it is not modelled: say cpus."
        compose.ledger.problem(quota.place, what)
    rules: tuple[tuple[tuple[str, ...], tuple[str, ...], Callable[[str], object], Write], ...] = (
        (("deploy", "replicas"), ("replicas",), _whole, _write_whole),
        (("scale",), ("replicas",), _whole, _write_whole),
        (("deploy", "resources", "limits", "cpus"), ("limits", "cpus"), _cpus, _write_number),
        (("cpus",), ("limits", "cpus"), _cpus, _write_number),
        (("deploy", "resources", "limits", "memory"), ("limits", "memory"), _limit, _write_size),
        (("mem_limit",), ("limits", "memory"), _limit, _write_size),
        (("cpu_quota",), ("limits", "cpus"), _quota, _write_quota),
        (("cpu_shares",), ("cpu_shares",), _shares, _write_whole),
        (("stop_grace_period",), ("shutdown", "stop_grace_period"), _time, _write_time),
    )
    held: dict[tuple[str, ...], tuple[object, Setting]] = {}
    for key, path, parse, write in rules:
        setting = compose.get(*at, *key)
        if setting is None or (key == ("cpu_quota",) and not _is_usual(period)):
            continue
        if path[0] in ("limits", "cpu_shares") and _is_nothing(str(setting.value)):
            compose.ledger.harmless(setting, "0: as if nothing were said")
            continue
        try:
            value = parse(str(setting.value))
        except ValueError as error:
            what = f"{'.'.join(map(str, setting.key))}: {error}, got '{str(setting.value)[:40]}'."
            compose.ledger.problem(setting.place, what)
            continue
        compose.models(setting)
        first, other = held.setdefault(path, (value, setting))
        if first != value:
            what = f"{'.'.join(key)}: {setting.value} beside {other.value} ({other.place}): Compose refuses two values."
            compose.ledger.problem(setting.place, what)
            continue
        yield _fact(path, value, setting, write)
    yield from _restarts(compose, at)
    yield from _health(compose, at)


def _fact(path: tuple[str, ...], value: object, setting: Setting, write: Write, note: str = "") -> Fact:
    is_exact = setting.text == setting.value
    note = note if is_exact else "Variables are put in here: change it where they are set."
    return Fact(path, value, "file", setting.place, note, _writer(write, str(setting.value)) if is_exact else None)


_CONDITIONS = {
    "none": "no", "no": "no", "": "no", "on-failure": "on-failure", "unless-stopped": "unless-stopped", "any": "always",
    "always": "always",
}  # fmt: skip
_AS_CONDITION = {"no": "none", "on-failure": "on-failure", "always": "any", "unless-stopped": "unless-stopped"}


def _restarts(compose: ComposeFile, at: tuple[str, ...]) -> Iterator[Fact]:
    """Of restart and deploy.restart_policy Compose takes the latter."""
    plain = compose.get(*at, "restart")
    policy = (*at, "deploy", "restart_policy")
    condition, most = compose.get(*policy, "condition"), compose.get(*policy, "max_attempts")
    if compose.names(*policy):
        if plain is not None:
            compose.ledger.harmless(plain, "deploy.restart_policy holds")
        name = str(condition.value) if condition is not None else ""
        if name not in _CONDITIONS:
            assert condition is not None
            what = f"restart_policy.condition: must be one of none, on-failure, any, got '{name[:40]}'."
            compose.ledger.problem(condition.place, what)
            return
        value = _CONDITIONS[name]
        if most is not None:
            compose.models(most)
            is_counted = value == "on-failure" and str(most.value).isdecimal() and int(str(most.value)) > 0
            value = f"{value}:{int(str(most.value))}" if is_counted else value
        if condition is None:
            place = most.place if most is not None else next(one.place for _, one in compose.below(*policy))
            yield Fact(("restart",), value, "file", place, "A restart_policy without a condition: never.", None)
            return
        compose.models(condition)
        yield _fact(("restart",), value, condition, _write_condition if most is None else _write_no_condition)
        return
    if plain is None:
        yield Fact(("restart",), "no", "default", None, "Docker: no", None)
        return
    try:
        value = _restart(str(plain.value))
    except ValueError as error:
        compose.ledger.problem(plain.place, f"restart: {error}, got '{str(plain.value)[:40]}'.")
        return
    compose.models(plain)
    yield _fact(("restart",), value, plain, _write_restart)


def _write_condition(value: object, _before: str) -> str:
    if str(value) not in _AS_CONDITION:
        raise ValueError("a number of attempts is another line, max_attempts")
    return _AS_CONDITION[str(value)]


def _write_no_condition(_value: object, _before: str) -> str:
    raise ValueError("it is said in two lines, condition and max_attempts")


def _writer(write: Write, before: str) -> Callable[[object], str]:
    return lambda value: write(value, before)


def _health(compose: ComposeFile, at: tuple[str, ...]) -> Iterator[Fact]:
    disable = compose.get(*at, "healthcheck", "disable")
    if disable is not None and str(disable.value).lower() == "true":
        for _, one in compose.below(*at, "healthcheck"):
            compose.ledger.harmless(one, "the health check is disabled")
        return
    if disable is not None:
        compose.ledger.harmless(disable, "the health check is not disabled")
    test = [one for _, one in compose.below(*at, "healthcheck", "test")]
    single = compose.get(*at, "healthcheck", "test")
    test = [single] if single is not None else test
    if not test:
        for _, one in compose.below(*at, "healthcheck"):
            compose.ledger.problem(one.place, "healthcheck: what is asked stands in the image: not modelled.")
            break
        return
    if str(test[0].value).upper() == "NONE":
        for _, one in compose.below(*at, "healthcheck"):
            compose.ledger.harmless(one, "there is no health check")
        return
    compose.models(test[0])
    for one in test[1:]:
        compose.ledger.harmless(one, "how it asks: what is simulated is whether and when an answer comes")
    yield Fact(("health", "kind"), "docker", "file", test[0].place, "Docker asks, and tells nobody.", None)
    times = [(key, _time, _write_time) for key in ("interval", "timeout", "start_period")]
    rules: list[tuple[str, Callable[[str], object], Write]] = [*times, ("retries", _whole, _write_whole)]
    for key, parse, write in rules:
        setting = compose.get(*at, "healthcheck", key)
        if setting is None:
            continue
        if key != "start_period" and _is_nothing(str(setting.value)):
            compose.ledger.harmless(setting, "0: Docker's default")
            continue
        try:
            value = parse(str(setting.value))
        except ValueError as error:
            what = f"healthcheck.{key}: {error}, got '{str(setting.value)[:40]}'."
            compose.ledger.problem(setting.place, what)
            continue
        compose.models(setting)
        yield _fact(("health", key), value, setting, write)


def _is_usual(period: Setting | None) -> bool:
    return period is None or str(period.value) in ("100000", "100ms", "0")


def _is_nothing(text: str) -> bool:
    """0 in any spelling, and -1 of a quota: no limit."""
    return re.fullmatch(r"-1|(?:0+(?:\.0*)?|\.0+) ?[a-zA-Z]{0,3}", text.strip()) is not None


def _whole(text: str) -> int:
    if not re.fullmatch("[0-9]{1,9}", text.strip()):
        raise ValueError("must be a whole number")
    return int(text)


def _write_whole(value: object, _before: str) -> str:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError("must be a whole number")
    return str(value)


def _number(text: str) -> float | int:
    if not re.fullmatch(r"[0-9]{1,9}(\.[0-9]{0,9})?|\.[0-9]{1,9}", text.strip()):
        raise ValueError("must be a number")
    value = float(text)
    return int(value) if value == int(value) else value


def _cpus(text: str) -> float | int:
    value = _number(text)
    if value < LEAST_CPUS:
        raise ValueError(f"must be at least {LEAST_CPUS}, as Docker has it")
    return value


def _quota(text: str) -> float | int:
    return _cpus(f"{_whole(text) / PERIOD_US:.9f}")


def _write_quota(value: object, _before: str) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("must be a number")
    return str(round(value * PERIOD_US))


def _shares(text: str) -> int:
    return max(_whole(text), LEAST_SHARES)


def _limit(text: str) -> str:
    value = _size(text)
    if parse_size(value) < LEAST_MEMORY:
        raise ValueError("must be at least 6M, as Docker has it")
    return value


def _write_number(value: object, _before: str) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("must be a number")
    return f"{value:.9f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)


def _size(text: str) -> str:
    match = _SIZE.fullmatch(text.strip())
    if match is None or match[2].lower() not in _SIZES:
        raise ValueError("must be a size such as 512M")
    return format_size(int(Fraction(match[1]) * _SIZES[match[2].lower()]))


def _write_size(value: object, before: str) -> str:
    count = parse_size(value)
    match = _SIZE.fullmatch(before.strip())
    units = [match[2]] if match else []
    for unit in (*units, "G", "M", "K", "B"):
        if count % _SIZES[unit.lower()] == 0 and (unit or not units):
            return f"{count // _SIZES[unit.lower()]}{unit}"
    return str(count)


def _restart(text: str) -> str:
    name, _, most = text.strip().partition(":")
    if name not in RESTARTS or (most and (not most.isdecimal() or name != "on-failure")):
        raise ValueError(f"must be one of {', '.join(RESTARTS)}")
    return f"{name}:{int(most)}" if most and int(most) else name  # 0: as often as it takes


def _write_restart(value: object, before: str) -> str:
    text = _restart(str(value))
    if text == "no" and before != "no":
        raise ValueError('a bare no is false in YAML. Write restart: "no"')
    return text


def _time(text: str) -> str:
    parts = _PARTS.findall(text.strip())
    if not parts or "".join(count + unit for count, unit in parts) != text.strip():
        raise ValueError("must be a duration such as 1m30s")
    total = Fraction(0)
    for count, unit in parts:
        total += Fraction(count) * _SECONDS[unit]
    return format_duration(float(total))


def _write_time(value: object, before: str) -> str:
    exact = Fraction(repr(parse_duration(value)))
    units = [unit for _, unit in _PARTS.findall(before)]
    for unit in (*(units[-1:] if len(units) == 1 else ()), "s", "ms", "us"):
        count = exact / _SECONDS[unit]
        if count.denominator == 1:
            return f"{count.numerator}{unit}"
    raise ValueError("must be whole microseconds")
