"""How Spring reads names, values, placeholders, profiles and .properties files."""

from __future__ import annotations

import pytest

from experiments.deploy.spring import values
from experiments.deploy.spring.names import elements, from_environment, in_environment, name_of, original
from experiments.deploy.spring.placeholders import BadPlaceholder, default_of, only_name, resolve
from experiments.deploy.spring.profiles import BadExpression, accepts, expand
from experiments.deploy.spring.properties_file import BadProperties, entries_of

SPELLINGS = [
    "spring.datasource.hikari.maximum-pool-size",
    "spring.datasource.hikari.maximumPoolSize",
    "spring.datasource.hikari.maximum_pool_size",
    "SPRING.DATASOURCE.HIKARI.MAXIMUMPOOLSIZE",
]


def test_one_name_in_four_spellings() -> None:
    assert len({name_of(spelling) for spelling in SPELLINGS}) == 1
    assert name_of(from_environment("SPRING_DATASOURCE_HIKARI_MAXIMUMPOOLSIZE")) == name_of(SPELLINGS[0])


def test_names_in_the_environment() -> None:
    """Spring Boot, SystemEnvironmentPropertyMapper: without dashes, and the old way with them as underscores."""
    assert in_environment(SPELLINGS[0]) == (
        "SPRING_DATASOURCE_HIKARI_MAXIMUMPOOLSIZE",
        "SPRING_DATASOURCE_HIKARI_MAXIMUM_POOL_SIZE",
    )
    assert in_environment("a.b[0].c-d") == ("A_B_0_CD", "A_B_0_C_D")
    assert from_environment("A_B_0_CD") == ("a", "b", "[0]", "cd")


def test_elements() -> None:
    assert elements("a.b-c[0].d[any.key]") == ("a", "b-c", "[0]", "d", "[any.key]")
    assert [original(part) for part in ("user_service", "a/b*", "[a/b]", "camelCase")] == [
        "user_service", "ab", "a/b", "camelCase",
    ]  # fmt: skip


DURATIONS = {
    "30s": "30s", "30000": "30s", "PT30S": "30s", "PT1M30S": "90s", "P1DT2H": "26h", "PT0.5S": "500ms",
    "500ms": "500ms", "1h": "1h", "100us": "100us", "0": "0s", "3600s": "3600s", "5M": "5m",
}  # fmt: skip


@pytest.mark.parametrize("text", DURATIONS)
def test_durations(text: str) -> None:
    from sim.quantities import parse_duration

    assert parse_duration(values.duration(text)) == parse_duration(DURATIONS[text])


@pytest.mark.parametrize("text", ["30 s", "1m30s", "", "PT", "P", "-5s", "1.5s", "#{x}", "${X}", "9" * 30])
def test_no_durations(text: str) -> None:
    with pytest.raises(ValueError, match="must"):
        values.duration(text)


def test_hikari_wants_plain_milliseconds() -> None:
    assert values.milliseconds_only("30000") == "30s"
    with pytest.raises(ValueError, match="would not start"):
        values.milliseconds_only("30s")


WRITTEN = {
    ("45s", "30s"): "45s", ("45s", "30000"): "45000", ("45s", "PT30S"): "PT45S", ("1m", "PT60S"): "PT60S",
    ("90s", "1m"): "90s", ("2m", "1m"): "2m", ("250ms", "30s"): "250ms", ("1500ms", "PT1S"): "PT1.5S",
    ("1h", "3600s"): "3600s", ("2h", "3600s"): "7200s", ("1us", "5ms"): "1us",
}  # fmt: skip


@pytest.mark.parametrize(("value", "before"), WRITTEN)
def test_durations_are_written_as_they_were(value: str, before: str) -> None:
    assert values.write_duration(value, before) == WRITTEN[value, before]


def test_what_a_spelling_cannot_hold() -> None:
    with pytest.raises(ValueError, match="whole ms"):
        values.write_duration("1us", "30000")


@pytest.mark.parametrize(
    ("value", "before", "after"), [(True, "false", "true"), (False, "on", "off"), (True, "no", "yes")]
)
def test_yes_and_no(value: bool, before: str, after: str) -> None:
    assert values.write_truth(value, before) == after


def test_constants() -> None:
    assert values.enum("TIME_BASED") == "time_based"
    assert values.write_enum("count_based", "TIME_BASED") == "COUNT_BASED"
    assert values.write_enum("count_based", "time-based") == "count-based"


PROPERTIES = {"a": "1", "b": "${a}2", "c": "${d:fall}", "self": "${self}", "x": "${y}", "y": "${x}", "which": "a"}


