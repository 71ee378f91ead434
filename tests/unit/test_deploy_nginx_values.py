"""nginx's times, sizes and rates, there and back."""

from __future__ import annotations

import pytest

from experiments.deploy.nginx import values
from experiments.deploy.nginx.hosts import Hosts, Target, host_and_port
from sim.quantities import parse_duration

TIMES = {"30": 30.0, "30s": 30.0, "1m": 60.0, "1m30s": 90.0, "1m 30s": 90.0, "500ms": 0.5, "1h": 3600.0, "1d": 86400.0}


@pytest.mark.parametrize("text", TIMES)
def test_times(text: str) -> None:
    assert values.milliseconds(text) == TIMES[text] * 1000
    assert parse_duration(values.duration(text)) == TIMES[text]
    assert values.write_duration(values.duration(text), text) == text


@pytest.mark.parametrize("text", ["", "s", "1.5s", "1M", "1y", "30s1m", "-1", "1x", "1s 1s", "9" * 40])
def test_no_times(text: str) -> None:
    with pytest.raises(ValueError, match="must"):
        values.milliseconds(text)


@pytest.mark.parametrize(
    ("value", "before", "after"),
    [
        ("45s", "30s", "45s"), ("45s", "30", "45"), ("2m", "1m", "2m"), ("90s", "1m", "90s"),
        ("1500ms", "5s", "1500ms"),
        ("5s", "500ms", "5000ms"), ("5s", "", "5s"), ("60s", "1m", "1m"),
    ],
)  # fmt: skip
def test_times_are_written_as_they_were(value: str, before: str, after: str) -> None:
    assert values.write_duration(value, before) == after


def test_times_nginx_cannot_hold() -> None:
    with pytest.raises(ValueError, match="whole milliseconds"):
        values.write_duration("100us", "1s")
    with pytest.raises(ValueError, match="whole seconds"):
        values.write_duration("1500ms", "1s", 1000)


def test_sizes_and_rates() -> None:
    assert [values.size(text) for text in ("10m", "512k", "64K", "32768")] == ["10M", "512K", "64K", "32K"]
    assert [values.write_size(value, "1m") for value in ("10M", "64K", "1M", "1G", "33001B")] == [
        "10m", "64k", "1m", "1024m", "33001",
    ]  # fmt: skip
    assert [values.rate(text) for text in ("10r/s", "30r/m", "10")] == ["10/s", "30/m", "10/s"]
    for bad in ("1g", "16k", "100B"):
        with pytest.raises(ValueError, match="must be"):
            values.size(bad)
    with pytest.raises(ValueError, match="at least 32k"):
        values.write_size("16K", "1m")
    assert [values.write_rate(value, "10r/s") for value in ("10/s", "5/s", "90/m", "100/60s", "0.5/s")] == [
        "10r/s", "5r/s", "90r/m", "100r/m", "30r/m",
    ]  # fmt: skip
    for bad in ("10r/h", "0r/s", "1.5r/s"):
        with pytest.raises(ValueError, match="rate"):
            values.rate(bad)
    with pytest.raises(ValueError, match="whole requests"):
        values.write_rate("1/7s", "1r/s")


HOSTS = Hosts({"user-service": 2, "db": 1}, "shop", {"users.local": "user-service"})


@pytest.mark.parametrize(
    ("host", "target"),
    [
        ("user-service", Target("user-service")),
        ("users.local", Target("user-service")),
        ("shop-user-service-2", Target("user-service", 2)),
        ("shop_user-service_1", Target("user-service", 1)),
        ("shop-user-service-3", Target("user-service", 3, False)),
        ("user-service-2", Target("user-service", 2, False)),
        ("other-user-service-1", None),
        ("example.com", None),
    ],
)
def test_hosts(host: str, target: Target | None) -> None:
    assert HOSTS.find(host) == target


def test_without_the_projects_name_it_is_guessed() -> None:
    assert Hosts({"user-service": 2, "service": 1}).find("maltan-user-service-1") == Target("user-service", 1)


def test_addresses() -> None:
    assert [host_and_port(text) for text in ("a:8080", "a", "[::1]:81", "10.0.0.1:1")] == [
        ("a", 8080), ("a", 80), ("[::1]", 81), ("10.0.0.1", 1),
    ]  # fmt: skip
