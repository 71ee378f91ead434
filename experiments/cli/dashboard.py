"""`windtunnel dashboard`: the pages in a browser."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import click

from experiments.errors import InputError

_SETTINGS = ("--browser.gatherUsageStats=false", "--server.headless=true", "--client.toolbarMode=minimal")


@click.command(short_help="Open the dashboard in a browser.")
@click.option("--port", type=click.IntRange(1, 65535), default=8501, show_default=True, metavar="N", help="Port.")
@click.option("--address", default="127.0.0.1", show_default=True, metavar="A", help="Address.")
def dashboard(port: int, address: str) -> int:
    """Serve the dashboard until Ctrl-C.

    \b
    windtunnel dashboard --port 8600
    """
    command = [sys.executable, "-m", "streamlit", "run", str(entry_script()), *_SETTINGS]
    return subprocess.call([*command, f"--server.port={port}", f"--server.address={address}"])


def entry_script() -> Path:
    """What Streamlit opens: `app.py` of a checkout, else the dashboard's own entry. Raises InputError."""
    import experiments

    package = Path(experiments.__file__).resolve().parent
    checkout = package.parent
    if (checkout / "pyproject.toml").is_file() and (checkout / "app.py").is_file():
        return checkout / "app.py"
    inside = package / "dashboard" / "main.py"
    if inside.is_file():
        return inside
    raise InputError(f"dashboard: must be installed with the program, got no {inside}. Install windtunnel again.")
