"""Reading scenarios: strict YAML, lines, errors in the user's terms, variants and provenance."""

from __future__ import annotations

import typing
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import Field, model_validator
from pydantic_core import core_schema

from experiments.scenario import InputError, load_scenario, shipped_names, uncovered, validate
from experiments.scenario.document import LARGEST_BYTES, parse_document, parse_value, read_document, scalar
from experiments.scenario.paths import format_path, heard, parse_path, spoken, step_names
from experiments.scenario.translate import requirement_of
from models.spec import Duration, NonNegativeDuration, PositiveDuration, PositiveSize, Rate, Spec

SMALL = """\
description: One service on one machine.
duration: 10s
warm_up: 0s
replications: 1
machines:
  vm: {cores: 2, memory: 4G}
services:
  api:
    machine: vm
    base_memory: 200M
    endpoints:
      get:
        steps:
          - {kind: cpu, demand: 4ms}
          - {kind: delay, name: disk, duration: 2ms}
routes:
  get: {service: api, endpoint: get, path: "/api/{id}"}
traffic:
  open: {rate: 50/s}
  mix: {get: 1}
"""


@pytest.fixture
def small(tmp_path: Path) -> Path:
    path = tmp_path / "small.yaml"
    path.write_text(SMALL)
    return path


def said(text: str, *settings: str, tmp_path: Path) -> list[str]:
    """The lines with which a scenario is refused."""
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        load_scenario(path, settings)
    return list(caught.value.lines)


def refusal(data: bytes | str, name: str = "s.yaml") -> str:
    with pytest.raises(InputError) as caught:
        parse_document(data if isinstance(data, bytes) else data.encode(), name)
    assert len(caught.value.lines) == 1
    return caught.value.lines[0]


# documents


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None), ("~", None), ("null", None), ("true", True), ("False", False), ("no", "no"), ("yes", "yes"),
        ("12", 12), ("-3", -3), ("0o17", 15), ("0xfF", 255), ("012", 12), ("1.5", 1.5), (".5", 0.5), ("1e3", 1000.0),
        ("12:30", "12:30"), ("4ms", "4ms"), ("100/60s", "100/60s"), ("2015-10-25", "2015-10-25"), ("1_000", "1_000"),
        (".inf", float("inf")), ("-.inf", float("-inf")),
    ],
)  # fmt: skip
def test_scalars_follow_the_core_schema_of_yaml_1_2(text: str, value: Any) -> None:
    assert scalar(text) == value
    assert type(scalar(text)) is type(value)


def test_lines_are_known_for_every_value() -> None:
    document = parse_document(b"a:\n  b: 1\n  c: [x,\n    y]\nd: |\n  text\n", "s.yaml")
    assert document.value == {"a": {"b": 1, "c": ["x", "y"]}, "d": "text\n"}
    assert {path: origin for path, origin in document.origins.items() if path} == {
        ("a",): "s.yaml:1", ("a", "b"): "s.yaml:2", ("a", "c"): "s.yaml:3", ("a", "c", 0): "s.yaml:3",
        ("a", "c", 1): "s.yaml:4", ("d",): "s.yaml:5",
    }  # fmt: skip
    assert document.origin(("a", "b", "missing")) == "s.yaml:2"


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("a: 1\nb: 2\na: 3\n", "a: must be given once, got it in lines 1 and 3. Remove one. (s.yaml:3)"),
        ("x:\n  a: {b: 1, b: 2}\n", "x.a.b: must be given once, got it in lines 2 and 2."),
        ("a: &one 1\n", "must not use anchors and aliases, got &one. Write the value out. (s.yaml:1)"),
        ("a: 1\nb: *one\n", "got *one. Write the value out. (s.yaml:2)"),
        ("a: {<<: {b: 1}}\n", "must not merge mappings with <<"),
        ("a: !!python/object:os.system 1\n", "must not use tags"),
        ("a: !secret 1\n", "must not use tags"),
        ("a: 1\n---\nb: 1\n", "must be one document, got a second one. Remove what follows. (s.yaml:2)"),
        ("- a\n- b\n", "must be a mapping (lines of key: value) at the top, got a list"),
        ("hello", "at the top, got 'hello'"),
        ("", "must describe a system, got an empty file"),
        ("# only a comment\n", "got an empty file"),
        ("a: [1, 2\n", "must be valid YAML"),
        ("a: 1\n\tb: 2\n", "(s.yaml:2)"),
        ("? [a, b]\n: 1\n", "must have text as keys"),
        ("a: " + "[" * 100_000, "must be nested at most 40 deep"),
        ("a: \x07\n", "(s.yaml:1)"),
        ("a: 1\n\0", "got a binary file"),
        (b"\x7fELF\0\0\1", "got a binary file"),
        (b"a: 1\nb: caf\xe9\n", "must be UTF-8 text, got another encoding. Save it as UTF-8. (s.yaml:2)"),
        ("a: 1\n".encode("utf-16"), "got a binary file"),
    ],
)
def test_what_is_not_one_plain_mapping_is_refused_in_one_line(text: bytes | str, part: str) -> None:
    line = refusal(text)
    assert part in line
    assert line.isprintable()


