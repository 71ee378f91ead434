"""The doctor's report: what belongs together is told together, in lines that fit; and what two runs prove."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console

from experiments.doctor import Finding, Severity, Subject, examine
from experiments.doctor.finding import Proof
from experiments.doctor.prove import Proofs, Proven, prove
from experiments.doctor.report import as_json, grouped, print_findings
from experiments.scenario import load_scenario

ONE = Finding(
    "no-health-check", Severity.WARNING, "compose.yaml:2", "services.a.health", "nothing asks a",
    "A replica that hangs stays in service, and everybody who is sent to it waits. " * 3, "A healthcheck.",
)  # fmt: skip
OTHER = replace(ONE, where="compose.yaml:9", path="services.b.health", what="nothing asks b")
BAD = replace(ONE, rule="limiter-off", severity=Severity.ERROR, why="Nobody is refused.")


def printed(findings, proven=None, width=80, left_out=0):
    file = io.StringIO()
    print_findings(Console(file=file, width=width), "shop", findings, proven, left_out)
    return file.getvalue()


def test_the_same_reason_and_remedy_are_told_once():
    text = printed([BAD, ONE, OTHER])
    assert grouped([BAD, ONE, OTHER]) == [[0], [1, 2]]
    assert text.count("why ") == 2
    assert "! 2 places  no-health-check\n  compose.yaml:2  nothing asks a\n  compose.yaml:9  nothing asks b\n" in text
    assert text.endswith("1 error, 2 warnings. Leave a rule out with --without NAME.\n")


@pytest.mark.parametrize("width", [60, 80, 120])
def test_lines_fit_hang_and_end_without_blanks(width):
    lines = printed([BAD, ONE, OTHER], width=width).splitlines()
    assert max(map(len, lines)) <= width
    assert [line for line in lines if line != line.rstrip()] == []
    why = lines.index(next(line for line in lines if line.startswith("  why     A replica")))
    assert lines[why + 1].startswith(" " * 10)


def test_each_is_an_entry_of_its_own_in_json():
    document = as_json("shop", [BAD, ONE, OTHER])
    assert [entry["path"] for entry in document["findings"]] == ["services.a.health"] * 2 + ["services.b.health"]
    assert document["counts"] == {"note": 0, "warning": 2, "error": 1}


def test_rules_left_out_for_want_of_a_service_are_counted():
    assert "describe no service: 31 rules" in " ".join(printed([ONE], left_out=31).split())


def test_a_proof_says_which_way_the_figure_moved():
    proof = Proof(("a=1",), "/x", "waiting, s", "down")
    assert "Waiting, s: 20 as it is, 5.25 with a=1." in Proven(proof, 20.0, 5.25).sentence
    text = " ".join(printed([ONE, OTHER], Proofs({0: Proven(proof, 20.0, 5.0)}, [1])).split())
    assert "proof 60 s simulated. Waiting, s: 20 as it is, 5 with a=1." in text
    assert "1 of 2 claims that a short simulation can show did show; not under this traffic: no-health-check (" in text


@pytest.fixture(scope="module")
def early() -> Subject:
    return Subject.of_scenario(load_scenario("maltan/early", ("traffic.users.population=20",)))


def test_what_moves_is_proved_and_what_does_not_is_not_claimed(early):
    slower = Proof(("traffic.users.think_time=60s",), "/goodput_per_s", "good answers a second", "down")
    nothing = Proof(("objectives={}",), "/goodput_per_s", "good answers a second", "down")
    impossible = Proof(("no.such.path=1",), "/goodput_per_s", "good answers a second", "down")
    nowhere = Proof(("traffic.users.think_time=60s",), "/no/such/figure", "nothing", "up")
    findings = [replace(ONE, rule=str(number), proof=proof) for number, proof in
                enumerate([slower, nothing, impossible, nowhere, None])]  # fmt: skip
    proofs = prove(early, findings)
    assert (list(proofs.shown), proofs.not_shown) == ([0], [1, 2, 3])
    assert proofs.shown[0].after < proofs.shown[0].before


def test_of_those_told_together_one_is_proved(early):
    proof = Proof(("traffic.users.think_time=60s",), "/goodput_per_s", "good answers a second", "down")
    assert list(prove(early, [replace(ONE, proof=proof), replace(OTHER, proof=proof)]).shown) == [0]


def test_shipped_scenarios_are_looked_at_twice_alike(early):
    assert examine(early) == examine(early)
