"""What the page shows as HTML. Everything that is said is escaped; colours follow the theme (style.css)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any, Final

from experiments.dashboard import wording
from experiments.dashboard.figures import Headline, difference, interval, mean
from experiments.dashboard.running import Finding
from experiments.dashboard.texts import Words
from sim.statistics import PairedDifference

MARKS: Final = {"met": "✓", "breached": "✗", "undecided": "?"}


def block(*inner: str, kind: str = "") -> str:
    return f'<div class="wt {kind}">{"".join(inner)}</div>'


def part(title: str, body: str, note: str = "") -> str:
    """A section of the page: what it shows, how to read it, and the thing itself."""
    said = f'<p class="soft">{escape(note)}</p>' if note else ""
    return block(f'<h2>{escape(title)}</h2>{said}<div class="body">{body}</div>', kind="wt-part")


def brand(words: Words) -> str:
    return block(f'<b>Windtunnel</b><span class="soft small">{escape(words("tagline"))}</span>', kind="wt-brand")


def head(name: str, description: str, settings: Sequence[str], words: Words) -> str:
    """What is looked at, and what is changed in it."""
    chips = "".join(f"<code>{escape(setting)}</code>" for setting in settings)
    changed = f'<span class="soft small">{escape(words("changed"))}</span>{chips}' if settings else (
        f'<span class="soft small">{escape(words("nothing_changed"))}</span>')  # fmt: skip
    return block(
        f'<h2>{escape(name)}</h2><p>{escape(description)}</p><div class="chips">{changed}</div>', kind="wt-head"
    )


def errors(lines: Iterable[str], words: Words, after: str = "") -> str:
    """What cannot be run and why, one line each."""
    said = "".join(f"<p>{escape(line)}</p>" for line in lines)
    then = f'<p class="soft small">{escape(after)}</p>' if after else ""
    return f'<div class="wt wt-error" role="alert"><p><b>{escape(words("cannot_run"))}</b></p>{said}{then}</div>'


def note(text: str, *, is_warning: bool = False) -> str:
    """How much may be read into the figures beside it."""
    return block(f'<p class="small {"wt-note" if is_warning else "soft"}">{escape(text)}</p>')


# --- headline figures ---


def cards(baseline: Finding, what_if: Finding | None, shown: Iterable[Headline], words: Words) -> str:
    """The headline figures, side by side."""
    return block("".join(_card(baseline, what_if, headline, words) for headline in shown), kind="wt-cards")


def _card(baseline: Finding, what_if: Finding | None, headline: Headline, words: Words) -> str:
    title = words(headline.name) + (f" · {headline.detail}" if headline.detail else "")
    before = mean(baseline, headline.pointer)
    was = headline.show(before)
    if what_if is None:
        figures = f'<span class="big num" data-side="baseline">{escape(was)}</span>'
        verdict = _interval_text(baseline, headline, words)
    else:
        after = mean(what_if, headline.pointer)
        figures = (
            f'<span class="big num" data-side="what-if">{escape(headline.show(after))}</span>'
            f'<span class="soft small num">{escape(words("baseline"))} '
            f'<span data-side="baseline">{escape(was)}</span></span>'
        )
        verdict = _verdict(difference(baseline, what_if, headline), headline, words)
    return (
        f'<article class="wt-card" data-kpi="{headline.name}"><h3>{escape(title)}</h3>'
        f'<div class="figures">{figures}</div><p class="verdict">{verdict}</p></article>'
    )


def _interval_text(finding: Finding, headline: Headline, words: Words) -> str:
    if mean(finding, headline.pointer) is None:
        return f'<span class="unclear">{escape(words("too_few"))}</span>'
    found = interval(finding, headline.pointer)
    if found is None:
        return ""
    if headline.show is wording.percent:  # an interval around a share may reach where no share can be
        found = (max(0.0, found[0]), min(1.0, found[1]))
    return f'<span class="soft num">[{escape(headline.show(found[0]))}, {escape(headline.show(found[1]))}]</span>'


def _verdict(found: PairedDifference | None, headline: Headline, words: Words) -> str:
    """In plain words: better, worse, or not distinguishable and how much more it would take."""
    if found is None:
        return f'<span class="unclear">{escape(words("too_few"))}</span>'
    if found.verdict == "not distinguishable" or found.low is None or found.high is None:
        if found.mean == 0.0 and found.low in (None, 0.0):
            text = words("same")
        elif found.more_replications is None:
            text = words("unclear")
        elif found.more_replications == 1:
            text = words("unclear_one_more")
        else:
            text = words("unclear_more", more=f"{found.more_replications:,}")
        return f'<span class="unclear">{escape(text)}</span>'

    def amount(value: float) -> str:
        unit = f" {words('points_unit')}" if headline.show_difference is wording.points else ""
        return headline.show_difference(abs(value)) + unit

    bare = wording.points if headline.show_difference is wording.points else wording.number
    low, high = sorted((abs(found.low), abs(found.high)))
    arrow = "▲" if found.mean > 0 else "▼"
    return (
        f'<span class="{found.verdict}">{arrow} {escape(words(found.verdict, amount=amount(found.mean)))}</span> '
        f'<span class="soft num">[{escape(bare(low))}, {escape(bare(high))}]</span>'
    )


# --- verdict, what breaks first ---


def objectives(baseline: Finding, what_if: Finding | None, words: Words) -> str:
    """The scenario's objectives, judged on both runs."""
    sides = [finding for finding in (baseline, what_if) if finding is not None]
    judged = [{each["name"]: each for each in finding.document["objectives"]} for finding in sides]
    if not judged[0]:
        return f'<p class="soft">{escape(words("no_objectives"))}</p>'
    names = [words("baseline"), words("what_if")]
    heading = "".join(f"<th>{escape(name)}</th>" for name in names[: len(sides)])
    rows = [f"<tr><th>{escape(words('objective'))}</th><th></th>{heading}</tr>"]
    for name, first in judged[0].items():
        show = wording.shown_as(first["path"])
        cells = "".join(_judgement(each.get(name), show, words) for each in judged)
        bound = words(first["bound"], bound=show(first["threshold"]))
        rows.append(f'<tr><td>{escape(name)}</td><td class="soft num">{escape(bound)}</td>{cells}</tr>')
    overall = "".join(f"<td>{_overall(list(each.values()), words)}</td>" for each in judged)
    rows.append(f"<tr><td></td><td></td>{overall}</tr>")
    return f'<div class="scroll"><table>{"".join(rows)}</table></div>'


