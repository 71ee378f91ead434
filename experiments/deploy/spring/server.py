"""The web server of an application: threads, connections, how it stops, and its time limits.

Source   Spring Boot 2.7 (server.*, spring.lifecycle.*); Tomcat 9 and 10.1
Checked  tests/unit/test_deploy_spring.py
"""

from __future__ import annotations

from experiments.deploy.spring import values
from experiments.deploy.spring.findings import DURATION, INTEGER, TRUTH, Findings, Kind

TOMCAT = "Tomcat (Spring Boot 2.7)"
_OLD_NAMES = {"server.tomcat.max-threads": "threads.max", "server.tomcat.min-spare-threads": "threads.min-spare"}


def read_server(findings: Findings, is_gateway: bool) -> int | None:
    """Facts about one application's server; its port. A gateway has no threads."""
    properties = findings.properties
    port = _port(findings)
    if is_gateway:
        return port  # how a gateway stops is not modelled, and it has no threads
    _shutdown(findings)
    kind = properties.take("spring.main.web-application-type")
    is_reactive = kind is not None and kind.text.strip().lower() == "reactive"
    workers = findings.below("workers")
    if is_reactive and kind is not None:
        workers.add("kind", "event_loop", kind, None, "spring.main.web-application-type: reactive")
        _loops(workers)
        return port
    virtual = properties.get("spring.threads.virtual.enabled")
    if virtual is not None and virtual.text.strip().lower() == "true":
        properties.leave(virtual.origin)
        properties.problem(
            virtual, "spring.threads.virtual.enabled: threads without number are not modelled: Tomcat's threads are "
            "taken instead. Set workers.threads to server.tomcat.max-connections for the same effect.",
        )  # fmt: skip
    _tomcat(workers)
    return port


def _port(findings: Findings) -> int | None:
    value = findings.properties.get("server.port")
    if value is None:
        return None
    findings.properties.harmless(value.origin, "where it listens: callers find it by its name")
    port = findings.parse(value, INTEGER)
    return port if isinstance(port, int) and 0 < port < 65_536 else None


def _shutdown(findings: Findings) -> None:
    value = findings.properties.get("server.shutdown")
    if value is None:
        note = "Spring Boot 2.7 (from 3.4 on: true)"
        findings.default(("shutdown", "graceful"), False, note, "server.shutdown", Kind(values.word, _write_shutdown))
    elif value.text.strip().lower() in ("graceful", "immediate"):
        findings.add(("shutdown", "graceful"), value.text.strip().lower() == "graceful", value, _write_shutdown)
    else:
        findings.properties.leave(value.origin)
        findings.properties.problem(value, f"server.shutdown: must be graceful or immediate, got '{value.text[:40]}'.")
    key = "spring.lifecycle.timeout-per-shutdown-phase"
    if findings.take(("shutdown", "timeout"), key, DURATION) is None:
        findings.default(("shutdown", "timeout"), "30s", "Spring Boot 2.7", key, DURATION)


def _write_shutdown(value: object, _before: str) -> str:
    if not isinstance(value, bool):
        raise ValueError("must be true or false")
    return "graceful" if value else "immediate"


def _tomcat(workers: Findings) -> None:
    for other in ("undertow", "jetty"):
        one = next(workers.properties.below(f"server.{other}"), None)
        if one is not None and one.setting is not None:
            what = "only Tomcat is modelled, whose settings and defaults are taken"
            workers.properties.ledger.problem(one.setting.place, f"server.{other}: {what}.")
    for old, new in _OLD_NAMES.items():
        if workers.properties.get(old) is not None and workers.properties.get(f"server.tomcat.{new}") is None:
            path = "threads" if new == "threads.max" else "min_spare_threads"
            workers.take(path, old, INTEGER, "The name before Spring Boot 2.3.")
    rules = (
        ("threads", "server.tomcat.threads.max", 200),
        ("min_spare_threads", "server.tomcat.threads.min-spare", 10),
        ("max_connections", "server.tomcat.max-connections", 8192),
        ("accept_count", "server.tomcat.accept-count", 100),
    )
    known = {fact.path[-1] for fact in workers.facts if fact.path[:-1] == workers.at}
    for path, key, default in rules:
        if path not in known and workers.take(path, key, INTEGER) is None:
            workers.default(path, default, TOMCAT, key, INTEGER)


def _loops(workers: Findings) -> None:
    """Event loops: Reactor Netty reads a system property, which is given as an argument or not at all."""
    workers.take("loops", "reactor.netty.ioWorkerCount", INTEGER)


def read_open_in_view(findings: Findings) -> None:
    """Whether a connection once used is kept until the request ends."""
    properties = findings.properties
    uses_jpa = properties.has_below("spring.jpa")
    if findings.take("open_in_view", "spring.jpa.open-in-view", TRUTH) is None and uses_jpa:
        note = "Spring Boot 2.7, where JPA is used"
        findings.default("open_in_view", True, note, "spring.jpa.open-in-view", TRUTH)
