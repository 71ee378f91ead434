"""Alert rules that compare the wrong things, or wait until it is over."""

from __future__ import annotations

from collections.abc import Iterator

from experiments.doctor.finding import Finding, Rule, Severity
from experiments.doctor.load import requests_per_s
from experiments.doctor.subject import Subject

LATE_S = 240.0
"""An alert that needs longer misses most restarts and short outages (assumed)."""
OUTAGES = ("errors_per_s", "error_share", "failure_share", "p95_s")
"""Series that an outage shows in; memory and CPU grow slowly."""


def rate_for_a_share(subject: Subject) -> Iterator[Finding]:
    """rate(errors) > 0.05 reads as five percent and means one error in twenty seconds."""
    for name, alert in subject.spec.alerts.items():
        if alert.series != "errors_per_s" or not 0 < alert.above < 1:
            continue
        path = ("alerts", name)
        asked = requests_per_s(subject.spec)
        taken = " (the traffic is assumed)" if subject.is_traffic_assumed else ""
        share = f" At {asked:.3g} requests a second{taken} that is {100 * alert.above / asked:.2g} % of them." if (
            asked
        ) else ""  # fmt: skip
        yield Finding(
            "alert-compares-a-rate", Severity.ERROR, subject.where(*path), subject.path(*path),
            f"{name} compares errors per second with {alert.above:g}",
            f"It reads like a share and fires at one error in {1 / alert.above:.3g} s.{share}",
            "Divide by all requests: sum(rate(http_requests_total{status=~\"5..\"}[5m])) / "
            f"sum(rate(http_requests_total[5m])) > {alert.above:g}",
        )  # fmt: skip


def fires_too_late(subject: Subject) -> Iterator[Finding]:
    """`for` longer than the outages it should catch."""
    lengths_s: list[float] = [getattr(fault, "lasts", None) or 0.0 for fault in subject.spec.faults.values()]
    shortest_s = min((length_s for length_s in lengths_s if length_s), default=None)
    compared = f"the shortest fault of this scenario lasts {shortest_s:g} s" if shortest_s is not None else (
        "a restart, a deploy or a full queue is over in less"
    )  # fmt: skip
    for name, alert in subject.spec.alerts.items():
        if alert.series not in OUTAGES or alert.hold < (LATE_S if shortest_s is None else shortest_s):
            continue
        path = ("alerts", name, "hold")
        yield Finding(
            "alert-too-late", Severity.NOTE if shortest_s is None else Severity.WARNING,
            subject.where(*path), subject.path(*path), f"{name} must hold for {alert.hold:g} s before it fires",
            f"An outage that is shorter is never reported; {compared}.",
            "A shorter for, such as 1m, with a range of 2m; keep the long one as a warning of slow troubles.",
        )  # fmt: skip


RULES = (
    Rule("alert-compares-a-rate", "Errors per second compared with a share", rate_for_a_share),
    Rule("alert-too-late", "A `for` that is longer than the outage it should catch", fires_too_late),
)
