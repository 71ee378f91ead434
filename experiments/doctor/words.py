"""Figures as people say them."""

from __future__ import annotations

FOR_EVER_S = 2_147_483.0
"""What HikariCP makes of a connection-timeout of 0: as many seconds as an int has milliseconds for."""
DAY_S = 86_400


def shown_s(seconds: float) -> str:
    if seconds >= DAY_S:
        return f"{seconds / DAY_S:.3g} days"
    return f"{seconds:g} s" if seconds >= 1 else f"{seconds * 1000:g} ms"


def shown_bytes(size: float) -> str:
    """1.5G, 512M: in the units of Docker and the JVM, which are powers of 1024."""
    gib, mib = size / (1 << 30), size / (1 << 20)
    if gib >= 1:
        return f"{gib:.1f}".removesuffix(".0") + "G"
    return f"{mib:.0f}M" if mib >= 1 else f"{size / 1024:.0f}K"