def recovery(baseline: Finding, what_if: Finding | None, words: Words) -> str:
    """Whether the system came back from every surge and fault, on both sides."""
    boxes = [_episodes(baseline, "baseline", "was", words)]
    if what_if is not None:
        boxes.append(_episodes(what_if, "what_if", "now", words))
    return f'<div class="wt-two">{"".join(boxes)}</div>'


def _episodes(finding: Finding, side: str, kind: str, words: Words) -> str:
    said = "".join(_episode(each, words) for each in finding.document["recovery"]) or f"<p>{wording.NOTHING}</p>"
    return f'<div class="wt-box {kind}"><p class="soft small">{escape(words(side))}</p>{said}</div>'


def _episode(episode: Mapping[str, Any], words: Words) -> str:
    begins, ends_s = words.duration(episode["begins_s"]), episode["ends_s"]
    span = words("episode_open", what=episode["name"], begins=begins) if ends_s is None else words(
        "episode", what=episode["name"], begins=begins, ends=words.duration(ends_s))  # fmt: skip
    kinds = {"recovered": "met", "too_short": "undecided", "down_before": "undecided"}
    kind = kinds.get(episode["verdict"], "breached")
    levels = [episode[key]["goodput_per_s"] for key in ("before", "worst", "finally")]
    figures = ""
    if levels[0] is not None:
        before, worst, after = (wording.per_second(level) for level in levels)
        figures = f'<p class="soft small">{escape(words("before_now", before=before, worst=worst, after=after))}</p>'
    verdict = f'<p class="{kind}">{escape(_episode_verdict(episode, words))}</p>'
    return f'{verdict}<p class="small">{escape(span)}</p>{figures}'


