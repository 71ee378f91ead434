"""Our words of an nginx configuration against crossplane's, and the characters they stand at."""

from __future__ import annotations

import re

import pytest
from crossplane.errors import NgxParserSyntaxError
from crossplane.lexer import lex_string
from crossplane.parser import parse_string
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from experiments.deploy.nginx.tokens import BadSyntax, Word, words_of
from experiments.deploy.nginx.tree import Directive, directives_of

PIECES = [
    "server", "listen 80", "a", "proxy_pass http://b", ";", ";\n", " ", "\n", "\r\n", "\t", "{", "}", "{\n", "}\n",
    "'", '"', "'x;y{'", '"a b"', '"a\\"b"', "'it\\'s'", "\\", "\\ ", "\\;", "\\\n", "#", "# comment; {\n", "a#b",
    "${x}", "$x", "${a}b", "~ ^/x{2}$", "é", "\u2028", "'é\n'", "content_by_lua_block { local a = '}' -- {\n }", "ä;",
    "=", '""',
]  # fmt: skip
texts = st.lists(st.sampled_from(PIECES), max_size=24).map("".join)


def crossplanes_words(text: str) -> list[tuple[str, int, bool]]:
    return [word for word in lex_string(text) if not (word[0].startswith("#") and not word[2])]


def has_quirk(text: str) -> bool:
    """Crossplane glues what follows `${x` and a blank to the word, and gives a word that begins with an escaped end of
    line the line after it; nginx and we do neither."""
    unclosed = re.search(r"\$\{[^}\s]*\}?\s|\$\{[^}]*$", text)
    return unclosed is not None or re.search(r"(^|[\s;{}'\"])\\\n", text) is not None


@settings(max_examples=400)
@given(texts)
@example("a 'b c' d;")
@example('x "a\\"b";')
@example("a\\\nb c;")
def test_the_same_words_on_the_same_lines(text: str) -> None:
    assume(not has_quirk(text) and "lua" not in text)
    try:
        theirs = crossplanes_words(text)
    except NgxParserSyntaxError:
        with pytest.raises(BadSyntax):
            directives_of(text, "nginx.conf")
        return
    except RuntimeError:
        return  # it stumbles over a backslash at the very end
    ours = list(words_of(text))
    assert [(word.text, word.line, word.is_quoted) for word in ours] == theirs


@settings(max_examples=400)
@given(texts)
def test_a_word_stands_where_it_says(text: str) -> None:
    try:
        words = list(words_of(text))
    except BadSyntax as error:
        assert 1 <= error.line <= text.count("\n") + 1  # noqa: PT017 (most texts have no error)
        return
    last = 0
    for word in words:
        assert last <= word.start <= word.end <= len(text)
        written = text[word.start : word.end]
        if word.is_quoted and word.start and text[word.start - 1] in "'\"":
            quote = text[word.start - 1]
            assert text[word.end] == quote
            assert written.replace("\\" + quote, quote) == word.text
        else:
            assert written == word.text or (word.text, written) == (";", "}")  # the end of a Lua block
        assert text.count("\n", 0, word.start) + 1 == word.line
        last = word.end


def flat(directives: list[Directive]) -> list[tuple[str, int, list[str], bool]]:
    found = []
    for one in directives:
        found.append((one.name.text, one.line, one.texts, one.is_block))
        found += flat(one.block or [])
    return found


def theirs_flat(parsed: list[dict]) -> list[tuple[str, int, list[str], bool]]:
    found = []
    for one in parsed:
        found.append((one["directive"], one["line"], one["args"], "block" in one))
        found += theirs_flat(one.get("block", []))
    return found


names = st.sampled_from(["alpha", "beta", "$gamma", "/path", "~", "1m", "a=b", '"q r"', "'s;t'", "${v}w", "\\;"])
directives = st.recursive(
    st.lists(names, min_size=1, max_size=4).map(lambda words: " ".join(["name", *words]) + ";"),
    lambda inner: st.lists(inner, max_size=4).map(lambda lines: "\n".join(["block a {", *lines, "} # end"])),
    max_leaves=12,
)


@settings(max_examples=200)
@given(st.lists(directives, max_size=4).map("\n".join))
def test_the_same_tree(text: str) -> None:
    payload = parse_string(text, single=True, check_ctx=False)
    assert payload["errors"] == []
    assert flat(directives_of(text, "nginx.conf")) == theirs_flat(payload["config"][0]["parsed"])


def test_lua_is_one_word() -> None:
    text = "location / { content_by_lua_block { if a then s = '}' end -- }\n local t = {1}\n } }"
    (location,) = directives_of(text, "nginx.conf")
    assert location.block is not None
    (lua,) = location.block
    assert lua.texts == [" if a then s = '}' end -- }\n local t = {1}\n "]
    payload = parse_string(text, single=True, check_ctx=False)
    assert payload["config"][0]["parsed"][0]["block"][0]["args"] == lua.texts


def test_a_symbol_in_quotes_is_a_word() -> None:
    assert list(words_of("'{'")) == [Word("{", 1, 1, 2, True)]
    assert not next(iter(words_of("'{'"))).is_symbol
