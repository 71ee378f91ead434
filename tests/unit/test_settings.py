"""`PATH=VALUE`: what is set, what is refused, and what the answer points to."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import pytest
from pydantic import Field

from experiments.scenario import InputError, load_scenario, validate
from experiments.scenario.document import parse_document
from experiments.scenario.schema import schema_of
from experiments.scenario.settings import apply_settings, parse_setting, written_settings
from models.spec import Duration, Spec


class Cpu(Spec):
    kind: Literal["cpu"] = "cpu"
    name: str = ""
    demand: Duration


class Cache(Spec):
    kind: Literal["cache"] = "cache"
    name: str = ""
    on_miss: list[Step] = Field(default_factory=list)


Step = Annotated[Cpu | Cache, Field(discriminator="kind")]


class Limits(Spec):
    cpus: float | None = None


class Threads(Spec):
    kind: Literal["threads"] = "threads"
    threads: int = 200
    name: str = ""


class Loops(Spec):
    kind: Literal["loops"] = "loops"
    loops: int = 4
    name: str = ""


Workers = Annotated[Threads | Loops, Field(discriminator="kind")]


class Service(Spec):
    replicas: int = 1
    limits: Limits = Limits()
    workers: Workers = Field(default_factory=Threads)
    helpers: Workers = Loops(loops=8)
    steps: list[Step] = Field(default_factory=list)


class System(Spec):
    seed: int = 1
    note: str | None = None
    services: dict[str, Service]
    mix: dict[str, float] = Field(default_factory=dict)


TEXT = b"""\
seed: 3
services:
  api:
    replicas: 2
    steps:
      - {kind: cpu, demand: 4ms}
      - kind: cache
        on_miss:
          - {kind: cpu, demand: 1ms}
          - {kind: cpu, name: last, demand: 2ms}
  a.b: {replicas: 1}
