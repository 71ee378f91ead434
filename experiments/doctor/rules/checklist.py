"""What belongs before every deploy: health checks, graceful shutdown, log levels, a pool that was thought about."""

from __future__ import annotations

import re
from collections.abc import Iterator

from experiments.doctor.finding import SO_MANY, UNSUCCESSFUL, Finding, Proof, Rule, Severity
from experiments.doctor.situations import hangs, restarts
from experiments.doctor.subject import Subject

VERBOSE = ("info", "debug", "trace", "all")
_OF_THE_SIMULATOR = re.compile(
    r"not modelled|no figure for|is read as a|are assumed|taken as|only the first is|is modelled|the simulator|"
    r"names no cache"
)
"""Problems of reading that are the model's, not the deployment's: `windtunnel import` tells them."""
_STOPS = re.compile(r"would not start|start would fail")
_READ_AS = re.compile(r"(?:It is read as|It is left out)[^.;]*(?:[.;] ?|$)")
_NO_CONTAINER = re.compile(
    r"server (\S+): Docker resolves no container of this name.*Compose calls that one (\S+?)\.?$"
)


def _check(where: str, path: str, name: str, replicas: int = 1) -> Finding:
    who = "everybody waits" if replicas == 1 else f"one request in {replicas} waits"
    proof = None
    if path:
        target = f"{path.removesuffix('.health')}{'' if replicas == 1 else '.replica-1'}"
        settings = f"{path}={{kind: docker, interval: 5s, timeout: 2s, restart_unhealthy: true}}"
        proof = Proof((settings,), "/goodput_per_s", "good answers a second", "up", *hangs(target, 40))
    return Finding(
        "no-health-check", Severity.WARNING, where, path, f"nothing asks {name} whether it is well",
        f"A replica that hangs stays in service: {who} until a person notices.",
        "healthcheck in Compose (test: wget -q -O /dev/null http://localhost:8080/actuator/health, interval: 10s), and "
        "something that restarts what is unhealthy, since Docker only marks it; in Kubernetes liveness and readiness "
        "probes.", proof,
    )  # fmt: skip


def no_health_check(subject: Subject) -> Iterator[Finding]:
    for name, service in subject.spec.services.items():
        if service.health is None:
            path = ("services", name, "health")
            yield _check(subject.where(*path), subject.path(*path), name, service.replicas)
    for unit in subject.deployment.of_role("gateway") if subject.deployment is not None else ():
        if not any(fact.path[:1] == ("health",) for fact in unit.facts):
            yield _check(str(unit.place), "gateway", unit.name)


def _cut_off(where: str, path: str, name: str, threads: int | None = None) -> Finding:
    many = f", up to {threads} requests, one a thread," if threads is not None else ""
    proof = None
    if path:
        settings = (f"{path}.graceful=true",)
        proof = Proof(
            settings,
            "/requests/failed/instance_died",
            "requests cut off",
            "down",
            *restarts(path.removesuffix(".shutdown")),
        )
    return Finding(
        "not-graceful", Severity.WARNING, where, path,
        f"{name} stops at once when it is told to (server.shutdown is immediate)",
        f"What is in progress in a replica{many} is cut off at every deploy and restart.",
        "server.shutdown: graceful (Spring Boot before 3.4 does not by default).", proof,
    )  # fmt: skip


def not_graceful(subject: Subject) -> Iterator[Finding]:
    springs = subject.deployment.springs if subject.deployment is not None else None
    for name, service in subject.spec.services.items():
        if service.shutdown.graceful or (springs is not None and name not in springs):
            continue  # what is not Spring's may well finish what it has begun: nothing tells
        path = ("services", name, "shutdown")
        threads = getattr(service.workers, "threads", None)
        yield _cut_off(subject.where(*path), subject.path(*path), name, threads)
    for unit in subject.deployment.of_role("gateway") if subject.deployment is not None else ():
        reading = (springs or {}).get(unit.name)
        said = reading.properties.get("server.shutdown") if reading is not None else None
        if reading is not None and (said is None or said.text.strip().lower() != "graceful"):
            yield _cut_off(str(said.where) if said is not None else f"{reading.files[0]}:1", "gateway", unit.name)


def killed_while_graceful(subject: Subject) -> Iterator[Finding]:
    for name, service in subject.spec.services.items():
        shutdown, path = service.shutdown, ("services", name, "shutdown", "stop_grace_period")
        if not shutdown.graceful or shutdown.stop_grace_period >= shutdown.timeout:
            continue
        yield Finding(
            "killed-while-graceful", Severity.WARNING, subject.where(*path), subject.path(*path),
            f"{name} takes up to {shutdown.timeout:g} s to finish, and is killed after "
            f"{shutdown.stop_grace_period:g} s",
            "What takes longer than that is cut off after all.",
            f"stop_grace_period: {shutdown.timeout + 5:g}s in Compose, or a shorter timeout-per-shutdown-phase.",
        )  # fmt: skip