def test_json_is_read_with_the_same_rules() -> None:
    document = parse_document(b'{\n\t"a": [1, 2.5e3, "\\u00e9\\ud83d\\ude00"],\n\t"b": null\n}\n', "s.json")
    assert document.value == {"a": [1, 2500.0, "é😀"], "b": None}
    assert document.origins["b",] == "s.json:3"
    assert "must be given once" in refusal('{"a": 1, "a": 2}', "s.json")


def test_a_byte_order_mark_is_no_part_of_the_text() -> None:
    assert parse_document(b"\xef\xbb\xbfa: 1\n", "s.yaml").value == {"a": 1}


def test_a_file_too_large_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "huge.yaml"
    with path.open("wb") as file:
        file.truncate(100_000_000)  # sparse: reading it would find NULs first
    with pytest.raises(InputError, match=r"must be at most 1 MB, got 100\.0 MB"):
        read_document(path)
    assert LARGEST_BYTES < 5_000_000


# paths


def test_paths_are_written_and_read_back() -> None:
    for path in (("a", "b"), ("a.b", "c"), ('say "x"', "y"), ("a", "0"), ("mit leerzeichen", "ü")):
        assert parse_path(format_path(path)) == path
    assert parse_path('services."a.b".replicas') == ("services", "a.b", "replicas")
    for text in ("", ".", "a.", ".a", 'a."b', "a b", "a[0]"):
        with pytest.raises(ValueError, match="must"):
            parse_path(text)


def test_steps_go_by_their_names_wherever_they_are_nested() -> None:
    steps = [
        {"kind": "cpu"},
        {"kind": "cache", "on_miss": [{"kind": "db", "name": "query"}, {"kind": "cpu"}]},
        {"kind": "cpu"},
    ]
    document = {"steps": steps}
    assert step_names(steps) == {
        "cpu": (0,),
        "cache": (1,),
        "query": (1, "on_miss", 0),
        "cpu_2": (1, "on_miss", 1),
        "cpu_3": (2,),
    }
    assert heard(("steps", "query", "demand"), document) == ("steps", 1, "on_miss", 0, "demand")
    assert spoken(("steps", 1, "on_miss", 0, "demand"), document) == ("steps", "query", "demand")
    assert spoken(("steps", 1, "cache"), document) == ("steps", "cache", "cache")
    assert heard(("steps", "2"), document) == ("steps", 2)


# translation, on a specification that has every shape


class Bucket(Spec):
    kind: Literal["bucket"] = "bucket"
    capacity: int = Field(gt=0)
    refill: Rate


class Window(Spec):
    kind: Literal["window"] = "window"
    limit: int = Field(ge=1)
    bucket: str = ""


class Inner(Spec):
    """A rule across fields."""

    low: NonNegativeDuration = 0.0
    high: NonNegativeDuration = 1.0

    @model_validator(mode="after")
    def _order(self) -> Inner:
        if self.high < self.low:
            raise ValueError(f"must have low below high, got {self.low:g} and {self.high:g}. Swap them.")
        return self


