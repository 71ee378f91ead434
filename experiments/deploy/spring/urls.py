"""Where addresses in properties lead: JDBC, HTTP, and load-balanced ones."""

from __future__ import annotations

import re
from dataclasses import dataclass

_JDBC = re.compile(r"jdbc:([a-z0-9]+)(?::[a-z]+)*:?//([^/?;]*)(?:/([^?;]*))?([?;].*)?", re.IGNORECASE)
_HTTP = re.compile(r"(https?|lb(?::ws|:wss)?|ws|wss)://([^/?#]*)(/[^?#]*)?")
_HOST = re.compile(r"(?:[^@]*@)?(\[[0-9A-Fa-f:.]+\]|[^:@\[\]]*)(?::([0-9]{1,5}))?")


@dataclass(frozen=True, slots=True)
class Address:
    """A host, what is spoken to it, and what is asked for there."""

    scheme: str
    host: str
    port: int | None
    path: str
    options: str = ""


def jdbc(url: str) -> Address | None:
    """`jdbc:postgresql://host:5432/name`; of several hosts the first."""
    match = _JDBC.match(url.strip())
    if match is None:
        return None
    host = _HOST.fullmatch(match[2].split(",")[0])
    if host is None:
        return None
    return Address(match[1].lower(), host[1], int(host[2]) if host[2] else None, match[3] or "", match[4] or "")


def http(url: str) -> Address | None:
    """`http://host:8080/path` or `lb://service`."""
    match = _HTTP.match(url.strip())
    host = _HOST.fullmatch(match[2]) if match else None
    if match is None or host is None or not host[1]:
        return None
    return Address(match[1].lower(), host[1], int(host[2]) if host[2] else None, match[3] or "")
