"""What all tests share: deterministic examples, the recorded data, and what to do where a real component is absent."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

PROJECT = Path(__file__).resolve().parent.parent

settings.register_profile(
    "windtunnel",
    derandomize=True,  # the same examples in every run: a red test is red again
    deadline=None,  # never a verdict by the clock on the wall
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("windtunnel")


@pytest.fixture(scope="session")
def project() -> Path:
    """The root of the project."""
    return PROJECT


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """Recordings and deployments of real systems: the folder WINDTUNNEL_DATA names, else one beside the project."""
    named = os.environ.get("WINDTUNNEL_DATA")
    folder = Path(named) if named else PROJECT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"no recorded data: {folder} is not a folder (set WINDTUNNEL_DATA to where it is)")
    return folder


@pytest.fixture(scope="session")
def find_binary() -> Callable[..., str]:
    """`find_binary("nginx")`: its path, or the test is skipped with the reason. Several names: whichever is there."""

    def find(*names: str) -> str:
        for name in names:
            path = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin:/sbin")
            if path:
                return path
        pytest.skip(f"{' or '.join(names)} is not installed")

    return find


@pytest.fixture(scope="session")
def nginx(find_binary: Callable[..., str]) -> str:
    return find_binary("nginx")


@pytest.fixture(scope="session")
def redis_server(find_binary: Callable[..., str]) -> str:
    return find_binary("redis-server")


@pytest.fixture(scope="session")
def chromium(find_binary: Callable[..., str]) -> str:
    return find_binary("chromium", "chromium-browser", "google-chrome")
