"""docker-compose.yml: containers with their replicas, limits, restarts, health checks and options of java.

Source   Compose specification; the images' own documentation for what they are told
Checked  tests/e2e/test_export_files.py, tests/real/test_fresh_files.py
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from experiments.deploy.fresh.alerts import PROMETHEUS, RULES, rule_files
from experiments.deploy.fresh.nginx import nginx_name
from experiments.deploy.fresh.pools import spring_pools
from experiments.deploy.fresh.stores import REPLICATION, postgres_name, redis_conf, redis_name
from experiments.deploy.fresh.words import (
    SPRING_PORT,
    Plan,
    commented,
    docker_size,
    docker_time,
    dumped,
    java_size,
    kept,
    sources,
)
from experiments.deploy.place import Place
from experiments.deploy.units import Unit, guess_role

PASSWORD = "${POSTGRES_PASSWORD:?set it in .env}"
_APPLICATION = "/app/config/application.yml"
_SOURCED = ("replicas", "limits", "restart", "health")
_IMAGES = {
    "prometheus": "prom/prometheus:latest", "alertmanager": "prom/alertmanager:latest",
    "grafana": "grafana/grafana:latest", "node-exporter": "prom/node-exporter:latest",
}  # fmt: skip


def compose(plan: Plan) -> str:
    """The text of docker-compose.yml."""
    services: dict[str, Any] = {}
    sourced: dict[str, tuple[str, ...]] = {}
    gateway = plan.section("gateway")
    if gateway:
        services[plan.gateway] = _gateway(plan, gateway)
        sourced |= {f"gateway's {key}": ("gateway", key) for key in _SOURCED if gateway.get(key)}
    makers = {"load_balancers": _nginx, "services": _service, "databases": _postgres, "caches": _redis}
    for section, make in makers.items():
        for name, said in plan.section(section).items():
            services[name] = make(plan, name, said)
            sourced |= {f"{name}'s {key}": (section, name, key) for key in _SOURCED if said.get(key)}
    for name, said in _residents(plan).items():
        services[name] = _resident(plan, name, said)
    head = [
        "Written from a scenario. Images of services are placeholders: a scenario has none. Where values come from:",
        *(f"  {line}" for line in sources(plan, sourced)),
    ]
    whole: dict[str, Any] = {"name": plan.project, "services": services}
    if plan.section("databases"):
        whole["volumes"] = {f"{name}-data": {} for name in plan.section("databases")}
    return commented(head) + dumped(whole)


def _container(plan: Plan, at: tuple[str, ...], said: Mapping[str, Any], image: str) -> dict[str, Any]:
    """What every container has. Docker restarts nothing by itself where a scenario does: so that is said."""
    restart = _spec(plan, at, "restart")
    limits = said.get("limits") or {}
    resources = kept({
        "cpus": str(limits["cpus"]) if limits.get("cpus") is not None else None,
        "memory": docker_size(limits["memory"]) if limits.get("memory") is not None else None,
    })  # fmt: skip
    deploy = kept({"replicas": said.get("replicas"), "resources": {"limits": resources} if resources else None})
    grace = (said.get("shutdown") or {}).get("stop_grace_period")
    shares = said.get("cpu_shares")
    return kept({
        "image": image,
        "restart": "no" if restart in (False, None) else str(restart),
        "cpu_shares": int(shares) if shares is not None and shares == int(shares) else None,
        "stop_grace_period": docker_time(grace) if grace is not None else None,
        "deploy": deploy,
    })  # fmt: skip


def _spec(plan: Plan, at: tuple[str, ...], key: str) -> Any:
    """What holds in the scenario, said or not."""
    value: Any = plan.scenario.spec
    for name in at:
        value = value[name] if isinstance(value, Mapping) else getattr(value, name)
    return getattr(value, key)


def _gateway(plan: Plan, said: Mapping[str, Any]) -> dict[str, Any]:
    return kept({
        **_container(plan, ("gateway",), said, "gateway:latest"),
        "ports": [f"{SPRING_PORT}:{SPRING_PORT}"],
        "environment": kept({"JAVA_TOOL_OPTIONS": java_options(said)}),
        "volumes": [f"./{plan.gateway}/application.yml:{_APPLICATION}:ro"],
    })  # fmt: skip


def _nginx(plan: Plan, name: str, said: Mapping[str, Any]) -> dict[str, Any]:
    is_entry = any((route.get("through") or [None])[0] == name for route in plan.section("routes").values())
    version = _spec(plan, ("load_balancers", name), "version")
    return kept({
        **_container(plan, ("load_balancers", name), said, f"nginx:{version}-alpine"),
        "ports": ["80:80"] if is_entry else None,
        "expose": None if is_entry else ["80"],
        "volumes": [f"./{nginx_name(plan, name)}:/etc/nginx/nginx.conf:ro"],
        "depends_on": sorted({str(one["service"]) for one in (said.get("upstreams") or {}).values()}),
    })  # fmt: skip


def _service(plan: Plan, name: str, said: Mapping[str, Any]) -> dict[str, Any]:
    port = plan.port(name)
    pools = spring_pools(plan, name)
    needs = sorted({str(pool["database"]) for pool in pools.values()} | set(plan.classes(name)))
    is_entry = any(not route.get("through") and route["service"] == name for route in plan.section("routes").values())
    environment = {"JAVA_TOOL_OPTIONS": java_options(said), "POSTGRES_PASSWORD": PASSWORD if pools else None}
    return kept({
        **_container(plan, ("services", name), said, f"{name}:latest"),
        "ports": [f"{port}"] if is_entry else None,
        "expose": None if is_entry else [f"{port}"],
        "environment": kept(environment),
        "volumes": [f"./{name}/application.yml:{_APPLICATION}:ro"],
        "healthcheck": health(said, port),
        "depends_on": needs or None,
    })  # fmt: skip


def health(said: Mapping[str, Any], port: int) -> dict[str, Any] | None:
    """Docker's health check. What Kubernetes asks has no place in Compose."""
    asked = said.get("health")
    if not asked or asked.get("kind") != "docker":
        return None
    test = f"wget -q -O /dev/null http://localhost:{port}/actuator/health || exit 1"
    times = {key: docker_time(asked[key]) for key in ("interval", "timeout", "start_period")
             if asked.get(key) is not None}  # fmt: skip
    return kept({"test": ["CMD-SHELL", test], **times, "retries": asked.get("retries")})


