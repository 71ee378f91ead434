"""`windtunnel doctor`: what is wrong with a deployment, line by line."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from experiments.cli.common import console_for

if TYPE_CHECKING:
    from experiments.doctor import Subject

_SEVERITIES = ("note", "warning", "error")


@click.command(short_help="Find what is wrong with a deployment before it is deployed.")
@click.argument("names", nargs=-1, required=False, metavar="DIR|FILES...|SCENARIO")
@click.option("--assume", metavar="FILE", help="A partial scenario with what files cannot tell, as for import.")
@click.option("--profile", "profiles", metavar="NAME", multiple=True, help="Start services of this Compose profile.")
@click.option("--env-file", "env_files", metavar="FILE", multiple=True, help="Variables, instead of the .env there.")
@click.option("--variant", metavar="NAME", help="Look at one of the scenario's variants.")
@click.option("--set", "settings", metavar="PATH=VALUE", multiple=True, help="Change a value of the scenario first.")
@click.option("--without", metavar="RULE", multiple=True, help="Leave a rule out.")
@click.option(
    "--fail-at",
    type=click.Choice((*_SEVERITIES, "never")),
    default="error",
    show_default=True,
    help="Exit with 1 when something is at least that bad.",
)
@click.option("--prove", "proves", is_flag=True, help="Run short simulations that show what findings claim.")
@click.option("--rules", "lists_rules", is_flag=True, help="List the rules and leave.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def doctor(
    names: tuple[str, ...], assume: str | None, profiles: tuple[str, ...], env_files: tuple[str, ...],
    variant: str | None, settings: tuple[str, ...], without: tuple[str, ...], fail_at: str, proves: bool,
    lists_rules: bool, as_json: bool,
) -> int:  # fmt: skip
    """Look through the files of a deployment, or a scenario, for what will hurt: each finding with its line, why it
    matters here, and the change that mends it.

    \b
    windtunnel doctor deploy                         # a folder with Compose, Spring, nginx, ... files
    windtunnel doctor deploy --assume traffic.yaml --fail-at warning
    windtunnel doctor maltan/growth --prove
    windtunnel doctor deploy --json > findings.json  # exit 1 on errors: usable in a pull request

    docs/doctor.md lists the rules.
    """
    from experiments.doctor import RULES, Severity, examine
    from experiments.doctor.prove import prove
    from experiments.doctor.report import as_json as findings_json
    from experiments.doctor.report import print_findings
    from experiments.doctor.rules import asked

    if lists_rules:
        for rule in RULES:
            click.echo(f"{rule.name:24} {rule.title}")
        return 0
    known = {rule.name for rule in RULES}
    for name in without:
        if name not in known:
            raise click.UsageError(f"--without: must name a rule, got '{name}'. --rules lists them")
    if not names:
        raise click.UsageError("must be given a folder, files, or a scenario, got nothing")
    subject = _subject(names, assume, profiles, env_files, variant, settings)
    findings = examine(subject, without)
    errors = console_for(sys.stderr)
    proofs = prove(subject, findings, lambda text: errors.print(text, style="dim", highlight=False)) if proves else None
    if as_json:
        click.echo(json.dumps(findings_json(subject.name, findings, proofs), ensure_ascii=False, indent=2))
    else:
        left_out = len([rule for rule in RULES if rule.name not in without]) - len(asked(subject, without))
        print_findings(console_for(sys.stdout), subject.name, findings, proofs, left_out)
    if fail_at == "never":
        return 0
    worst = max((finding.severity for finding in findings), default=None)
    return int(worst is not None and worst >= Severity[fail_at.upper()])


def _subject(
    names: tuple[str, ...], assume: str | None, profiles: tuple[str, ...], env_files: tuple[str, ...],
    variant: str | None, settings: tuple[str, ...],
) -> Subject:  # fmt: skip
    from experiments.doctor import Subject
    from experiments.doctor.subject import folder_subject
    from experiments.scenario import load_scenario

    if len(names) == 1 and not Path(names[0]).is_dir() and _is_scenario(names[0]):
        return Subject.of_scenario(load_scenario(names[0], settings, variant))
    if variant is not None:
        raise click.UsageError("--variant: must go with a scenario, got files")
    return folder_subject(names, assume, profiles, env_files, settings)


def _is_scenario(name: str) -> bool:
    """A shipped name, or a file that has what every scenario has."""
    path = Path(name)
    if not path.exists():
        return True  # load_scenario says what there is
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return True
    return path.suffix in (".yaml", ".yml", ".json") and "machines" in text and "routes" in text and "traffic" in text
