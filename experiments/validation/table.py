"""The table of conformance, as Markdown: `python -m experiments.validation.table > docs/conformance.md`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from experiments.validation.catalogue import COMPONENTS, checks, left_out
from experiments.validation.check import Component

HEAD = """# Conformance

What Windtunnel claims of the components it models, and what stands behind each claim. Every line of the tables was
measured on the real component, read in its source, or follows from a closed form; the model replays it. `exact` means
equal to the last decision and nanosecond (durations are drawn on a grid of 2^-30 s, and what is shorter than that adds
up); where it cannot be, the table says how near.

    windtunnel validate                     replay all of it here, in about a minute
    windtunnel validate --component nginx   only some

This page is made from the checks themselves; a test fails when it is out of date.
"""


def document() -> str:
    """The whole page."""
    return "\n".join([HEAD, *_summary(), *(line for component in COMPONENTS for line in _component(component))]) + "\n"


def counts(components: Sequence[Component] = COMPONENTS) -> tuple[int, int, int]:
    """Vectors replayed exactly, replayed within some band, and left out."""
    exact = sum(check.agreement == "exact" for component in components for check in component.checks)
    replayed = sum(len(component.checks) for component in components)
    return exact, replayed - exact, sum(len(component.left_out) for component in components)


def _summary() -> Iterator[str]:
    exact, near, out = counts()
    yield f"**{exact + near} vectors are replayed: {exact} exactly, {near} within what is said. {out} are left out.**"
    yield ""
    yield "| component | version | exact | within | left out |"
    yield "| --- | --- | ---: | ---: | ---: |"
    for component in COMPONENTS:
        exact, near, out = counts([component])
        yield f"| [{component.name}](#{_anchor(component.name)}) | {component.version} | {exact} | {near} | {out} |"
    yield ""


def _component(component: Component) -> Iterator[str]:
    yield f"## {component.name}"
    yield ""
    yield f"Version: {component.version}. Source: {component.source}."
    yield ""
    if component.checks:
        yield "| vector | behaviour | agreement |"
        yield "| --- | --- | --- |"
        for check in component.checks:
            yield f"| {_cell(check.vector)} | {_cell(check.behaviour)} | {_cell(check.agreement)} |"
        yield ""
    if component.left_out:
        yield "Not modelled, or not replayed:"
        yield ""
        for each in component.left_out:
            yield f"- {each.vector}: {each.reason}"
        yield ""


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _anchor(heading: str) -> str:
    """As GitHub makes it."""
    kept = [char for char in heading.lower() if char.isalnum() or char in " -_"]
    return "".join(kept).replace(" ", "-")


def names() -> set[tuple[str, str]]:
    """Section and vector of everything that is replayed or left out."""
    replayed = {(check.section, check.vector) for check in checks()}
    return replayed | {(each.section, each.vector) for each in left_out()}


if __name__ == "__main__":
    print(document(), end="")  # noqa: T201