def lookup(name: str) -> tuple[str, str] | None:
    return (PROPERTIES[name], name) if name in PROPERTIES else None


RESOLVED = {
    "plain": "plain", "${a}": "1", "<${b}>": "<12>", "${c}": "fall", "${gone}": "${gone}", "${gone:}": "",
    "${gone:${a}}": "1", "${gone:${gone2:deep}}": "deep", "${${which}}": "1", "${gone:http://h:80/x}": "http://h:80/x",
    "${a": "${a", "#{a}": "#{a}", "${gone:{}}": "{}",
}  # fmt: skip


@pytest.mark.parametrize("text", RESOLVED)
def test_placeholders(text: str) -> None:
    assert resolve(text, lookup).text == RESOLVED[text]


@pytest.mark.parametrize("text", ["${self}", "${x}", "${gone:${x}}"])
def test_cycles(text: str) -> None:
    with pytest.raises(BadPlaceholder, match="needs itself"):
        resolve(text, lookup)


def test_a_bomb_is_refused() -> None:
    bomb = {f"n{number}": f"${{n{number + 1}}}" * 20 for number in range(15)} | {"n15": "x" * 100}
    with pytest.raises(BadPlaceholder, match="longer than"):
        resolve("${n0}", lambda name: (bomb[name], name) if name in bomb else None)
    silent = {**bomb, "n15": ""}
    with pytest.raises(BadPlaceholder, match="more than"):
        resolve("${n0}", lambda name: (silent[name], name) if name in silent else None)
    with pytest.raises(BadPlaceholder, match="deep"):
        resolve("${gone:" * 4000 + "}" * 4000, lookup)


def test_what_is_missing_is_named() -> None:
    assert resolve("${gone} ${b} ${lost}", lookup).missing == ["gone", "lost"]
    assert resolve("${b}", lookup).used == ["b", "a"]


def test_the_default_has_a_place() -> None:
    assert default_of("${POOL:10}") == (7, 9)
    assert default_of("x${POOL:10}") is None
    assert default_of("${POOL:${X:1}}") is None
    assert only_name("${POOL:10}") == "POOL"
    assert only_name("${A}${B}") is None


@pytest.mark.parametrize(
    ("expression", "holds"),
    [
        ("prod", True), ("!prod", False), ("prod & eu", True), ("prod & us", False), ("us | eu", True),
        ("prod & (us | eu)", True), ("!(us | test)", True), ("((prod))", True), ("!!prod", True),
    ],
)  # fmt: skip
def test_profile_expressions(expression: str, holds: bool) -> None:
    assert accepts([expression], ["prod", "eu"]) is holds


@pytest.mark.parametrize("expression", ["", "prod &", "& prod", "(prod", "prod)", "a & b | c", "a b", "!", "(" * 5000])
def test_bad_profile_expressions(expression: str) -> None:
    with pytest.raises(BadExpression):
        accepts([expression], ["prod"])


def test_groups() -> None:
    assert expand(["prod", "x"], {"prod": ["db", "mq"], "mq": ["prod"]}) == ["prod", "db", "mq", "x"]


TEXT = r"""# comment
! another
a=1
b : two words
c   3
d.e = one,\
      two
  f\ g = h\=i
uni=\u00e9\t.
empty=
#---
spring.config.activate.on-profile=prod
a=2
path=C:\\x
"""


def test_a_properties_file() -> None:
    entries = list(entries_of(TEXT))
    assert [(one.document, one.key, one.value, one.line) for one in entries] == [
        (0, "a", "1", 3), (0, "b", "two words", 4), (0, "c", "3", 5), (0, "d.e", "one,two", 6), (0, "f g", "h=i", 8),
        (0, "uni", "é\t.", 9), (0, "empty", "", 10), (1, "spring.config.activate.on-profile", "prod", 12),
        (1, "a", "2", 13), (1, "path", "C:\\x", 14),
    ]  # fmt: skip
    assert [TEXT[one.start : one.end] for one in entries[:3]] == ["1", "two words", "3"]
    assert TEXT[entries[9].start : entries[9].end] == "C:\\\\x"


def test_lines_end_as_they_like() -> None:
    for newline in ("\n", "\r\n", "\r"):
        text = newline.join(["a=1", "b=2 \\", "  3", "c=4"])
        assert [(one.key, one.value, one.line) for one in entries_of(text)] == [
            ("a", "1", 1),
            ("b", "2 3", 2),
            ("c", "4", 4),
        ]


def test_a_bad_escape_names_its_line() -> None:
    with pytest.raises(BadProperties, match="hexadecimal") as caught:
        list(entries_of("a=1\nb=\\u12x4\n"))
    assert caught.value.line == 2
