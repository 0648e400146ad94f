"""What a tagger's file tells, in lines for people."""

from __future__ import annotations

from typing import Any


def show_members(name: str, head: dict[str, Any]) -> None:
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
        print(f"              listens {listens(recipe)}")


def combines(recipe: dict[str, Any]) -> str:
    windows = recipe["windows"]
    weighed = (
        windows["weigh"] != "equal" and windows["combine"] != "max"
    )  # the largest is the largest, whatever it weighs
    by = f", each counting by its {windows['weigh']}" if weighed else ""
    return f"windows by {windows['combine']}{by}; {recipe['task']} tag{'s' * (recipe['task'] == 'many')} a clip"


def listens(recipe: dict[str, Any]) -> str:
    windows = recipe["windows"]
    return f"at {recipe['sample_rate']:,} Hz, in windows of {windows['length']:g} s every {windows['hop']:g} s"


def told_rows(facts: dict[str, Any]) -> list[tuple[str, str]]:
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
