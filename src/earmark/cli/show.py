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
    from earmark.models import loading
    from earmark.models.file import read_head

    path = loading.find(tagger)
    head = read_head(path)
    if as_json:
        print(json.dumps(head, indent=1, ensure_ascii=False))
        return
    facts = head["facts"]
    if "members" in head:
        _show_members(path.stem, head)
    else:
        recipe = head["recipe"]
        print(f"{path.stem}: {recipe['summary'] or recipe['name']}")
        print(f"  tags        {len(head['vocabulary'])}: {', '.join(head['vocabulary'])}")
        print(f"  listens     {_listens(recipe)}")
        print(f"  combines    {_combines(recipe)}")
    for name, told in _told(facts):
        print(f"  {name:11} {told}")


def _show_members(name: str, head: dict[str, Any]) -> None:
    """Of an ensemble: its rule, and each member with its weight."""
    members = head["members"]
    print(f"{name}: an ensemble of {len(members)} taggers")
    print(f"  tags        {len(head['vocabulary'])}: {', '.join(head['vocabulary'])}")
    print(
        f"  combines    recordings' scores by the {head['rule']} mean; {head['task']} tag{'s' * (head['task'] == 'many')} a clip"
    )
    for number, (member, weight) in enumerate(zip(members, head["weights"], strict=True), 1):
        recipe = member["recipe"]
        print(f"  {f'member {number}':11} weight {weight:.3g}: {recipe['summary'] or recipe['name']}")
        print(f"              listens {_listens(recipe)}")


def _combines(recipe: dict[str, Any]) -> str:
    windows = recipe["windows"]
    weighed = (
        windows["weigh"] != "equal" and windows["combine"] != "max"
    )  # the largest is the largest, whatever it weighs
    by = f", each counting by its {windows['weigh']}" if weighed else ""
    return f"windows by {windows['combine']}{by}; {recipe['task']} tag{'s' * (recipe['task'] == 'many')} a clip"


def _listens(recipe: dict[str, Any]) -> str:
    windows = recipe["windows"]
    return f"at {recipe['sample_rate']:,} Hz, in windows of {windows['length']:g} s every {windows['hop']:g} s"


def _told(facts: dict[str, Any]) -> list[tuple[str, str]]:
    rows = []
    if "data" in facts:
        data = facts["data"]
        rows.append(("trained on", str(data.get("dataset"))))
    for part, told in facts.get("split", {}).items():
        if not told["clips"]:
            continue
        clips = " ".join(filter(None, [told.get("counted"), f"{told['clips']} clips"]))
        rows.append((part, clips + (f", fold {', '.join(told['folds'])}" if told["folds"] else "")))
    if "soup" in facts:
        rows.append(("weights", f"the mean of those of {len(facts['soup']['taggers'])} taggers"))
    if "chosen" in facts:
        rows.append(
            ("epoch", f"{facts['chosen']['epoch']} of {facts['chosen']['of']}, chosen by {facts['chosen']['by']}")
        )
    if facts.get("validation"):
        rows.append(("validation", ", ".join(f"{name} {value:.3f}" for name, value in facts["validation"].items())))
    for name, figure in facts.get("test", {}).get("metrics", {}).items():
        if figure["value"] is None:  # infinite, as d′ is where nothing is mistaken, or not defined
            continue
        value, low, high = ("none" if figure[key] is None else f"{figure[key]:.3f}" for key in ("value", "low", "high"))
        rows.append((f"test {name}", f"{value} ({low} to {high})"))
    return rows
