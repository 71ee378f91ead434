"""What belongs before every deploy: health checks, graceful shutdown, log levels, a pool that was thought about."""

from __future__ import annotations

from collections.abc import Iterator

from experiments.doctor.finding import Finding, Rule, Severity
from experiments.doctor.subject import Subject, relaxed

VERBOSE = ("info", "debug", "trace", "all")


def no_health_check(subject: Subject) -> Iterator[Finding]:
    for name, service in subject.spec.services.items():
        if service.health is not None:
            continue
        path = ("services", name, "health")
        yield Finding(
            "no-health-check", Severity.WARNING, subject.where(*path), subject.path(*path),
            f"nothing asks {name} whether it is well",
            "A replica that hangs stays in service, and everybody who is sent to it waits.",
            "A healthcheck in Compose on /actuator/health, or liveness and readiness probes.",
        )  # fmt: skip


def not_graceful(subject: Subject) -> Iterator[Finding]:
    for name, service in subject.spec.services.items():
        shutdown, path = service.shutdown, ("services", name, "shutdown")
        if not shutdown.graceful:
            yield Finding(
                "not-graceful", Severity.WARNING, subject.where(*path), subject.path(*path),
                f"{name} stops at once when it is told to (server.shutdown=immediate)",
                f"Whatever is in progress in it is cut off at every deploy"
                f"{f', in each of its {service.replicas} replicas' if service.replicas > 1 else ''}.",
                "server.shutdown=graceful (Spring Boot before 3.4 does not by default).",
            )  # fmt: skip
        elif shutdown.stop_grace_period < shutdown.timeout:
            at = (*path, "stop_grace_period")
            yield Finding(
                "killed-while-graceful", Severity.WARNING, subject.where(*at), subject.path(*at),
                f"{name} takes up to {shutdown.timeout:g} s to finish, and is killed after "
                f"{shutdown.stop_grace_period:g} s",
                "What takes longer than that is cut off after all.",
                f"stop_grace_period: {shutdown.timeout + 5:g}s in Compose, or a shorter timeout-per-shutdown-phase.",
            )  # fmt: skip


def pool_left_to_itself(subject: Subject) -> Iterator[Finding]:
    """The guide's checklist: connection pool set."""
    for name, service in subject.spec.services.items():
        for pool, spec in service.pools.items():
            if "maximum_pool_size" in spec.model_fields_set:
                continue
            path = ("services", name, "pools", pool, "maximum_pool_size")
            yield Finding(
                "pool-not-set", Severity.NOTE, subject.where(*path), subject.path(*path),
                f"the pool {pool} of {name} has HikariCP's default size, {spec.maximum_pool_size}",
                f"With {service.replicas} replica{'s' * (service.replicas > 1)} that is "
                f"{service.replicas * spec.maximum_pool_size} connections, whatever the database can take.",
                "Say what is meant: spring.datasource.hikari.maximum-pool-size.",
            )  # fmt: skip


def verbose_logs(subject: Subject) -> Iterator[Finding]:
    """The guide's checklist: log level WARN or above."""
    if subject.deployment is None:
        return
    said = set()
    for setting in subject.deployment.ledger.settings.values():
        key = ".".join(relaxed(str(part)) for part in setting.key)
        if "logging.level." not in f"{key}." or not isinstance(setting.value, str):
            continue
        said.add(setting.place.file)
        if setting.value.lower() not in VERBOSE:
            continue
        logger = key.rpartition("logging.level.")[2]
        is_root = logger == "root"
        severity = Severity.WARNING if is_root or setting.value.lower() != "info" else Severity.NOTE
        yield Finding(
            "verbose-logs", severity, str(setting.place), "", f"logging.level.{logger} is {setting.value}",
            "Every request writes lines: CPU and disk that requests wait for; Docker's json-file log grows without "
            "bound.",
            f"logging.level.{logger}: WARN.",
        )  # fmt: skip
    for name, reading in subject.deployment.springs.items():
        files = [file for file in reading.files if file not in said]
        if len(files) == len(list(reading.files)) and files:
            yield Finding(
                "log-level-unset", Severity.NOTE, f"{files[0]}:1", "", f"{name} sets no log level",
                "Spring Boot's default is INFO.", "logging.level.root: WARN.",
            )  # fmt: skip


def anonymous_without_key(subject: Subject) -> Iterator[Finding]:
    """A key resolver that reads a header nobody has sent."""
    gateway = subject.spec.gateway
    if gateway is None or gateway.key_resolver is None or gateway.key_resolver.on_missing == "pass":
        return
    resolver, path = gateway.key_resolver, ("gateway", "key_resolver", "on_missing")
    status = 500 if resolver.on_missing == "error" else 403
    yield Finding(
        "no-key-no-service", Severity.ERROR if status == 500 else Severity.WARNING,
        subject.where(*path), subject.path(*path),
        f"who comes without a key is answered with {status}",
        f"That is {100 * resolver.anonymous_share:g} % of the users here; they are not limited, they are turned away.",
        "A key that everybody has, such as the address, or deny-empty-key: false.",
    )  # fmt: skip


def problems_of_files(subject: Subject) -> Iterator[Finding]:
    """What readers could not make sense of: placeholders without a value, files that are not there, blocks missing."""
    if subject.deployment is None:
        return
    for place, text in subject.deployment.ledger.problems:
        yield Finding(
            "file-problem", Severity.WARNING, str(place), "", text.partition(". ")[0].rstrip("."),
            "What the program that reads this file makes of it may not be what was meant.",
            text.partition(". ")[2] or "Correct the line, or the file it names.",
        )  # fmt: skip


RULES = (
    Rule("no-key-no-service", "Users without a key are turned away", anonymous_without_key),
    Rule("file-problem", "What a file says cannot be carried out", problems_of_files),
    Rule("no-health-check", "No health check", no_health_check),
    Rule("not-graceful", "Requests cut off at every deploy", not_graceful),
    Rule("verbose-logs", "Logs below WARN", verbose_logs),
    Rule("pool-not-set", "A pool of default size", pool_left_to_itself),
)
