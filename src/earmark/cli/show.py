"""`earmark show`: what a tagger file tells of itself."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer


def show(
    tagger: Annotated[str, typer.Argument(help="A tagger file, or the name of a shipped one.")],
    as_json: Annotated[bool, typer.Option("--json", help="Everything, as JSON.")] = False,
) -> None:
    """Say what a tagger knows: its tags, its recipe, what chose its epoch, and its figures. The weights are not read."""
    from earmark import tagger as taggers

    path = taggers.find(tagger)
    head = taggers.read_head(path)
    if as_json:
        print(json.dumps(head, indent=1, ensure_ascii=False))
        return
    recipe, facts = head["recipe"], head["facts"]
    windows = recipe["windows"]
    print(f"{path.stem}: {recipe['summary'] or recipe['name']}")
    print(f"  tags        {len(head['vocabulary'])}: {', '.join(head['vocabulary'])}")
    print(
        f"  listens     at {recipe['sample_rate']:,} Hz, in windows of {windows['length']:g} s every {windows['hop']:g} s"
    )
    print(
        f"  combines    windows by {windows['combine']}; one tag a clip"
        if recipe["task"] == "one"
        else "  many tags a clip"
    )
    for name, told in _told(facts):
        print(f"  {name:11} {told}")


def _told(facts: dict[str, Any]) -> list[tuple[str, str]]:
    rows = []
    if "data" in facts:
        data = facts["data"]
        rows.append(("trained on", str(data.get("dataset"))))
    for part, told in facts.get("split", {}).items():
        if not told["clips"]:
            continue
        rows.append((part, f"{told['clips']} clips" + (f", fold {', '.join(told['folds'])}" if told["folds"] else "")))
    if "chosen" in facts:
        rows.append(
            ("epoch", f"{facts['chosen']['epoch']} of {facts['chosen']['of']}, chosen by {facts['chosen']['by']}")
        )
    if facts.get("validation"):
        rows.append(("validation", ", ".join(f"{name} {value:.3f}" for name, value in facts["validation"].items())))
    for name, figure in facts.get("test", {}).get("metrics", {}).items():
        rows.append((f"test {name}", f"{figure['value']:.3f} ({figure['low']:.3f} to {figure['high']:.3f})"))
    return rows