def java_options(said: Mapping[str, Any]) -> str | None:
    """JAVA_TOOL_OPTIONS: the heap, the collector, and how many event loops."""
    jvm, workers = said.get("jvm") or {}, said.get("workers") or {}
    words: list[str | None] = []
    for key, flag in (("max_heap", "-Xmx"), ("initial_heap", "-Xms")):
        size = java_size(jvm[key]) if jvm.get(key) is not None else None
        words.append(f"{flag}{size}" if size else None)
    if jvm.get("max_ram_percentage") is not None:
        words.append(f"-XX:MaxRAMPercentage={float(jvm['max_ram_percentage'])}")
    words.append({"serial": "-XX:+UseSerialGC", "g1": "-XX:+UseG1GC"}.get(str(jvm.get("collector"))))
    if jvm.get("exit_on_out_of_memory") is not None:
        words.append(f"-XX:{'+' if jvm['exit_on_out_of_memory'] else '-'}ExitOnOutOfMemoryError")
    if workers.get("kind") == "event_loop" and workers.get("loops") is not None:
        words.append(f"-Dreactor.netty.ioWorkerCount={workers['loops']}")
    return " ".join(word for word in words if word) or None


def _postgres(plan: Plan, name: str, said: Mapping[str, Any]) -> dict[str, Any]:
    command = "postgres -c config_file=/etc/postgresql/postgresql.conf"
    mounts = [f"{name}-data:/var/lib/postgresql/data",
              f"./{postgres_name(name)}:/etc/postgresql/postgresql.conf:ro"]  # fmt: skip
    made = _container(plan, ("databases", name), said, "postgres:15")
    primary = said.get("standby_of")
    if primary:
        script = (
            f'until [ -s "$$PGDATA/PG_VERSION" ] || pg_basebackup -h {primary} -U postgres -D "$$PGDATA" -R; do\n'
            f'  sleep 2\ndone\nchmod 700 "$$PGDATA"\nexec {command}\n'
        )
        return {**made, "user": "postgres", "entrypoint": ["bash", "-ec", script],
                "environment": {"PGPASSWORD": PASSWORD}, "volumes": mounts, "depends_on": [primary]}  # fmt: skip
    if any(one.get("standby_of") == name for one in plan.section("databases").values()):
        mounts.append(f"./{REPLICATION}:/docker-entrypoint-initdb.d/10-{REPLICATION}:ro")
    return {**made, "command": command, "environment": {"POSTGRES_DB": "app", "POSTGRES_PASSWORD": PASSWORD},
            "volumes": mounts}  # fmt: skip


def _redis(plan: Plan, name: str, said: Mapping[str, Any]) -> dict[str, Any]:
    made = _container(plan, ("caches", name), said, "redis:7")
    if redis_conf(plan, name) is None:
        return made
    inside = "/usr/local/etc/redis/redis.conf"
    return {**made, "command": ["redis-server", inside], "volumes": [f"./{redis_name(name)}:{inside}:ro"]}


def _residents(plan: Plan) -> Mapping[str, Any]:
    """What else runs on the machine: those that import would know as such."""
    found = (plan.section("machines")[plan.machine].get("background")) or {}
    is_led = bool(plan.section("gateway") or plan.section("load_balancers"))
    return {name: said for name, said in found.items() if is_led or _is_known(name)}


def _is_known(name: str) -> bool:
    unit = Unit(name, _IMAGES.get(name, name), Place("docker-compose.yml", 1, 0, 0))
    guess_role(unit)
    return unit.role == "background"


def _resident(plan: Plan, name: str, said: Mapping[str, Any]) -> dict[str, Any]:
    limits = kept({"limits": said.get("limits")})
    made = {**_plain(limits), "image": _IMAGES.get(name, f"{name}:latest")}
    if name == "prometheus" and rule_files(plan):
        made["volumes"] = [f"./{PROMETHEUS}:/etc/prometheus/{PROMETHEUS}:ro", f"./{RULES}:/etc/prometheus/{RULES}:ro"]
    return {"image": made.pop("image"), "restart": "unless-stopped", **made}


def _plain(said: Mapping[str, Any]) -> dict[str, Any]:
    limits = said.get("limits") or {}
    resources = kept({
        "cpus": str(limits["cpus"]) if limits.get("cpus") is not None else None,
        "memory": docker_size(limits["memory"]) if limits.get("memory") is not None else None,
    })  # fmt: skip
    return {"deploy": {"resources": {"limits": resources}}} if resources else {}
