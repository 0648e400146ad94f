"""What a tagger's file tells, in lines for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from earmark.files.shown import shown

if TYPE_CHECKING:
    from earmark.models.facts import Facts


def put(line: str) -> None:
    """A line on stdout, in which names are shown."""
    print(shown(line))


def show_members(name: str, head: dict[str, Any]) -> None:
    """Of an ensemble: its rule, and each member with its weight."""
    members = head["members"]
    put(f"{name}: an ensemble of {len(members)} taggers")
    put(f"  tags        {len(head['vocabulary'])}: {', '.join(head['vocabulary'])}")
    put(
        f"  combines    recordings' scores by the {head['rule']} mean; {head['task']} tag{'s' * (head['task'] == 'many')} a clip"
    )
    if head.get("temperature", 1) != 1:
        put(f"  temperature {head['temperature']:g}")
    for number, (member, weight) in enumerate(zip(members, head["weights"], strict=True), 1):
        recipe = member["recipe"]
        put(f"  {f'member {number}':11} weight {weight:.3g}: {recipe['summary'] or recipe['name']}")
        put(f"              listens {listens(recipe)}")


def graphs(head: Mapping[str, Any]) -> str:
    """Of its net, for engines without torch."""
    told = [each for each in head.get("graphs") or [] if isinstance(each, dict)]
    if not told:
        return "none: torch runs it (earmark export writes some)"
    precisions = dict.fromkeys(str(each.get("precision")) for each in told)
    together = sorted({int(each.get("windows", 0)) for each in told} - {0}, reverse=True)
    shared = f"; {', '.join(map(str, together))} overlapping windows at once" if together else ""
    return f"{' and '.join(precisions)}{shared}"


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


def told_rows(facts: Facts) -> list[tuple[str, str]]:
    """(what, words) of how it was made and judged."""
    from earmark.events.rules import ranged

    rows = []
    if facts.data is not None:
        rows.append(("trained on", str(facts.dataset)))
    for part, clips in (facts.split.parts() if facts.split else {}).items():
        if clips.clips:
            count = " ".join(filter(None, [clips.counted, f"{clips.clips} clips"]))
            lost = f", of which {clips.unread} could not be read" if clips.unread else ""
            rows.append((part, count + (f", fold {', '.join(clips.folds)}" if clips.folds else "") + lost))
    rows += [
        ("taught by", base.words()) if base.taught else ("began with", f"weights of {base.words()}")
        for base in facts.bases or ()
    ]
    if (head := facts.head) is not None:
        rows.append(("head", head.words()))
        if (reached := head.reached()) is not None:
            told = [f"{name} {reached[name]:.3f}" for name in ("accuracy", "loss") if reached.get(name) is not None]
            rows.append(("inner folds", ", ".join(told)))
        if (background := head.background) is not None:
            count, of, each = (background[key] for key in ("windows", "recordings", "weight"))
            rows.append(("background", f"{count:,} windows of {of:,} recordings, each counting {each:g}"))
    if (origin := facts.adopted) is not None:
        rows.append(("adopted", f"{origin.file}, {origin.layout}, {origin.weights}"))
        rows += [("licence", origin.licence), ("origin", f"{origin.source}; sha256 {origin.sha256}")]
        rows.append(("tags from", f"{origin.labels}; sha256 {origin.labels_sha256}"))
    if facts.soup is not None:
        rows.append(("weights", f"the mean of those of {len(facts.soup.taggers)} taggers"))
    if (chosen := facts.chosen) is not None:
        of = "" if chosen.of is None else f" of {chosen.of}"
        rows.append(("epoch", f"{chosen.number}{of}, chosen by {chosen.by or 'a rule that is not given'}"))
    if facts.validation:
        figures = {name: "none" if value is None else f"{value:.3f}" for name, value in facts.validation.items()}
        rows.append(("validation", ", ".join(f"{name} {value}" for name, value in figures.items())))
    if facts.events is not None and facts.events.rules is not None:
        chosen_by = facts.events.words() or "a rule that is not given"
        rows += [("events", facts.events.rules.words()), ("chosen by", chosen_by)]
    if facts.tags is not None and facts.tags.thresholds:
        chosen_by = facts.tags.words() or "a rule that is not given"
        rows += [("heard", f"from {ranged(facts.tags.thresholds)}"), ("chosen by", chosen_by)]
    for name, figure in (facts.test.metrics if facts.test else {}).items():
        if figure["value"] is None:  # infinite, as d′ is where nothing is mistaken, or not defined
            continue
        value, low, high = ("none" if figure[key] is None else f"{figure[key]:.3f}" for key in ("value", "low", "high"))
        rows.append((f"test {name}", f"{value} ({low} to {high})"))
    return rows + [("alarms", each.words()) for each in facts.alarms or ()]