class Shapes(Spec):
    """A specification of many shapes."""

    count: int = Field(gt=0)
    share: float = Field(default=0.5, ge=0, le=1)
    wait: PositiveDuration = Field(default=1.0, le=300.0)
    limit: PositiveDuration | None = None
    memory: PositiveSize = 1024
    switch: bool = False
    mode: Literal["fast", "slow"] = "fast"
    warm_up: Literal["auto"] | Duration = "auto"
    names: list[str] = Field(default_factory=list, max_length=3)
    limiters: dict[str, Annotated[Bucket | Window, Field(discriminator="kind")]] = Field(default_factory=dict)
    optional: Annotated[Bucket | Window, Field(discriminator="kind")] | None = None
    either: str | Inner = "x"
    inner: Inner = Inner()

    @model_validator(mode="after")
    def _whole(self) -> Shapes:
        if self.share == 0.25:
            raise ValueError(
                "inner.high: must not be like share, got 1. Change one.\nlimiters.a.b: must exist, got none."
            )
        return self


def shape_errors(text: str) -> list[str]:
    with pytest.raises(InputError) as caught:
        validate(parse_document(f"count: 1\n{text}\n".encode(), "s.yaml"), Shapes, known=("variants",))
    return list(caught.value.lines)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("cuont: 3", "cuont: must be a known key, got 'cuont'. Did you mean count? (s.yaml:2)"),
        ("variant: 3", "variant: must be a known key, got 'variant'. Did you mean variants? (s.yaml:2)"),
        ("inner: {hihg: 3s}", "inner.hihg: must be a known key, got 'hihg'. Did you mean high? (s.yaml:2)"),
        ("inner: {zzz: 3s}", "inner.zzz: must be a known key, got 'zzz'. Keys here: low, high. (s.yaml:2)"),
        ("share: 2", "share: must be at most 1, got 2. Lower it. (s.yaml:2)"),
        ("share: -0.5", "share: must be at least 0, got -0.5. Raise it. (s.yaml:2)"),
        ("share: .nan", "share: must be a finite number, got nan. (s.yaml:2)"),
        ("share: many", "share: must be a number, got 'many'. (s.yaml:2)"),
        ("share: 5s", "share: must be a number, got '5s'. Write it without a unit. (s.yaml:2)"),
        ("wait: 0s", "wait: must be more than 0, got '0s'. Raise it. (s.yaml:2)"),
        ("wait: 10m", "wait: must be at most 5m, got '10m'. Lower it. (s.yaml:2)"),
        ("limit: 0s", "limit: must be more than 0, got '0s'. Raise it, or leave limit out. (s.yaml:2)"),
        (
            "wait: 3",
            "wait: must be a duration with a unit such as 250ms, 3s or 5m, got 3. Write 3s for seconds. (s.yaml:2)",
        ),
        (
            "memory: 512MB",
            "memory: must be a size with a binary unit such as 512M or 4G, got 512MB. "
            "Write 512M, which is binary, as in Docker. (s.yaml:2)",
        ),
        ("memory: 0", "memory: must be at least 1, got 0. Raise it. (s.yaml:2)"),
        ("switch: maybe", "switch: must be true or false, got 'maybe'. (s.yaml:2)"),
        ("mode: fsat", "mode: must be one of fast, slow, got 'fsat'. Did you mean fast? (s.yaml:2)"),
        (
            "warm_up: later",
            "warm_up: must be auto or a duration with a unit such as 250ms, 3s or 5m, got 'later'. "
            "Write a number and a unit (ns, us, ms, s, m, h, d). (s.yaml:2)",
        ),
        ("names: x", "names: must be a list, got 'x'. (s.yaml:2)"),
        ("names: [a, 2]", "names.1: must be text, got 2. Put it in quotes to have it as text. (s.yaml:2)"),
        ("names: [a, b, c, d]", "names: must have at most 3 entries, got a list. Remove some. (s.yaml:2)"),
        ("limiters: [1]", "limiters: must be a mapping (lines of key: value), got a list. (s.yaml:2)"),
        ("limiters: {a: 5}", "limiters.a: must be a mapping with a kind, got 5. (s.yaml:2)"),
        ("limiters: {a: {capacity: 1}}", "limiters.a.kind: must be one of bucket, window. Add it. (s.yaml:2)"),
        (
            "limiters: {a: {kind: buckt}}",
            "limiters.a.kind: must be one of bucket, window, got 'buckt'. Did you mean bucket? (s.yaml:2)",
        ),
        (
            "limiters:\n  a:\n    kind: bucket\n    capacity: 0\n    refill: 5/s",
            "limiters.a.capacity: must be at least 1, got 0. Raise it. (s.yaml:5)",
        ),
        ("limiters: {a: {kind: window, bucket: 3}}", "limiters.a.limit: must be given. Add it. (s.yaml:2)"),
        ("optional: {kind: window, limit: x}", "optional.limit: must be a whole number, got 'x'. (s.yaml:2)"),
        ("either: {low: 1}", "either.low: must be a duration with a unit such as 250ms, 3s or 5m, got 1."),
        ("either: [1]", "either: must be text or a mapping (lines of key: value), got a list."),
        ("inner: {low: 5s}", "inner: must have low below high, got 5 and 1. Swap them. (s.yaml:2)"),
        ("share: 0.25", "inner.high: must not be like share, got 1. Change one."),
    ],
)
def test_errors_are_in_the_users_terms(text: str, line: str) -> None:
    lines = shape_errors(text)
    assert lines[0].startswith(line)
    assert not any("Input should" in each or "Value error" in each for each in lines)


