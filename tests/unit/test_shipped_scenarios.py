"""The shipped scenarios say where every value comes from, and agree with the files that are deployed.

The guide's figures stand in a table here: each must be found in the scenario, with the guide as its source, and in the
deployable file beside it.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from ruamel.yaml import YAML

from experiments import load_scenario
from experiments.scenario import Scenario, shipped_names, uncovered
from experiments.scenario.paths import at_path, heard, parse_path
from models.jvm import Ergonomics, cpu_count
from sim.quantities import parse_duration, parse_rate, parse_size

NAMES = ["maltan/early", "maltan/growth", "maltan/growth-bigger"]
STAGES = ["early", "growth"]
SERVICES = ["user-service", "place-service", "recommendation-service", "community-service", "media-service"]
WITH_DATABASE = SERVICES[:4]
DEPLOY = resources.files("experiments").joinpath("scenarios", "maltan", "deploy")


# --- reading what is deployed ---


def text_of(stage: str, file: str) -> str:
    return DEPLOY.joinpath(stage, file).read_text(encoding="utf-8")


def yaml_of(stage: str, file: str) -> Any:
    return YAML(typ="safe", pure=True).load(text_of(stage, file))


def number(value: Any) -> float:
    """What a figure is in base units, however either side writes it."""
    if isinstance(value, int | float):
        return float(value)
    for parse in (parse_duration, parse_size):
        try:
            return float(parse(value))
        except ValueError:
            continue
    return float(value)


def milliseconds(value: Any) -> float:
    return float(value) / 1000.0


def limiter(gateway: Any, which: int, what: str) -> Any:
    return gateway["spring"]["cloud"]["gateway"]["default-filters"][which]["args"][f"bucket4j-rate-limiter.{what}"]


class Upstreams:
    """The few directives of nginx-lb.conf that the guide has figures for."""

    def __init__(self, text: str) -> None:
        self.text = re.sub(r"#.*", "", text)

    def servers(self, upstream: str) -> list[dict[str, str]]:
        body = re.search(rf"upstream {upstream} \{{(.*?)\}}", self.text, re.DOTALL)
        assert body, upstream
        lines = re.findall(r"server (\S+?)((?: \S+=\S+)*);", body[1])
        return [{"name": name, **dict(part.split("=") for part in rest.split())} for name, rest in lines]

    def balancing(self, upstream: str) -> str:
        return "least_conn" if re.search(rf"upstream {upstream} \{{\s*least_conn;", self.text) else "round_robin"

    def location(self, path: str) -> dict[str, str]:
        body = re.search(rf"location {path} \{{(.*?)\}}", self.text, re.DOTALL)
        assert body, path
        return dict(re.findall(r"(\w+) ([^;]+);", body[1]))


# --- the guide's figures ---


class Figure(NamedTuple):
    """One figure of the guide: where it stands in the scenario, and how to find it in the file that is deployed."""

    path: str
    value: Any
    file: str
    find: Callable[[Any], Any]
    unit: Callable[[Any], float] = number


def key(path: str) -> Callable[[Any], Any]:
    """The value under names separated by slashes."""

    def find(document: Any) -> Any:
        for name in path.split("/"):
            document = document[name]
        return document

    return find


def rule(name: str) -> Callable[[Any], Any]:
    return lambda document: next(each for each in document["groups"][0]["rules"] if each["alert"] == name)


def expression(name: str, pattern: str) -> Callable[[Any], Any]:
    def find(document: Any) -> Any:
        match = re.search(pattern, rule(name)(document)["expr"])
        assert match, pattern
        return match[1]

    return find


def pool_figures(service: str, pool: str, where: str) -> list[Figure]:
    file, at = f"{service}/application.yml", f"spring/datasource/{where}hikari/"
    path = f"services.{service}.pools.{pool}."
    return [
        Figure(path + "maximum_pool_size", 10, file, key(at + "maximum-pool-size")),
        Figure(path + "minimum_idle", 5, file, key(at + "minimum-idle")),
        Figure(path + "connection_timeout", 30, file, key(at + "connection-timeout"), milliseconds),
        Figure(path + "idle_timeout", 600, file, key(at + "idle-timeout"), milliseconds),
        Figure(path + "max_lifetime", 1800, file, key(at + "max-lifetime"), milliseconds),
    ]


def common_figures() -> list[Figure]:
    gateway, rules = "gateway/application.yml", "rules.yml"
    compose = "docker-compose.yml"
    found = [
        Figure("services.user-service.limits.cpus", 0.5, compose,
               key("services/user-service/deploy/resources/limits/cpus"), float),
        Figure("services.user-service.limits.memory", 512 << 20, compose,
               key("services/user-service/deploy/resources/limits/memory")),
        Figure("alerts.HighErrorRate.above", 0.05, rules, expression("HighErrorRate", r"> ([\d.]+)"), float),
        Figure("alerts.HighErrorRate.window", 300, rules, expression("HighErrorRate", r"\[(\w+)\]")),
        Figure("alerts.HighErrorRate.hold", 300, rules, lambda document: rule("HighErrorRate")(document)["for"]),
        Figure("alerts.HighErrorShare.above", 0.05, rules, expression("HighErrorShare", r"> ([\d.]+)"), float),
        Figure("alerts.HighMemoryUsage.above", 0.85, rules, expression("HighMemoryUsage", r"> ([\d.]+)"), float),
        Figure("alerts.HighMemoryUsage.hold", 300, rules, lambda document: rule("HighMemoryUsage")(document)["for"]),
    ]  # fmt: skip
    for which, (name, tokens) in enumerate([("per_user", 100), ("per_ip", 200), ("global", 1000)]):
        at = f"gateway.rate_limits.{name}"
        period = 1 if name == "global" else 60
        found += [
            Figure(f"{at}.capacity", tokens, gateway, lambda document, n=which: limiter(document, n, "capacity")),
            Figure(f"{at}.refill", tokens / period, gateway,
                   lambda document, n=which: limiter(document, n, "refillTokens")
                   / parse_duration(limiter(document, n, "refillPeriod"))),
        ]  # fmt: skip
    for service, permits in zip(WITH_DATABASE, [50, 100, 30, 50], strict=True):
        at = f"resilience4j/bulkhead/instances/{service}/max-concurrent-calls"
        found.append(Figure(f"gateway.concurrency.{service}.permits", permits, gateway, key(at)))
    for data_class, service, ttl_s in [
        ("static", "place-service", 3600),
        ("hot", "place-service", 300),
        ("recommended", "recommendation-service", 300),
        ("posts", "community-service", 60),
        ("profiles", "user-service", 60),
    ]:
        at = f"maltan/caches/{data_class}/time-to-live"
        found.append(Figure(f"caches.redis.classes.{data_class}.ttl", ttl_s, f"{service}/application.yml", key(at)))
    return found


def stage_figures(stage: str) -> list[Figure]:
    growth = stage == "growth"
    busy = SERVICES[:2] if growth else []
    found = common_figures()
    for service in SERVICES:
        at = f"services/{service}/deploy/replicas"
        found.append(Figure(f"services.{service}.replicas", 2 if service in busy else 1, "docker-compose.yml", key(at)))
    for service in WITH_DATABASE:
        found += pool_figures(service, "main", "primary/" if service in busy else "")
    for service in busy:
        found += pool_figures(service, "reads", "replica/")
    if growth:
        found += growth_figures()
    return found


def growth_figures() -> list[Figure]:
    nginx, place = "nginx-lb.conf", "place-service/application.yml"
    users = "load_balancers.nginx.upstreams.user_service."
    step = "services.place-service.endpoints.get-place.steps.nearby."
    breaker = "resilience4j/circuitbreaker/instances/recommendation-service/"

    def of_servers(name: str) -> Callable[[Any], Any]:
        def find(conf: Upstreams) -> Any:
            (value,) = {server[name] for server in conf.servers("user_service")}
            return value

        return find

    return [
        Figure(users + "max_fails", 3, nginx, of_servers("max_fails"), float),
        Figure(users + "fail_timeout", 30, nginx, of_servers("fail_timeout")),
        Figure(users + "connect_timeout", 5, nginx, lambda c: c.location("/api/users")["proxy_connect_timeout"]),
        Figure(users + "send_timeout", 10, nginx, lambda c: c.location("/api/users")["proxy_send_timeout"]),
        Figure(users + "read_timeout", 10, nginx, lambda c: c.location("/api/users")["proxy_read_timeout"]),
        Figure(step + "breaker.sliding_window_size", 10, place, key(breaker + "sliding-window-size")),
        Figure(step + "breaker.failure_rate_threshold", 50, place, key(breaker + "failure-rate-threshold")),
        Figure(step + "breaker.wait_duration_in_open_state", 30, place, key(breaker + "wait-duration-in-open-state")),
        Figure(step + "breaker.permitted_number_of_calls_in_half_open_state", 5, place,
               key(breaker + "permitted-number-of-calls-in-half-open-state")),
        Figure(step + "time_limiter.limit", 3, place,
               key("resilience4j/timelimiter/instances/recommendation-service/timeout-duration")),
    ]  # fmt: skip


ONLY_IN_SCENARIO = {
    "machines.vm.cores": 2,
    "machines.vm.memory": 4 << 30,
    "objectives.cpu.at_most": 0.80,
    "objectives.memory.at_most": 0.85,
    "objectives.success-rate.at_least": 0.95,
    "objectives.error-rate.at_most": 0.05,
    "objectives.cache-hits.at_least": 0.80,
}
"""Figures that no deployed file has a place for."""


def value_at(scenario: Scenario, path: str) -> float:
    value = at_path(scenario.document, heard(parse_path(path), scenario.document))
    assert value is not None, path
    if isinstance(value, str) and "/" in value:
        rate = parse_rate(value)
        return rate.count / rate.period_s
    return number(value)


def is_guides(scenario: Scenario, path: str) -> bool:
    """Whether the guide is the source of a value. Which algorithm holds a bucket's tokens is not the guide's to say."""
    entry = scenario.provenance_of(path)
    if path.endswith(".capacity"):
        return entry is not None and entry.source == "assumed"
    return entry is not None and entry.source == "guide"


@pytest.fixture(scope="module")
def scenarios() -> dict[str, Scenario]:
    return {name: load_scenario(name) for name in NAMES}


@pytest.fixture(scope="module")
def deployed() -> Callable[[str, str], Any]:
    read: dict[tuple[str, str], Any] = {}

    def get(stage: str, file: str) -> Any:
        if (stage, file) not in read:
            conf = file.endswith(".conf")
            read[stage, file] = Upstreams(text_of(stage, file)) if conf else yaml_of(stage, file)
        return read[stage, file]

    return get


# --- the scenarios themselves ---


def test_they_come_with_the_program():
    assert set(NAMES) <= set(shipped_names())
    folder = resources.files("experiments").joinpath("scenarios", "maltan")
    for name in NAMES:
        assert folder.joinpath(name.partition("/")[2] + ".yaml").is_file()


def test_deployed_files_are_not_taken_for_scenarios():
    assert [name for name in shipped_names() if name.startswith("maltan/")] == sorted(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_every_value_has_a_source(name, scenarios):
    assert uncovered(scenarios[name]) == []


@pytest.mark.parametrize("name", NAMES)
def test_what_is_assumed_stands_together(name, scenarios):
    """Guide first, then defaults and measurements, then assumptions: nobody has to hunt for what to doubt."""
    groups = {"guide": 0, "file": 1, "default": 1, "measured": 1, "assumed": 2}
    order = [groups[entry.source] for entry in scenarios[name].provenance.values()]
    assert order == sorted(order)


@pytest.mark.parametrize("name", NAMES)
def test_assumptions_and_defaults_say_what_they_rest_on(name, scenarios):
    for path, entry in scenarios[name].provenance.items():
        assert entry.note if entry.source == "assumed" else entry.ref, path


@pytest.mark.parametrize("name", NAMES)
def test_variants_load_and_change_the_system(name, scenarios):
    base = scenarios[name]
    for variant, entry in base.variants.items():
        assert base.with_variant(variant).spec != base.spec, variant
        assert entry.description.endswith("."), variant


@pytest.mark.parametrize("name", NAMES)
def test_runs_are_long_enough_for_the_alerts_and_the_p99(name, scenarios):
    spec = scenarios[name].spec
    users = spec.traffic.users
    session = users.session
    cycle_s = users.think_time.mean_s + session.gap.mean_s / session.requests
    assert spec.duration / cycle_s * users.population >= 4 * 20 / 0.01
    for alert in spec.alerts.values():
        assert spec.duration >= alert.hold + 2 * alert.every
    assert spec.replications >= 5


def test_a_bigger_machine_is_all_that_growth_bigger_changes(scenarios):
    same, bigger = (dict(scenarios[name].document) for name in NAMES[1:])
    assert same.pop("description") != bigger.pop("description")
    machine, larger = same.pop("machines")["vm"], bigger.pop("machines")["vm"]
    assert same == bigger
    assert {name for name in machine if machine[name] != larger[name]} == {"cores", "memory"}


def test_growth_asks_the_same_work_of_the_services(scenarios):
    """Otherwise the stages could not be compared."""
    early, growth = (scenarios[name].document for name in NAMES[:2])
    assert early["traffic"]["mix"] == growth["traffic"]["mix"]
    for name, service in early["services"].items():
        assert service["base_memory"] == growth["services"][name]["base_memory"]
        for endpoint, entry in service["endpoints"].items():
            steps = zip(entry["steps"], growth["services"][name]["endpoints"][endpoint]["steps"], strict=True)
            for step, other in steps:
                assert step.get("demand") == other.get("demand"), (name, endpoint)
    for query, costs in early["databases"]["postgres"]["queries"].items():
        assert growth["databases"]["postgres"]["queries"][query] == costs


def test_reads_go_to_the_replica_and_writes_to_the_primary(scenarios):
    """Read-only transactions on a lazy proxy, which reach the standby; without it they would not."""
    growth = scenarios["maltan/growth"]
    spec = growth.spec
    assert spec.databases["postgres-replica"].standby_of == "postgres"
    for name in SERVICES[:2]:
        service = spec.services[name]
        assert service.pools["main"].database == "postgres"
        assert service.pools["reads"].database == "postgres-replica"
        routed = service.data_sources["routed"]
        assert (routed.style, routed.primary, routed.replica) == ("lazy_proxy", "main", "reads")
        for endpoint in service.endpoints.values():
            for step in endpoint.steps:
                assert step.kind != "db"  # all in transactions
                if step.kind == "transaction":
                    assert (step.pool, step.read_only) == ("routed", False)
                for inner in getattr(step, "on_miss", []):
                    assert (inner.kind, inner.pool, inner.read_only) == ("transaction", "routed", True)
        bare = growth.with_variant("routing-data-source").spec.services[name].data_sources["routed"]
        assert bare.style == "routing_data_source"


@pytest.mark.parametrize("name", NAMES)
def test_jvms_are_what_their_containers_make_of_them(name, scenarios):
    """512M: the serial collector and a heap of 128 MiB. No limit: a quarter of the machine, for each of them."""
    spec = scenarios[name].spec
    machine = spec.machines["vm"]

    def jvm_of(component: Any) -> Ergonomics:
        limits = component.limits
        cpus = cpu_count(limits.cpus, machine.cores)
        return Ergonomics.of(component.jvm, cpus, min(limits.memory or machine.memory, machine.memory))

    limited = jvm_of(spec.services["user-service"])
    assert (limited.collector, limited.max_heap) == ("serial", 128 << 20)
    for component in (spec.gateway, *(spec.services[each] for each in SERVICES[1:])):
        assert (jvm_of(component).collector, jvm_of(component).max_heap) == ("g1", machine.memory // 4)
    assert spec.gateway.loops is None


@pytest.mark.parametrize("stage", STAGES)
def test_containers_are_restarted_and_stopped_as_deployed(stage, scenarios, deployed):
    spec, compose = scenarios[f"maltan/{stage}"].spec, deployed(stage, "docker-compose.yml")["services"]
    parts = {"gateway": spec.gateway, **spec.services, **spec.load_balancers, **spec.caches, **spec.databases}
    for name, part in parts.items():
        assert part.restart == compose[name]["restart"] == "always"
    for name, service in spec.services.items():
        stops = deployed(stage, f"{name}/application.yml")["server"]["shutdown"]
        assert service.shutdown.graceful is (stops == "graceful") is True
        assert "stop_grace_period" not in compose[name]
        assert service.shutdown.stop_grace_period == 10
        assert ("healthcheck" in compose[name]) is (service.health is not None) is False


def test_nginx_has_the_workers_its_file_leaves_it(scenarios, deployed):
    """The guide's file takes the place of the image's, which asks for a worker on each core."""
    conf = deployed("growth", "nginx-lb.conf").text
    assert "worker_processes" not in conf
    assert "worker_connections" not in conf
    nginx = scenarios["maltan/growth"].spec.load_balancers["nginx"]
    fields = type(nginx).model_fields
    assert nginx.workers == fields["workers"].default == 1
    assert nginx.worker_connections == fields["worker_connections"].default == 512


@pytest.mark.parametrize("name", NAMES)
def test_without_its_header_the_example_answers_500(name, scenarios):
    gateway = scenarios[name].with_variant("redis-limiter-no-header").spec.gateway
    assert gateway.key_resolver.on_missing == "error"
    assert gateway.rate_limits == scenarios[name].with_variant("redis-limiter").spec.gateway.rate_limits


def test_as_written_nginx_lets_clients_past_the_gateway(scenarios):
    growth = scenarios["maltan/growth"]
    written = growth.with_variant("as-written")
    for name, route in growth.spec.routes.items():
        is_proxied = route.service in SERVICES[:2]
        assert route.through == (["gateway", "nginx"] if is_proxied else ["gateway"])
        assert written.spec.routes[name].through == (["nginx"] if is_proxied else ["gateway"])


def test_the_two_limits_of_the_guide_contradict_each_other_by_a_factor_of_60(scenarios):
    early = scenarios["maltan/early"]
    table = early.spec.gateway.rate_limits["per_user"]
    example = early.with_variant("redis-limiter").spec.gateway.rate_limits["per_user"]
    assert (example.replenish_rate, example.burst_capacity, example.key) == (100, 200, "user")
    assert example.replenish_rate == pytest.approx(60 * table.refill.count / table.refill.period_s)
    assert "factor of 60" in early.variants["redis-limiter"].description


@pytest.mark.parametrize("variant", ["breaker-as-coded"])
@pytest.mark.parametrize("name", NAMES)
def test_the_breaker_as_coded_has_the_librarys_defaults(name, variant, scenarios):
    from models.circuit_breaker import CallBreakerSpec

    services = scenarios[name].with_variant(variant).spec.services
    (call,) = (step for step in services["place-service"].endpoints["get-place"].steps if step.kind == "call")
    assert call.breaker == CallBreakerSpec()
    assert call.time_limiter is None


# --- the guide's figures, in the scenario and in what is deployed ---


@pytest.mark.parametrize("stage", STAGES)
def test_figures_of_the_guide_stand_in_scenario_and_deployed_file(stage, scenarios, deployed):
    scenario = scenarios[f"maltan/{stage}"]
    figures = stage_figures(stage)
    assert len(figures) > 40
    for figure in figures:
        assert value_at(scenario, figure.path) == pytest.approx(figure.value), figure.path
        found = figure.find(deployed(stage, figure.file))
        assert figure.unit(found) == pytest.approx(figure.value), (figure.path, figure.file)
        assert is_guides(scenario, figure.path), figure.path


@pytest.mark.parametrize("name", NAMES)
def test_other_figures_of_the_guide(name, scenarios):
    for path, value in ONLY_IN_SCENARIO.items():
        if name == "maltan/growth-bigger" and path.startswith("machines."):
            continue
        assert value_at(scenarios[name], path) == pytest.approx(value), path
        assert is_guides(scenarios[name], path), path


@pytest.mark.parametrize(("name", "fewest", "most"), [(NAMES[0], 10, 50), (NAMES[1], 100, 500), (NAMES[2], 100, 500)])
def test_users_at_once_are_those_of_the_stage(name, fewest, most, scenarios):
    assert fewest <= scenarios[name].spec.traffic.users.population <= most


@pytest.mark.parametrize("stage", STAGES)
def test_everything_in_the_scenario_is_deployed(stage, scenarios, deployed):
    spec, compose = scenarios[f"maltan/{stage}"].spec, deployed(stage, "docker-compose.yml")["services"]
    expected = {"gateway", *spec.services, *spec.load_balancers, *spec.caches, *spec.databases}
    assert expected | set(spec.machines["vm"].background) == set(compose)


@pytest.mark.parametrize("stage", STAGES)
def test_compose_is_the_guides(stage, deployed):
    compose = deployed(stage, "docker-compose.yml")
    services = compose["services"]
    assert "maltan-network" in compose["networks"]
    for name in SERVICES:
        assert services[name]["image"] == f"maltan/{name}:latest"
        assert services[name]["environment"]["SPRING_PROFILES_ACTIVE"] == "prod"
    assert services["postgres"]["image"] == "postgres:15"
    assert services["postgres"]["environment"]["POSTGRES_DB"] == "maltan"
    assert services["prometheus"]["ports"] == ["9090:9090"]
    assert services["grafana"]["ports"] == ["3001:3000"]
    assert services["node-exporter"]["ports"] == ["9100:9100"]
    for name in services:
        for volume in services[name].get("volumes", []):
            source = volume.partition(":")[0]
            if source.startswith("./") and source != "./slack-url.txt":  # a secret does not ship
                assert DEPLOY.joinpath(stage, source[2:]).is_file(), source


@pytest.mark.parametrize("stage", STAGES)
def test_ports_and_checklist(stage, deployed):
    for port, name in enumerate(SERVICES, start=8081):
        settings = deployed(stage, f"{name}/application.yml")
        assert settings["server"] == {"port": port, "shutdown": "graceful"}
        assert settings["logging"]["level"]["root"] == "WARN"
        assert "health" in settings["management"]["endpoints"]["web"]["exposure"]["include"]


@pytest.mark.parametrize("stage", STAGES)
def test_alertmanager_groups_as_the_guide_says(stage, deployed):
    route = deployed(stage, "alertmanager.yml")["route"]
    assert route["group_by"] == ["alertname", "service"]
    assert [route[name] for name in ("group_wait", "group_interval", "repeat_interval")] == ["30s", "5m", "4h"]
    (receiver,) = deployed(stage, "alertmanager.yml")["receivers"]
    assert "slack_configs" in receiver


@pytest.mark.parametrize("stage", STAGES)
def test_alert_rules_are_worded_as_in_the_guide(stage, deployed, scenarios):
    rules = deployed(stage, "rules.yml")
    assert rule("HighErrorRate")(rules)["expr"] == 'rate(http_requests_total{status=~"5.."}[5m]) > 0.05'
    assert rule("HighMemoryUsage")(rules)["expr"] == (
        "(node_memory_MemTotal_bytes - node_memory_MemAvailable_bytes) / node_memory_MemTotal_bytes > 0.85"
    )
    alerts = scenarios[f"maltan/{stage}"].spec.alerts
    assert {each["alert"] for each in rules["groups"][0]["rules"]} == set(alerts)
    assert alerts["HighErrorRate"].series == "errors_per_s"
    every = parse_duration(deployed(stage, "prometheus.yml")["global"]["evaluation_interval"])
    assert {alert.every for alert in alerts.values()} == {every}


def test_nginx_balances_as_the_guide_says(deployed, scenarios):
    conf: Upstreams = deployed("growth", "nginx-lb.conf")
    upstreams = scenarios["maltan/growth"].spec.load_balancers["nginx"].upstreams
    for name, upstream in upstreams.items():
        assert conf.balancing(name) == upstream.balancing == "least_conn"
        weights = [int(server["weight"]) for server in conf.servers(name)]
        assert weights == upstream.weights == [1, 1]
    assert all("max_fails" not in server for server in conf.servers("place_service"))
    assert not any(name.endswith("_timeout") for name in conf.location("/api/places"))
    assert (upstreams["place_service"].max_fails, upstreams["place_service"].fail_timeout) == (1, 10)
    assert upstreams["place_service"].read_timeout == 60


def test_the_primary_can_have_a_replica(deployed):
    command = deployed("growth", "docker-compose.yml")["services"]["postgres"]["command"]
    assert "wal_level=replica" in command
    assert "max_wal_senders=3" in command


# --- what the real programs say to the files ---


def binary(name: str) -> str:
    path = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin:/sbin")
    if path is None:
        pytest.skip(f"{name} is not installed")
    return path


def accepts(*command: str, where: Path | None = None) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, cwd=where, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.mark.parametrize("stage", STAGES)
def test_prometheus_accepts_configuration_and_rules(stage, tmp_path):
    promtool = binary("promtool")
    for file in ("prometheus.yml", "rules.yml"):
        (tmp_path / file).write_text(text_of(stage, file), encoding="utf-8")
    assert "3 rules" in accepts(promtool, "check", "rules", "rules.yml", where=tmp_path)
    accepts(promtool, "check", "config", "prometheus.yml", where=tmp_path)


@pytest.mark.parametrize("stage", STAGES)
def test_alertmanager_accepts_its_configuration(stage, tmp_path):
    (tmp_path / "alertmanager.yml").write_text(text_of(stage, "alertmanager.yml"), encoding="utf-8")
    accepts(binary("amtool"), "check-config", "alertmanager.yml", where=tmp_path)


def test_nginx_accepts_its_configuration(tmp_path):
    """Names of containers resolve only in Docker's network, so addresses stand in for them."""
    text, replaced = re.subn(
        r"server maltan-\w+-service-[12]:", "server 127.0.0.1:", text_of("growth", "nginx-lb.conf")
    )
    assert replaced == 4
    (tmp_path / "nginx.conf").write_text(text, encoding="utf-8")
    (tmp_path / "logs").mkdir()
    own = f"pid {tmp_path}/nginx.pid; error_log stderr;"
    accepts(binary("nginx"), "-t", "-p", str(tmp_path), "-c", str(tmp_path / "nginx.conf"), "-g", own)
