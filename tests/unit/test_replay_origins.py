"""Sources of a replayed scenario's values: measured where the log tells them, the scenario's own where it does not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from experiments.logs import read_logs
from experiments.replay import Replayed, Router, replay_trace, told, with_origins, with_recorded_traffic
from experiments.scenario import Scenario, load_scenario

ROW = {"both": "{t},/api/places/{n},u{n},10.0.0.{n}", "users": "{t},/api/places/{n},u{n},", "none": "{t},/zzz,,"}


def replayed(folder: Path, rows: str, settings: tuple[str, ...] = ()) -> tuple[Scenario, Replayed, np.ndarray]:
    log = folder / "a.csv"
    lines = [ROW[rows].format(t=1_445_742_000 + number, n=number % 7) for number in range(50)]
    log.write_text("time,path,user,ip\n" + "\n".join(lines) + "\n")
    scenario = with_recorded_traffic(load_scenario("maltan/early", settings), [str(log)], 1.0)
    roles = {"time": "time", "path": "path", "user": "user", "ip": "ip"}
    trace, summary = replay_trace(read_logs([str(log)], fields=roles), Router(scenario.spec, ()), log="a.csv")
    who = np.concatenate([np.stack([block.user, block.ip]) for block in trace.blocks()], axis=1)
    trace.close()
    return with_origins(scenario, summary), summary, who


def test_what_the_log_tells_is_measured_and_what_it_replaces_is_gone(tmp_path: Path) -> None:
    scenario, summary, _ = replayed(tmp_path, "both")
    assert not [path for path in scenario.provenance if path.startswith("traffic.users.")]
    assert summary.unaddressed == summary.assigned == 0
    for path in ("traffic.trace.file", "traffic.users_per_ip", "traffic.mix.get-place"):
        found = scenario.provenance_of(path)
        assert found is not None
        assert (found.source, found.ref) == ("measured", "a.csv")
    client = scenario.provenance_of("traffic.client.patience")
    assert client is not None
    assert client.source == "assumed"


@pytest.mark.parametrize("share", [1, 3])
def test_addresses_that_are_not_told_follow_from_users_and_stay_assumed(share: int, tmp_path: Path) -> None:
    scenario, summary, (user, ip) = replayed(tmp_path, "users", (f"traffic.users_per_ip={share}",))
    assert (summary.unaddressed, summary.ips) == (50, 0)
    assert len(np.unique(ip)) == -(-7 // share)
    assert (ip - ip.min() == user // share).all()
    found = scenario.provenance_of("traffic.users_per_ip")
    assert found is not None
    assert found.source == "assumed"
    assert any("no addresses" in line for line in told(summary))
    assert any("50 requests tell no address: traffic.users_per_ip says" in line for line in told(summary))


def test_a_mix_that_chooses_stays_what_it_was(tmp_path: Path) -> None:
    scenario, summary, (user, ip) = replayed(tmp_path, "none")
    assert (summary.assigned, summary.anonymous, summary.unaddressed) == (50, 50, 50)
    assert len(np.unique(user)) == len(np.unique(ip)) == 50
    sources = [scenario.provenance_of(path) for path in ("traffic.mix.get-place", "traffic.users_per_ip")]
    assert [None if found is None else found.source for found in sources] == ["assumed", "measured"]