def test_a_rule_across_parts_gives_one_line_each_with_the_line_it_speaks_of() -> None:
    assert shape_errors("share: 0.25\ninner:\n  high: 2s") == [
        "inner.high: must not be like share, got 1. Change one. (s.yaml:4)",
        "limiters.a.b: must exist, got none. (s.yaml:1)",
    ]


def test_many_errors_are_counted() -> None:
    lines = shape_errors("\n".join(f"wrong{number}: 1" for number in range(9)))
    assert len(lines) == 6
    assert lines[-1] == "... and 4 more."


def test_no_error_type_of_pydantic_keeps_its_wording() -> None:
    """Every type that pydantic has, with the least it can say about itself."""
    for kind in typing.get_args(core_schema.ErrorType):
        requirement, step = requirement_of(kind, {}, "value")
        assert requirement.startswith("must "), kind
        assert not any(word in f"{requirement} {step}" for word in ("Input", "should", "None", "dictionary")), kind


def test_what_is_shown_of_a_value_is_short_and_printable(tmp_path: Path) -> None:
    (line,) = shape_errors(f'mode: "{"x" * 5000}\\u0007"')
    assert len(line) < 200
    assert line.isprintable()


def test_a_wrong_value_is_answered_with_its_line(small: Path) -> None:
    lines = said(SMALL.replace("cores: 2", "cores: two"), tmp_path=small.parent)
    assert lines == ["machines.vm.cores: must be a number, got 'two'. (bad.yaml:6)"]


# loading


def test_a_file_becomes_a_scenario(small: Path) -> None:
    scenario = load_scenario(str(small))
    assert scenario.name == "small"
    assert scenario.path == small
    assert scenario.spec.machines["vm"].cores == 2
    assert scenario.file("trace.csv") == small.parent / "trace.csv"
    assert scenario.settings == ()


def test_steps_are_named_in_errors_as_everywhere_else(tmp_path: Path) -> None:
    assert said(SMALL.replace("duration: 2ms", "duration: 2"), tmp_path=tmp_path) == [
        "services.api.endpoints.get.steps.disk.duration: must be a duration with a unit such as 250ms, 3s or 5m, "
        "got 2. Write 2s for seconds. (bad.yaml:15)"
    ]
    assert said(SMALL.replace("demand: 4ms", "demnd: 4ms"), tmp_path=tmp_path) == [
        "services.api.endpoints.get.steps.cpu.demand: must be given. Add it: CPU time, e.g. 4ms, or a distribution. "
        "(bad.yaml:14)",
        "services.api.endpoints.get.steps.cpu.demnd: must be a known key, got 'demnd'. Did you mean demand? "
        "(bad.yaml:14)",
    ]


def test_every_shipped_scenario_loads_with_each_of_its_variants() -> None:
    assert "maltan/early" in shipped_names()
    for name in shipped_names():
        scenario = load_scenario(name)
        assert scenario.name == name
        for variant in scenario.variants:
            assert scenario.with_variant(variant).spec != scenario.spec


