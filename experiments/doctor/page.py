"""`python -m experiments.doctor.page`: brings docs/doctor.md up to date with the rules and with what they find."""

from __future__ import annotations

import io
import sys
from importlib import resources
from pathlib import Path

from experiments.files import write_text

WIDTH = 100
AS_WRITTEN = ("scenarios", "maltan", "deploy", "as-written")


def rules_table() -> str:
    from experiments.doctor import RULES

    rows = [f"| `{rule.name}` | {rule.title}{'' if rule.needs_scenario else ' (files alone are enough)'} |"
            for rule in RULES]  # fmt: skip
    return "\n".join(["| rule | what it finds |", "| --- | --- |", *rows])


def as_written() -> str:
    """What the doctor says of the guide's files as the guide states them."""
    from rich.console import Console

    from experiments.doctor import examine
    from experiments.doctor.report import print_findings
    from experiments.doctor.subject import folder_subject

    with resources.as_file(resources.files("experiments").joinpath(*AS_WRITTEN)) as folder:
        subject = folder_subject((str(folder),), str(folder / "assume.yaml"), (), ())
        file = io.StringIO()
        print_findings(Console(file=file, width=WIDTH), subject.name, examine(subject))
    return f"```text\n{file.getvalue().rstrip()}\n```"


def current(page: str) -> str:
    """The page with its two generated parts as they should be."""
    for name, text in (("rules", rules_table()), ("as-written", as_written())):
        start, end = f"<!-- {name} -->\n", f"\n<!-- end of {name} -->"
        before, _, rest = page.partition(start)
        _, _, after = rest.partition(end)
        page = f"{before}{start}{text}{end}{after}"
    return page


def main() -> int:
    path = Path(sys.argv[1] if len(sys.argv) > 1 else "docs/doctor.md")
    text = current(path.read_text(encoding="utf-8"))
    write_text(path, text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
