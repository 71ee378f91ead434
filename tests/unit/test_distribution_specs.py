"""How scenarios write distributions: every form, every field, every refusal."""

import json

import numpy as np
import pytest
from pydantic import BaseModel, TypeAdapter, ValidationError

from models.distribution import ConstantSpec, DistributionSpec
from sim import distributions
from sim.distributions import Lognormal

ADAPTER = TypeAdapter(DistributionSpec)
BRANCHES = [{"probability": 0.9, "mean": "1ms"}, {"probability": 0.1, "mean": "100ms"}]
FORMS = [
    ("4ms", distributions.Constant(0.004)),
    (0, distributions.Constant(0.0)),
    ({"kind": "constant", "value": "4ms"}, distributions.Constant(0.004)),
    ({"kind": "uniform", "low": "1ms", "high": "3ms"}, distributions.Uniform(0.001, 0.003)),
    ({"kind": "uniform", "low": 0, "high": "3ms"}, distributions.Uniform(0.0, 0.003)),
    ({"kind": "exponential", "mean": "3ms"}, distributions.Exponential(0.003)),
    ({"kind": "lognormal", "mean": "10ms", "p50": "8ms"}, Lognormal.from_mean_percentile(0.010, 50, 0.008)),
    ({"kind": "lognormal", "mean": "10ms", "p90": "20ms"}, Lognormal.from_mean_percentile(0.010, 90, 0.020)),
    ({"kind": "lognormal", "mean": "10ms", "p95": "20ms"}, Lognormal.from_mean_percentile(0.010, 95, 0.020)),
    ({"kind": "lognormal", "mean": "10ms", "p99": "50ms"}, Lognormal.from_mean_percentile(0.010, 99, 0.050)),
    ({"kind": "gamma", "mean": "10ms", "shape": 0.5}, distributions.Gamma(0.010, 0.5)),
    ({"kind": "erlang", "mean": "10ms", "stages": 3}, distributions.Erlang(0.010, 3)),
    ({"kind": "weibull", "mean": "10ms", "shape": 0.7}, distributions.Weibull(0.010, 0.7)),
    ({"kind": "hyperexponential", "mean": "10ms", "scv": 4}, distributions.Hyperexponential(0.010, 4.0)),
    (
        {"kind": "hyperexponential", "branches": BRANCHES},
        distributions.Hyperexponential(branches=((0.9, 0.001), (0.1, 0.1))),
    ),
    ({"kind": "pareto", "shape": 1.2, "low": "1ms", "high": "2s"}, distributions.BoundedPareto(1.2, 0.001, 2.0)),
    ({"kind": "empirical", "values": ["1ms", "2ms"]}, distributions.Empirical((0.001, 0.002))),
    (
        {"kind": "empirical", "values": ["1ms", "2ms"], "weights": [1, 3]},
        distributions.Empirical((0.001, 0.002), (1.0, 3.0)),
    ),
]


@pytest.mark.parametrize(("written", "meant"), FORMS, ids=[str(written) for written, _ in FORMS])
def test_every_form_makes_its_distribution_and_survives_being_written(written, meant):
    spec = ADAPTER.validate_python(written)
    assert spec.distribution() == meant
    assert spec.mean_s == meant.mean
    assert ADAPTER.validate_python(ADAPTER.dump_python(spec)) == spec
    assert ADAPTER.validate_json(ADAPTER.dump_json(spec)) == spec
    assert ADAPTER.validate_python(spec) is spec


CHANGES = [
    ({"kind": "constant", "value": "4ms"}, {"value": "5ms"}),
    ({"kind": "uniform", "low": "1ms", "high": "3ms"}, {"low": "2ms", "high": "4ms"}),
    ({"kind": "exponential", "mean": "3ms"}, {"mean": "4ms"}),
    ({"kind": "lognormal", "mean": "10ms", "p50": "8ms"}, {"mean": "11ms", "p50": "7ms"}),
    ({"kind": "lognormal", "mean": "10ms", "p90": "20ms"}, {"mean": "11ms", "p90": "19ms"}),
    ({"kind": "lognormal", "mean": "10ms", "p95": "20ms"}, {"mean": "11ms", "p95": "19ms"}),
    ({"kind": "lognormal", "mean": "10ms", "p99": "20ms"}, {"mean": "11ms", "p99": "19ms"}),
    ({"kind": "gamma", "mean": "10ms", "shape": 0.5}, {"mean": "11ms", "shape": 0.6}),
    ({"kind": "erlang", "mean": "10ms", "stages": 3}, {"mean": "11ms", "stages": 4}),
    ({"kind": "weibull", "mean": "10ms", "shape": 0.7}, {"mean": "11ms", "shape": 0.8}),
    ({"kind": "hyperexponential", "mean": "10ms", "scv": 4}, {"mean": "11ms", "scv": 5}),
    ({"kind": "hyperexponential", "branches": BRANCHES}, {"branches": [*BRANCHES[:1], {**BRANCHES[1], "mean": "2s"}]}),
    ({"kind": "pareto", "shape": 1.2, "low": "1ms", "high": "2s"}, {"shape": 1.3, "low": "2ms", "high": "3s"}),
    ({"kind": "empirical", "values": ["1ms", "2ms"], "weights": [1, 3]}, {"values": ["1ms", "3ms"], "weights": [2, 1]}),
]


@pytest.mark.parametrize(
    ("written", "field", "other"),
    [(written, field, other) for written, changes in CHANGES for field, other in changes.items()],
)
def test_every_field_changes_what_is_drawn(written, field, other):
    u = np.linspace(0, 0.999, 400)
    before = ADAPTER.validate_python(written).distribution().ppf(u)
    after = ADAPTER.validate_python({**written, field: other}).distribution().ppf(u)
    assert (before != after).any()