def pool_left_to_itself(subject: Subject) -> Iterator[Finding]:
    """The guide's checklist: connection pool set."""
    for name, service in subject.spec.services.items():
        for pool, spec in service.pools.items():
            path = ("services", name, "pools", pool, "maximum_pool_size")
            if "maximum_pool_size" in spec.model_fields_set and subject.source(*path) not in ("default", "assumed"):
                continue
            yield Finding(
                "pool-not-set", Severity.NOTE, subject.where(*path), subject.path(*path),
                f"the pool {pool} of {name} has HikariCP's default size, {spec.maximum_pool_size}: "
                f"{service.replicas * spec.maximum_pool_size} connections of {service.replicas} "
                f"replica{'s' * (service.replicas > 1)}",
                "Nobody has compared it with what the database can take, or with the threads that share it.",
                "Say what is meant: spring.datasource.hikari.maximum-pool-size.",
            )  # fmt: skip


def verbose_logs(subject: Subject) -> Iterator[Finding]:
    """The guide's checklist: log level WARN or above."""
    for reading in subject.deployment.springs.values() if subject.deployment is not None else ():
        for logger, level in reading.log_levels.items():
            if level.strip().lower() not in VERBOSE:
                continue
            said = reading.properties.get(f"logging.level.{logger}")
            is_bad = logger.lower() == "root" or level.strip().lower() != "info"
            yield Finding(
                "verbose-logs", Severity.WARNING if is_bad else Severity.NOTE,
                str(said.where) if said is not None else f"{reading.files[0]}:1", "",
                f"logging.level.{logger} is {level.strip()}",
                "Every request writes lines: CPU and disk that requests wait for; Docker's json-file log grows without "
                "bound.",
                f"logging.level.{logger}: WARN.",
            )  # fmt: skip


def log_level_unset(subject: Subject) -> Iterator[Finding]:
    """Who says nothing gets INFO."""
    for name, reading in subject.deployment.springs.items() if subject.deployment is not None else ():
        if any(logger.lower() == "root" for logger in reading.log_levels):
            continue
        yield Finding(
            "log-level-unset", Severity.NOTE, f"{reading.files[0]}:1", "", f"{name} sets no logging.level.root",
            "Spring Boot's default is INFO: lines for what is in order, too.", "logging.level.root: WARN.",
        )  # fmt: skip


def anonymous_without_key(subject: Subject) -> Iterator[Finding]:
    """A key resolver that reads a header nobody has sent."""
    gateway = subject.spec.gateway
    resolver = gateway.key_resolver if gateway is not None else None
    if gateway is None or resolver is None or resolver.on_missing == "pass" or not resolver.anonymous_share:
        return
    if not any(getattr(limiter, "key", "") == "user" for limiter in gateway.rate_limits.values()):
        return
    path = ("gateway", "key_resolver", "on_missing")
    status = 500 if resolver.on_missing == "error" else 403
    limit = next(name for name, limiter in gateway.rate_limits.items() if getattr(limiter, "key", "") == "user")
    is_said = path in subject.places or subject.deployment is None
    where = subject.where(*path) if is_said else subject.where("gateway", "rate_limits", limit, "key")
    yield Finding(
        "no-key-no-service", Severity.ERROR if status == 500 else Severity.WARNING,
        where, subject.path(*path),
        f"who comes without a key is answered with {status}",
        f"That is {100 * resolver.anonymous_share:.3g} % of the users here: not limited, but turned away.",
        "A key that everybody has, such as the address, or deny-empty-key: false.",
        Proof((f"{subject.path(*path)}=pass",), UNSUCCESSFUL, SO_MANY, "down"),
    )  # fmt: skip


def _unknown_host(where: str, host: str, container: str) -> Finding:
    return Finding(
        "file-problem", Severity.ERROR, where, "",
        f"server {host}: Docker resolves no container of this name; Compose calls it {container}",
        "nginx looks names up when it starts, and does not start where one is unknown (host not found in upstream).",
        "Name containers as Compose does, project-service-number; or the service alone, which stands for all of them.",
    )  # fmt: skip


def problems_of_files(subject: Subject) -> Iterator[Finding]:
    """What readers could not make sense of: placeholders without a value, files that are not there, blocks missing."""
    for place, text in subject.deployment.ledger.problems if subject.deployment is not None else ():
        if _OF_THE_SIMULATOR.search(text):
            continue
        unknown = _NO_CONTAINER.search(text)
        if unknown is not None:
            yield _unknown_host(str(place), unknown[1], unknown[2])
            continue
        what, _, rest = text.partition(". ")
        change = _READ_AS.sub("", rest).strip()
        stops = _STOPS.search(text) is not None
        yield Finding(
            "file-problem", Severity.ERROR if stops else Severity.WARNING, str(place), "", what.rstrip("."),
            "The program that reads this file does not start." if stops
            else "What the program that reads this file makes of it may not be what was meant.",
            change or "Correct the line, or add the file that it names.",
        )  # fmt: skip


RULES = (
    Rule("no-key-no-service", "Users without a key are turned away", anonymous_without_key),
    Rule("file-problem", "What a file says cannot be carried out", problems_of_files, False),
    Rule("no-health-check", "No health check", no_health_check),
    Rule("not-graceful", "Requests cut off at every deploy", not_graceful),
    Rule("killed-while-graceful", "Killed before it has finished gracefully", killed_while_graceful),
    Rule("verbose-logs", "Logs below WARN", verbose_logs, False),
    Rule("log-level-unset", "No log level", log_level_unset, False),
    Rule("pool-not-set", "A pool of default size", pool_left_to_itself),
)
