"""`windtunnel export patch`: a changed scenario as a patch of the files that are deployed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from experiments.deploy.patch import Patch


@click.command("patch", short_help="What to change in the deployed files, as a unified diff.")
@click.argument("scenario")
@click.option("--set", "settings", metavar="PATH=VALUE", multiple=True, help="Change a value; null unsets.")
@click.option("--variant", metavar="NAME", help="One of the scenario's variants, before any --set.")
@click.option("--against", metavar="DIR|FILE", multiple=True, help="The deployed files. Default: where it was read.")
@click.option("--base", metavar="SCENARIO", help="Only what differs from this scenario.")
@click.option("--profile", "profiles", metavar="NAME", multiple=True, help="As for import.")
@click.option("--env-file", "env_files", metavar="FILE", multiple=True, help="As for import.")
@click.option("-o", "--output", metavar="FILE", help="Write here. Default: standard output.")
@click.option("--json", "as_json", is_flag=True, help="Print what changes where, and what is left to do, as JSON.")
def patch(
    scenario: str, settings: tuple[str, ...], variant: str | None, against: tuple[str, ...], base: str | None,
    profiles: tuple[str, ...], env_files: tuple[str, ...], output: str | None, as_json: bool,
) -> None:  # fmt: skip
    """Write what SCENARIO says otherwise than the files it was read from as a unified diff of those files.

    \b
    windtunnel export patch my.yaml --set services.shop.replicas=3 -o change.patch
    windtunnel export patch tuned.yaml --base my.yaml --against deploy
    windtunnel export patch maltan/growth --set services.place-service.pools.main.maximum_pool_size=20
    patch -p1 -d deploy < change.patch

    Only the text of the values that change is touched: comments and layout stay. What has no place in a file is told,
    with what to do by hand.
    """
    from experiments.deploy.back import patch_for
    from experiments.files import replacing
    from experiments.scenario import load_scenario

    loaded = load_scenario(scenario, settings, variant)
    other = load_scenario(base) if base is not None else None
    back = patch_for(loaded, against, base=other, profiles=profiles, env_files=env_files)
    diff = back.patch.diff(back.deployment.folder)
    if output is not None:
        with replacing(Path(output)) as part:
            part.write_bytes(diff)
    if as_json:
        click.echo(json.dumps(_json(back.patch, diff), ensure_ascii=False, indent=2))
        return
    if output is None:
        click.echo(diff, nl=False)
    _tell(back.patch.by_hand, len(back.patch.changed), len(back.patch.files), output)


def _json(patch: Patch, diff: bytes) -> dict[str, object]:
    from experiments.scenario.paths import format_path

    changed = []
    for change, places in patch.changed:
        path = format_path(change.path)
        changed.append({"path": path, "before": change.before, "after": change.after, "at": list(map(str, places))})
    return {
        "changed": changed,
        "by_hand": patch.by_hand,
        "diff": diff.decode("utf-8", "backslashreplace"),
    }


def _tell(by_hand: list[str], changed: int, files: int, output: str | None) -> None:
    if not changed and not by_hand:
        click.echo("Nothing to change: the files say what the scenario says.", err=True)
        return
    what = f"{changed} value{'' if changed == 1 else 's'} in {files} file{'' if files == 1 else 's'}"
    click.echo(f"{what}{f', written: {output}' if output else ''}.", err=True)
    if by_hand:
        click.echo("To do by hand:", err=True)
        for line in by_hand:
            click.echo(f"  {line}", err=True)
