"""The shipped scenarios run, in all their variants, and find what their descriptions say they find."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import pytest

from experiments import load_scenario, run
from experiments.scenario import shipped_names

NAMES = [name for name in shipped_names() if name.startswith("maltan/")]
VARIANTS = [(name, variant) for name in NAMES for variant in (None, *load_scenario(name).variants)]

MOSTLY_DOWN = {"lightsail"}
"""Variants in which most containers are down."""


@lru_cache(maxsize=32)
def found(name: str, variant: str | None = None, settings: tuple[str, ...] = (), duration_s: float = 30.0) -> Any:
    """The result of one short replication whose caches were filled for a third of it."""
    scenario = load_scenario(name, settings=settings, variant=variant)
    return run(scenario, replications=1, duration_s=duration_s, warm_up_s=duration_s / 3).document


def vm(document: Any) -> Any:
    return document["machines"]["machines.vm"]


@pytest.mark.parametrize(("name", "variant"), VARIANTS)
def test_every_variant_runs(name, variant):
    scenario = load_scenario(name, variant=variant)
    result = run(scenario, replications=1, duration_s=3.0, warm_up_s=0.0).document
    assert result["audit"]["passed"]
    users = scenario.spec.traffic.users.population
    assert result["requests"]["arrived"] > 0.5 * users  # a request every two and a half seconds or so
    if variant not in MOSTLY_DOWN:
        assert result["requests"]["succeeded"] > 0.3 * result["requests"]["arrived"]  # the rest is on its way
    assert result["variant"] == variant
    assert {objective["name"] for objective in result["objectives"]} == set(scenario.spec.objectives)
    assert {alert["name"] for alert in result["alerts"]} == set(scenario.spec.alerts)


def test_fifty_users_hold_comfortably():
    document = found("maltan/early", duration_s=150.0)
    assert 0.15 < vm(document)["cpu_utilisation"] < 0.25
    assert vm(document)["memory_peak_share"] < 0.80
    assert document["success_rate"] == 1.0
    assert 0.78 < document["caches"]["caches.redis"]["hit_ratio"] < 0.95
    assert document["bottleneck"]["binds"] is False


def test_four_hundred_users_are_limited_by_the_cores():
    document = found("maltan/early", settings=("traffic.users.population=400",), duration_s=24.0)
    assert document["bottleneck"]["limit_path"] == "machines.vm.cores"
    assert document["bottleneck"]["binds"] is True


def test_with_four_cores_it_is_the_quota_of_user_service():
    settings = ("traffic.users.population=400", "machines.vm.cores=4")
    document = found("maltan/early", settings=settings, duration_s=45.0)
    assert vm(document)["cpu_utilisation"] < 0.80
    assert document["bottleneck"]["limit_path"] == "services.user-service.limits.cpus"
    assert document["containers"]["services.user-service.replica-1"]["throttled_share"] > 0.10


def test_the_claim_of_a_hundred_users_rests_on_their_think_time():
    assert vm(found("maltan/early", "hundred-users"))["cpu_utilisation"] < 0.60
    assert vm(found("maltan/early", "hundred-hasty-users"))["cpu_utilisation"] > 0.80


def test_and_on_the_speed_of_the_cores():
    assert vm(found("maltan/early", "hundred-users", ("machines.vm.speed=0.45",)))["cpu_utilisation"] > 0.80


def test_users_behind_one_address_are_refused():
    document = found("maltan/early", "shared-ip", ("traffic.users.population=20",), duration_s=300.0)
    assert document["limiters"]["gateway.rate_limits.per_ip"]["refused"] > 0
    assert document["limiters"]["gateway.rate_limits.per_user"]["refused"] == 0


def test_the_breaker_as_coded_does_nothing_against_a_stuck_query():
    """It never opens, and users wait as long as with no breaker at all."""
    bare, coded, meant = (
        found("maltan/early", f"slow-recommendations{which}", duration_s=120.0)
        for which in ("", "-breaker-as-coded", "-breaker")
    )
    for figure in ("mean", "p95"):
        assert coded["latency_ms"]["all"][figure] == pytest.approx(bare["latency_ms"]["all"][figure], rel=0.01)
    assert coded["breakers"] == {}
    assert len(meant["breakers"]) == 1
    assert meant["latency_ms"]["all"]["mean"] < 0.6 * bare["latency_ms"]["all"]["mean"]
    assert meant["waste"]["calls_left"] > 0


def test_tighter_limits_protect_those_who_are_served():
    surge, limited = (found("maltan/early", name, duration_s=24.0) for name in ("surge", "surge-limits"))
    assert vm(surge)["cpu_utilisation"] > 0.90
    assert limited["latency_ms"]["succeeded"]["p95"] < 0.5 * surge["latency_ms"]["succeeded"]["p95"]
    assert limited["success_rate"] < 0.95 <= surge["success_rate"]


def test_the_smallest_cloud_machine_is_too_small():
    document = found("maltan/early", "lightsail")
    assert vm(document)["oom_kills"] > 0
    assert document["bottleneck"]["limit_path"] == "machines.vm.memory"


def test_replicas_on_the_same_cores_hardly_serve_more_and_take_the_memory():
    two, one = (found("maltan/growth", variant, duration_s=24.0) for variant in (None, "one-replica"))
    assert two["bottleneck"]["limit_path"] == one["bottleneck"]["limit_path"] == "machines.vm.cores"
    assert two["throughput_per_s"] < 1.10 * one["throughput_per_s"]
    assert vm(one)["memory_peak_share"] < 0.85 < vm(two)["memory_peak_share"]


def test_a_bigger_machine_holds():
    document = found("maltan/growth-bigger", duration_s=24.0)
    assert vm(document)["cpu_utilisation"] < 0.80
    assert vm(document)["memory_peak_share"] < 0.85
    assert document["success_rate"] > 0.99


def test_as_written_no_limit_stands_before_users_and_places():
    document = found("maltan/growth-bigger", "as-written", duration_s=24.0)
    asked = document["limiters"]["gateway.rate_limits.global"]["asked"]
    # what is left to the gateway: recommendations, posts and photos, about a third of the mix
    assert 0.2 < asked / document["requests"]["arrived"] < 0.45


# --- what goes wrong, and what then ---


def disturbed(
    name: str, variant: str, fault: str, settings: tuple[str, ...] = (), at_s: int = 20, **more: float
) -> Any:
    """A short run of a variant whose fault comes early; the faults of Maltan last 60 s unless they say otherwise."""
    moved = (f"faults.{fault}.at={at_s}s", *settings)
    scenario = load_scenario(name, settings=moved, variant=variant)
    return run(scenario, replications=1, warm_up_s=10.0, **{"duration_s": 100.0, **more}).document


SHORT = ("faults.redis-down.lasts=20s",)


def test_without_a_time_limit_for_redis_users_wait_until_it_is_back():
    document = disturbed("maltan/early", "redis-down", "redis-down", SHORT, duration_s=70.0)
    assert document["latency_ms"]["all"]["max"] > 15_000
    guarded = disturbed("maltan/early", "redis-down-guarded", "redis-down", SHORT, duration_s=70.0)
    assert guarded["success_rate"] == 1.0
    assert guarded["latency_ms"]["all"]["max"] < 5_000
    assert guarded["throughput_per_s"] > 1.1 * document["throughput_per_s"]


def test_the_limiter_on_redis_makes_photos_wait_too():
    """They need no cache; but the limiter, which lets everybody pass, does so only after Lettuce's time limit."""
    plain, limited = (
        disturbed("maltan/early", variant, "redis-down", SHORT, duration_s=70.0)["endpoints"]["get-photo"]
        for variant in ("redis-down", "redis-down-limiter")
    )
    assert plain["latency_ms"]["all"]["max"] < 2_000
    assert limited["latency_ms"]["all"]["max"] > 10_000
    assert limited["requests"]["refused"] == {}