@pytest.mark.parametrize(
    ("name", "part"),
    [
        (
            "maltan/erly",
            "maltan/erly: must be a scenario file or a shipped scenario, got neither. Did you mean maltan/early?",
        ),
        ("", "got neither"),
        ("a\0b", "got neither"),
        ("nowhere.yaml", "got neither"),
        ("x" * 5000, "must be readable"),
    ],
)
def test_what_does_not_exist_is_answered_with_what_does(name: str, part: str) -> None:
    with pytest.raises(InputError) as caught:
        load_scenario(name)
    assert part in caught.value.lines[0]


def test_folders_and_other_suffixes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="got a folder"):
        load_scenario(str(tmp_path))
    (tmp_path / "notes.txt").write_text(SMALL)
    with pytest.raises(InputError, match=r"must end in \.yaml, \.yml or \.json, got '\.txt'"):
        load_scenario(tmp_path / "notes.txt")


BESIDE = (
    SMALL
    + """\
variants:
  bigger:
    description: Twice the cores.
    set: {machines.vm.cores: 4, services.api.endpoints.get.steps.disk: null}
  broken:
    set: {machines.wm.cores: 4}
provenance:
  machines: {source: guide, ref: "1.2"}
  machines.vm.memory: {source: measured}
  services.api.endpoints.get.steps.disk: {source: assumed, note: nobody looked}
  variants.bigger: {source: assumed}
"""
)


def test_variants_are_named_sets_of_settings(tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    path.write_text(BESIDE)
    scenario = load_scenario(path, variant="bigger")
    assert scenario.spec.machines["vm"].cores == 4
    assert len(scenario.spec.services["api"].endpoints["get"].steps) == 1
    assert load_scenario(path, ["machines.vm.cores=8"], "bigger").spec.machines["vm"].cores == 8
    assert scenario.with_variant(None).spec.machines["vm"].cores == 2
    assert scenario.with_settings(["seed=9"]).spec.seed == 9
    with pytest.raises(InputError, match=r"--variant: must be a variant of s, got 'biger'\. Did you mean bigger\?"):
        load_scenario(path, variant="biger")
    with pytest.raises(
        InputError, match=r"machines\.wm: must be a path in this scenario, got 'wm'\. Names here: vm\. \(s\."
    ):
        load_scenario(path, variant="broken")


def test_provenance_is_that_of_the_nearest_entry(tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    path.write_text(BESIDE)
    scenario = load_scenario(path)
    sources = {name: entry and entry.source for name in (
        "machines.vm.cores", "machines.vm.memory", "services.api.endpoints.get.steps.disk.duration", "seed",
    ) for entry in [scenario.provenance_of(name)]}  # fmt: skip
    assert list(sources.values()) == ["guide", "measured", "assumed", None]
    assert load_scenario(path, variant="bigger").provenance_of("machines.vm.cores").source == "assumed"  # type: ignore
    missing = uncovered(scenario)
    assert "traffic.open.rate" in missing
    assert "services.api.endpoints.get.steps.cpu.demand" in missing
    assert 'variants.broken.set."machines.wm.cores"' in missing
    assert not any(
        name.startswith(("machines", "services.api.endpoints.get.steps.disk", "description")) for name in missing
    )


@pytest.mark.parametrize(
    ("entry", "part"),
    [
        ("machines.wm: {source: guide}", "provenance.machines.wm: must be a path in this scenario"),
        (
            "machines: {source: gossip}",
            "provenance.machines.source: must be one of guide, file, measured, fitted, default, assumed",
        ),
        ("machines: guide", "provenance.machines: must be a mapping (lines of key: value), got 'guide'"),
        ("services.api.replicas: {source: default}", ""),
        ("variants.none: {source: guide}", "provenance.none: must be a path in this scenario"),
    ],
)
def test_provenance_must_speak_of_what_is_there(entry: str, part: str, tmp_path: Path) -> None:
    text = f"{SMALL}provenance:\n  {entry}\n"
    if part:
        (line,) = said(text, tmp_path=tmp_path)
        assert line.startswith(part)
        assert line.endswith("(bad.yaml:22)")
    else:
        path = tmp_path / "good.yaml"
        path.write_text(text)
        assert load_scenario(path).provenance_of("services.api.replicas") is not None


def test_parse_value_reads_what_a_setting_may_hold() -> None:
    assert parse_value("{kind: exponential, mean: 3s}", "V")[0] == {"kind": "exponential", "mean": "3s"}
    assert parse_value("[1, two]", "V")[0] == [1, "two"]