mix: {get: 1}
"""


def made(*texts: str) -> dict[str, Any]:
    """The document after settings."""
    document = parse_document(TEXT, "s.yaml")
    changed = apply_settings(document, [parse_setting(text) for text in texts], schema_of(System))
    assert document.value == parse_document(TEXT, "s.yaml").value  # a copy is changed
    return changed.value


def validated(*texts: str) -> System:
    settings = [parse_setting(text) for text in texts]
    return validate(apply_settings(parse_document(TEXT, "s.yaml"), settings, schema_of(System)), System)


def refused(*texts: str) -> str:
    with pytest.raises(InputError) as caught:
        validated(*texts)
    assert len(caught.value.lines) == 1
    assert caught.value.lines[0].isprintable()
    return caught.value.lines[0]


def test_values_are_yaml() -> None:
    assert made("seed=7")["seed"] == 7
    assert made("note=hello, world")["note"] == "hello, world"
    assert made("note='7'")["note"] == "7"
    assert made("services.api.limits={cpus: 0.5}")["services"]["api"]["limits"] == {"cpus": 0.5}
    assert made("note=a=b")["note"] == "a=b"


def test_names_with_dots_are_quoted() -> None:
    assert made('services."a.b".replicas=5')["services"]["a.b"]["replicas"] == 5
    assert made("services.'a.b'.replicas=5")["services"]["a.b"]["replicas"] == 5


def test_steps_are_addressed_by_name_or_index_wherever_they_are() -> None:
    assert made("services.api.steps.cpu.demand=9ms")["services"]["api"]["steps"][0]["demand"] == "9ms"
    assert made("services.api.steps.0.demand=9ms")["services"]["api"]["steps"][0]["demand"] == "9ms"
    inner = made("services.api.steps.cpu_2.demand=9ms", "services.api.steps.last.demand=8ms")
    assert [step["demand"] for step in inner["services"]["api"]["steps"][1]["on_miss"]] == ["9ms", "8ms"]
    assert len(made("services.api.steps.cpu_2=null")["services"]["api"]["steps"][1]["on_miss"]) == 1


def test_null_unsets_and_says_nothing_where_nothing_was_set() -> None:
    assert "seed" not in made("seed=null")
    assert "seed" not in made("seed=~")
    assert "note" not in made("note=null")
    assert "a.b" not in made('services."a.b"=null')["services"]


def test_what_is_missing_on_the_way_is_made() -> None:
    assert made("services.api.limits.cpus=2")["services"]["api"]["limits"] == {"cpus": 2}


def test_a_union_that_was_left_out_begins_as_its_default_or_as_the_kind_that_has_the_key() -> None:
    found = validated("services.api.workers.threads=50", "services.api.helpers.name=x").services["api"]
    assert found.workers == Threads(threads=50)
    assert found.helpers == Loops(loops=8, name="x")
    assert validated("services.api.workers.loops=2").services["api"].workers == Loops(loops=2)
    assert refused("services.api.workers.name=x").startswith(
        "services.api.workers.kind: must be one of threads, loops."
    )


def test_free_names_may_be_new_as_the_last_of_a_path() -> None:
    assert made("mix.put=2")["mix"] == {"get": 1, "put": 2}
    assert made("services.new={replicas: 3}")["services"]["new"] == {"replicas": 3}


def test_settings_are_made_in_order() -> None:
    assert made("seed=1", "seed=2")["seed"] == 2
    assert made("services.api={replicas: 1}", "services.api.replicas=4")["services"]["api"] == {"replicas": 4}


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("sed=1", "sed: must be a path in this scenario, got 'sed'. Did you mean seed? (--set sed=1)"),
        (
            "services.ap.replicas=1",
            "services.ap: must be a path in this scenario, got 'ap'. Did you mean api? (--set services.ap.replicas=1)",
        ),
        (
            "services.api.replica=1",
            "services.api.replica: must be a path in this scenario, got 'replica'. Did you mean replicas? "
            "(--set services.api.replica=1)",
        ),
        (
            "api.replicas=1",
            "api: must be a path in this scenario, got 'api'. Did you mean services.api.replicas? "
            "(--set api.replicas=1)",
        ),
        (
            "services.api.steps.lost.demand=1ms",
            "services.api.steps.lost: must be a path in this scenario, got 'lost'. Did you mean last? "
            "(--set services.api.steps.lost.demand=1ms)",
        ),
        (
            "services.api.steps.7.demand=1ms",
            "services.api.steps.7: must be a path in this scenario, got '7'. Elements here: cpu, cache, cpu_2, last. "
            "(--set services.api.steps.7.demand=1ms)",
        ),
        (
            "services.api.steps.last.demand.mean=1ms",
            "services.api.steps.last.demand: must be set as a whole, got a path into a single value ('2ms'). "
            "Write e.g. 'services.api.steps.last.demand={kind: ..., ...}'. "
            "(--set services.api.steps.last.demand.mean=1ms)",
        ),
        (
            "services.none=null",
            "services.none: must be a path in this scenario, got 'none'. Names here: api, a.b. "
            "(--set services.none=null)",
        ),
        (
            "services.api.replicas=two",
            "services.api.replicas: must be a whole number, got 'two'. (--set services.api.replicas=two)",
        ),
        (
            "services.api.steps.last.demand=2",
            "services.api.steps.last.demand: must be a duration with a unit such as 250ms, 3s or 5m, got 2. "
            "Write 2s for seconds. (--set services.api.steps.last.demand=2)",
        ),
        ("services=null", "services: must be given. Add it. (--set services=null)"),
        ("seed=", "seed: must have a value, got none. Write null to unset it. (--set seed=)"),
        ("seed=#1", "seed: must have a value, got none. Write null to unset it. (--set seed=#1)"),
        ("seed=[1", "seed: must be set to a YAML value, got '[1'. Quote it to have it as text. (--set seed=[1)"),
        ("seed=*a", "seed: must be set to a YAML value, got '*a'. Quote it to have it as text. (--set seed=*a)"),
        ("seed", "--set: must be PATH=VALUE, got 'seed'. Write e.g. duration=5m. (--set seed)"),
        ("seed 1", "--set: must be PATH=VALUE, got 'seed 1'. Write e.g. duration=5m. (--set seed 1)"),
    ],
)
def test_what_cannot_be_set_is_answered_with_what_can(text: str, line: str) -> None:
    assert refused(text) == line


@pytest.mark.parametrize("text", ["", "=1", ".=1", "a..b=1", '"seed=1', "\x07=1", "seed.=1", "[0]=1"])
def test_what_is_no_path_is_refused(text: str) -> None:
    assert "Write" in refused(text)


def test_a_long_setting_is_cut_in_the_answer() -> None:
    assert len(refused(f"seed={'x' * 5000}")) < 250


def test_an_error_in_a_part_points_to_the_setting_inside_it() -> None:
    with pytest.raises(InputError) as caught:
        load_scenario("maltan/early", ["traffic.users=null"])
    assert caught.value.lines[0].endswith(", --set traffic.users=null)")


def test_unsetting_an_element_moves_the_lines_of_the_others() -> None:
    document = parse_document(TEXT, "s.yaml")
    changed = apply_settings(document, [parse_setting("services.api.steps.0=null")], schema_of(System))
    assert changed.origin(("services", "api", "steps", 0, "on_miss")) == "--set services.api.steps.0=null"
    assert changed.origin(("services", "api", "replicas")) == "s.yaml:4"


def test_settings_written_in_a_document_point_to_their_line() -> None:
    document = parse_document(b"variants:\n  v:\n    set:\n      seed: 5\n      a..b: 1\n", "s.yaml")
    values = document.value["variants"]["v"]["set"]
    (setting,) = written_settings({"seed": values["seed"]}, ("variants", "v", "set"), document)
    assert (setting.names, setting.value, setting.origin) == (("seed",), 5, "s.yaml:4")
    with pytest.raises(InputError, match=r"\(s\.yaml:5\)"):
        written_settings(values, ("variants", "v", "set"), document)