def test_no_field_is_left_out_of_that():
    """The changes above touch every field that the schema knows."""
    schema = ADAPTER.json_schema()
    fields = {
        (name.removesuffix("Spec").lower(), field)
        for name, part in schema["$defs"].items()
        for field in part["properties"]
        if name != "BranchSpec" and field != "kind"
    }
    touched = {(written["kind"], field) for written, changes in CHANGES for field in changes}
    assert touched == fields


@pytest.mark.parametrize(
    ("written", "path", "message"),
    [
        (5, "constant.value", "must be a duration with a unit such as 250ms, 3s or 5m, got 5. Write 5s for seconds."),
        ("5", "constant.value", "Write 5s for seconds."),
        (True, "constant.value", "got True"),
        (float("nan"), "constant.value", "got nan"),
        ("-5s", "constant.value", "got -5s"),
        ({"kind": "exponential", "mean": 3}, "exponential.mean", "Write 3s for seconds."),
        ({"kind": "exponential", "mean": "0s"}, "exponential.mean", "greater than 0"),
        ({"kind": "exponential"}, "exponential.mean", "required"),
        ({"kind": "exponential", "mean": "3ms", "sigma": 1}, "exponential.sigma", "not permitted"),
        ({"kind": "exponential", "mean": "1e300s"}, "exponential", "mean must be above 0 s and at most 2**40 s"),
        ({"kind": "poisson", "mean": "3ms"}, "", "'exponential'"),
        ({"mean": "3ms"}, "", "kind"),
        (None, "", "dictionary"),
        (
            {"kind": "lognormal", "mean": "10ms"},
            "lognormal",
            "exactly one of p50, p90, p95, p99 beside its mean, got none",
        ),
        (
            {"kind": "lognormal", "mean": "10ms", "p50": "8ms", "p99": "50ms"},
            "lognormal",
            "must have exactly one of p50, p90, p95, p99 beside its mean, got p50, p99",
        ),
        ({"kind": "lognormal", "mean": "10ms", "p99": "5ms"}, "lognormal", "p99 must be above the mean (0.01 s)"),
        ({"kind": "uniform", "low": "3ms", "high": "1ms"}, "uniform", "high must be above low (0.003 s), got 0.001 s"),
        ({"kind": "gamma", "mean": "1ms", "shape": 1e9}, "gamma", "shape must be from 0.1 to 1000"),
        ({"kind": "gamma", "mean": "1ms", "shape": float("nan")}, "gamma.shape", "finite"),
        ({"kind": "erlang", "mean": "1ms", "stages": 0}, "erlang.stages", "greater than 0"),
        ({"kind": "erlang", "mean": "1ms", "stages": 1.5}, "erlang.stages", "integer"),
        ({"kind": "hyperexponential", "mean": "1ms", "scv": 0.5}, "hyperexponential", "scv must be above 1"),
        ({"kind": "hyperexponential"}, "hyperexponential", "either mean and scv, or branches, got none"),
        ({"kind": "hyperexponential", "mean": "1ms"}, "hyperexponential", "or branches, got mean"),
        (
            {"kind": "hyperexponential", "mean": "1ms", "branches": BRANCHES},
            "hyperexponential",
            "must have either mean and scv, or branches, got mean, branches",
        ),
        ({"kind": "hyperexponential", "branches": BRANCHES[:1]}, "hyperexponential", "must be 1 in total, got 0.9"),
        ({"kind": "pareto", "shape": 1, "low": "1s", "high": "1s"}, "pareto", "high must be above low (1 s), got 1 s"),
        ({"kind": "empirical", "values": []}, "empirical", "values must be at least one, got none"),
        ({"kind": "empirical", "values": [1]}, "empirical.values.0", "Write 1s for seconds."),
        ({"kind": "empirical", "values": ["1s"], "weights": [1, 2]}, "empirical", "weights must be as many as values"),
        ({"kind": "empirical", "values": ["1s"], "weights": [0]}, "empirical.weights.0", "greater than 0"),
    ],
)
def test_refusals_name_the_place_and_the_way_out(written, path, message):
    with pytest.raises(ValidationError) as refusal:
        ADAPTER.validate_python(written)
    (error,) = refusal.value.errors()
    assert ".".join(map(str, error["loc"])) == path
    assert message in error["msg"]


class Holder(BaseModel):
    """As components use the type: optional, with a default, in a list."""

    service: DistributionSpec = ConstantSpec(value="3ms")
    think: DistributionSpec | None = None
    several: tuple[DistributionSpec, ...] = ()


def test_it_serves_as_a_field():
    holder = Holder.model_validate({"think": "2s", "several": ["1s", {"kind": "exponential", "mean": "1m"}]})
    assert holder.think is not None
    assert holder.think.mean_s == 2.0
    assert [spec.mean_s for spec in holder.several] == [1.0, 60.0]
    assert json.loads(holder.model_dump_json()) == {
        "service": {"kind": "constant", "value": "3ms"},
        "think": {"kind": "constant", "value": "2s"},
        "several": [{"kind": "constant", "value": "1s"}, {"kind": "exponential", "mean": "1m"}],
    }
    assert Holder.model_validate_json(holder.model_dump_json()) == holder


def test_specs_do_not_change_after_validation():
    spec = ADAPTER.validate_python("3s")
    with pytest.raises(ValidationError, match="frozen"):
        spec.value = 5.0
