"""redis.conf and postgresql.conf: memory, connections, time limits, and what commits wait for.

Source   Redis 7.0, PostgreSQL 15
Checked  tests/e2e/test_export_files.py, tests/real/test_fresh_files.py
"""

from __future__ import annotations

from experiments.deploy.fresh.words import Plan, commented, postgres_time, redis_size, sources

REPLICATION = "allow-replication.sh"
_COUNTS = {"max_connections": "max_connections", "superuser_reserved_connections": "reserved_connections"}
_TIMES = ("statement_timeout", "lock_timeout", "deadlock_timeout", "idle_in_transaction_session_timeout")


def redis_name(cache: str) -> str:
    return f"{cache}/redis.conf"


def redis_conf(plan: Plan, cache: str) -> str | None:
    """Its text; None where the scenario says nothing of what stands in it."""
    said = plan.section("caches")[cache]
    lines = []
    if said.get("maxmemory") is not None:
        lines.append(f"maxmemory {redis_size(said['maxmemory'])}")
    if said.get("maxmemory_policy") is not None:
        lines.append(f"maxmemory-policy {said['maxmemory_policy']}")
    if said.get("maxmemory_samples") is not None:
        lines.append(f"maxmemory-samples {said['maxmemory_samples']}")
    named = {key: ("caches", cache, key) for key in ("maxmemory", "maxmemory_policy") if said.get(key) is not None}
    return (
        commented([f"{cache}, written from a scenario.", *sources(plan, named)]) + "\n".join([*lines, ""])
        if lines
        else None
    )


def postgres_name(database: str) -> str:
    return f"{database}/postgresql.conf"


def postgresql_conf(plan: Plan, database: str) -> str:
    """Its text. A file outside of the data folder has to say where the server listens."""
    said = plan.section("databases")[database]
    lines = ["listen_addresses = '*'"]
    for key, mine in _COUNTS.items():
        if said.get(mine) is not None:
            lines.append(f"{key} = {said[mine]}")
    for key in _TIMES:
        spelled = postgres_time(said[key]) if said.get(key) is not None else None
        if spelled is not None:
            lines.append(f"{key} = {spelled}")
    if said.get("synchronous_commit") is not None:
        lines.append(f"synchronous_commit = {said['synchronous_commit']}")
    if said.get("synchronous_standby"):
        lines.append(f"synchronous_standby_names = '\"{said['synchronous_standby']}\"'")
    if said.get("standby_of"):
        lines.append(f"cluster_name = '{database}'")  # the name under which its primary knows it
    named = {key: ("databases", database, mine) for key, mine in _COUNTS.items() if said.get(mine) is not None}
    return commented([f"{database}, written from a scenario.", *sources(plan, named)]) + "\n".join([*lines, ""])


def replication_script() -> str:
    return (
        "#!/bin/bash\n# Run once by the image when the primary's database is created: a standby may connect.\n"
        'set -e\necho "host replication postgres all scram-sha-256" >> "$PGDATA/pg_hba.conf"\n'
    )