def _episode_verdict(episode: Mapping[str, Any], words: Words) -> str:
    """As report.storms.verdict_text, in either language."""
    of, texts = episode["of"], []
    if episode["verdict"] in ("too_short", "down_before"):
        return words(episode["verdict"])
    if episode["recovered_in"]:
        number, after_s = f"{episode['recovered_in']:.0f}", episode["after_s"]
        if after_s is None:
            texts.append(words("recovered", number=number, of=of))
        elif after_s == 0:
            texts.append(words("recovered_at_once", number=number, of=of))
        else:
            texts.append(words("recovered_after", number=number, of=of, after=words.duration(after_s)))
    if episode["stuck_in"]:
        observed = words.duration(episode["observed_s"])
        texts.append(words("stuck", number=f"{episode['stuck_in']:.0f}", of=of, observed=observed))
    return "; ".join(texts)


def _judgement(objective: Mapping[str, Any] | None, show: wording.Show, words: Words) -> str:
    if objective is None:
        return "<td></td>"
    verdict = objective["verdict"]
    return (
        f'<td class="num"><span class="{verdict}" title="{escape(words(verdict))}">{MARKS[verdict]}</span> '
        f"{escape(show(objective['value']))}</td>"
    )


def _overall(judged: Sequence[Mapping[str, Any]], words: Words) -> str:
    verdicts = [each["verdict"] for each in judged]
    number, kind = verdicts.count("breached"), "breached"
    text = words("does_not_hold", number=number, all=len(verdicts))
    if not number:
        number, kind = verdicts.count("undecided"), "undecided"
        text = words("is_undecided", number=number, all=len(verdicts))
    if not number:
        kind, text = "met", words("holds")
    return f'<span class="{kind}">{escape(text)}</span>'


def bottlenecks(baseline: Finding, what_if: Finding | None, words: Words) -> str:
    """The limit that gives first, in both runs."""
    boxes = _bottleneck(baseline, "baseline", "was", words)
    if what_if is not None:
        boxes += _bottleneck(what_if, "what_if", "now", words)
    return f'<div class="wt-two">{boxes}</div>'


def _bottleneck(finding: Finding, side: str, kind: str, words: Words) -> str:
    found = finding.document["bottleneck"]
    if found is None:
        said = f"<p>{escape(words('nothing_used'))}</p>"
    else:
        name = "binds" if found["binds"] else "nothing_binds"
        said = (
            f'<p class="{"worse" if found["binds"] else ""}">{escape(words(name))}</p>'
            f"<p><code>{escape(found['limit_path'])} = {escape(str(found['value']))}</code></p>"
            f'<p class="soft small">{escape(words.evidence(found["evidence"]))}</p>'
        )
    return f'<div class="wt-box {kind}"><p class="soft small">{escape(words(side))}</p>{said}</div>'


# --- what it rests on ---


def assumptions(provenance: Mapping[str, Mapping[str, str]], not_modelled: Sequence[str], words: Words) -> str:
    """Where every input comes from, what is only assumed first."""
    order = sorted(provenance.items(), key=lambda item: item[1]["source"] != "assumed")
    heading = "".join(f"<th>{escape(words(name))}</th>" for name in ("path", "source", "reference"))
    rows = []
    for path, entry in order:
        why = ". ".join(text.rstrip(".") for text in (entry["ref"], entry["note"]) if text)
        rows.append(
            f"<tr><td><code>{escape(path)}</code></td><td>{escape(words(entry['source']))}</td>"
            f"<td>{escape(why)}</td></tr>"
        )
    table = f'<div class="scroll"><table><tr>{heading}</tr>{"".join(rows)}</table></div>' if rows else ""
    left_out = "".join(f"<li>{escape(text)}</li>" for text in not_modelled)
    listed = f'<h3 style="font-size:.9rem;margin:.9rem 0 .3rem">{escape(words("not_modelled"))}</h3><ul>{left_out}</ul>'
    return block(table, listed if left_out else "")


def audit(finding: Finding, words: Words) -> str:
    """Whether the run kept its own conservation laws, and how to recognise it."""
    found = finding.document["audit"]
    held = sum(check["passed"] for check in found["checks"])
    text = words("audit_passed" if found["passed"] else "audit_failed", held=held, all=len(found["checks"]))
    kind = "met" if found["passed"] else "breached"
    return block(
        f'<p class="small"><span class="{kind}">{"✓" if found["passed"] else "✗"}</span> {escape(text)} '
        f'<span class="soft">digest <code>{escape(finding.document["digest"])}</code></span></p>',
        kind="wt-foot",
    )
