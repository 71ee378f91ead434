"""What may be written of a database, and what its defaults are."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from models.database import ConnectionLimit, PostgresSpec, QuerySpec


def test_defaults_are_postgresqls() -> None:
    spec = PostgresSpec()
    assert (spec.max_connections, spec.reserved_connections) == (100, 3)
    assert spec.connect_time.mean_s == pytest.approx(0.00265)
    assert 0 < spec.connect_cpu.mean_s < spec.connect_time.mean_s
    assert spec.memory_per_connection == 5 * 1024 * 1024


def test_values_have_units() -> None:
    spec = PostgresSpec.model_validate({
        "connect_time": "4ms", "memory_per_connection": "10M",
        "queries": {"find": {"cpu": {"kind": "exponential", "mean": "2ms"}}},
    })  # fmt: skip
    assert spec.connect_time.mean_s == 0.004
    assert spec.memory_per_connection == 10 << 20
    assert spec.queries["find"].cpu.mean_s == 0.002
    assert spec.queries["find"].io.mean_s == 0
    assert PostgresSpec.model_validate(spec.model_dump(mode="json")) == spec


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"reserved_connections": 100}, r"less than max_connections \(100\), got 100. PostgreSQL would not start"),
        ({"max_connections": 0}, "greater than 0"),
        ({"connect_time": 3}, "Write 3s for seconds"),
        ({"queries": {"find": {}}}, "queries.find.cpu\n  Field required"),
        ({"max_conections": 10}, "Extra inputs are not permitted"),
    ],
)
def test_what_is_refused(given: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        PostgresSpec.model_validate(given)


def test_every_field_says_what_it_is() -> None:
    for spec in (PostgresSpec, QuerySpec):
        for name, field in spec.model_fields.items():
            assert field.description, name
            if not field.is_required() and name not in ("queries",):
                assert "efault" in field.description, f"{name}: where does the default come from?"


def test_the_rule_keeps_the_reserved_ones() -> None:
    limit = ConnectionLimit(5, 2)
    assert [limit.admit() for _ in range(5)] == [True, True, True, False, False]
    limit.open -= 1
    assert [limit.admit() for _ in range(2)] == [True, False]