def test_without_its_header_users_see_a_500():
    document = found("maltan/early", "redis-limiter-no-header")
    assert set(document["requests"]["failed"]) == {"key_resolver_failed"}
    assert 0.05 < document["error_rate"] < 0.4


def test_the_bare_routing_data_source_never_asks_the_replica():
    """Silently: nothing fails, and users see no difference."""
    lazy, bare = (
        found("maltan/growth-bigger", variant, duration_s=24.0)["databases"]["databases.postgres-replica"][
            "replication"
        ]
        for variant in (None, "routing-data-source")
    )
    assert lazy["tracked_reads"] > 0
    assert bare["tracked_reads"] == 0
    assert bare["replayed_writes"] > 0


def test_a_release_fails_behind_nginx_unless_it_leaves_nobody_out():
    settings = ("faults.deploy-users=null",)
    plain, mended = (
        disturbed("maltan/growth-bigger", variant, "deploy-places", settings, duration_s=50.0)
        for variant in ("deploy", "deploy-mended")
    )
    assert plain["requests"]["refused"]["no_live_upstream"] > 0
    assert "no_live_upstream" not in mended["requests"]["refused"]
    assert mended["success_rate"] > 0.99 > plain["success_rate"]


def test_one_of_two_replicas_may_die():
    document = disturbed("maltan/growth-bigger", "place-crash", "place-crash", duration_s=40.0)
    assert document["containers"]["services.place-service.replica-1"]["deaths"] == 1
    assert document["success_rate"] > 0.999


def test_capped_heaps_leave_room():
    free, capped = (found("maltan/growth", variant, duration_s=45.0) for variant in (None, "heaps-capped"))
    assert vm(capped)["memory_peak_share"] <= vm(free)["memory_peak_share"]
    heaps = [jvm["heap_peak_bytes"] for jvm in capped["jvms"].values()]
    assert max(heaps) <= 128 << 20
