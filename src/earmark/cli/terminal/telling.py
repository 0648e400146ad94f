"""What a tagger's file tells, in lines for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from earmark.errors import TaggerError, counted
from earmark.files.shown import shown

if TYPE_CHECKING:
    from earmark.models.facts import Facts
    from earmark.models.loading import Described


def put(line: str) -> None:
    """A line on stdout, in which names are shown."""
    print(shown(line))


def lines(described: Described) -> list[str]:
    """All of it. Raises TaggerError for what is of another kind than what a tagger file tells, which tagging needs not."""
    try:
        own = _members(described) if "members" in described.head else _net(described)
        return own + [f"  {name:11} {told}" for name, told in told_rows(described.facts)]
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise TaggerError(
            f"{described.path}: what it tells of itself is not what a tagger file tells ({type(error).__name__}: {error}): altered or "
            "damaged. Fetch it again"
        ) from error


def _net(described: Described) -> list[str]:
    (recipe,), tags = described.recipes, described.head["vocabulary"]
    return [
        f"{described.path.stem}: {recipe['summary'] or recipe['name']}",
        f"  tags        {len(tags)}: {', '.join(tags)}",
        f"  listens     {listens(recipe)}",
        f"  combines    {combines(recipe)}",
        f"  graphs      {graphs(described.head)}",
    ]


def _members(described: Described) -> list[str]:
    """Of an ensemble: its rule, and each member with its weight; the tags and the task are those of the first, as when it is loaded."""
    head, recipes = described.head, described.recipes
    tags, task = head["members"][0]["vocabulary"], recipes[0]["task"]
    told = [
        f"{described.path.stem}: an ensemble of {counted(len(recipes), 'tagger')}",
        f"  tags        {len(tags)}: {', '.join(tags)}",
        f"  combines    recordings' scores by the {head['rule']} mean; {task} {'tags' if task == 'many' else 'tag'} a clip",
    ]
    if head.get("temperature", 1) != 1:
        told.append(f"  temperature {head['temperature']:g}")
    for number, (recipe, weight) in enumerate(zip(recipes, head["weights"], strict=True), 1):
        told.append(f"  {f'member {number}':11} weight {weight:.3g}: {recipe['summary'] or recipe['name']}")
        told.append(f"              listens {listens(recipe)}")
    return told


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
    return (
        f"windows by {windows['combine']}{by}; {recipe['task']} {'tags' if recipe['task'] == 'many' else 'tag'} a clip"
    )


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
            count = " ".join(filter(None, [clips.counted, counted(clips.clips, "clip")]))
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
            rows.append(
                ("background", f"{counted(count, 'window')} of {counted(of, 'recording')}, each counting {each:g}")
            )
    if (origin := facts.adopted) is not None:
        rows.append(("adopted", f"{origin.file}, {origin.layout}, {origin.weights}"))
        rows += [("licence", origin.licence), ("origin", f"{origin.source}; sha256 {origin.sha256}")]
        rows.append(("tags from", f"{origin.labels}; sha256 {origin.labels_sha256}"))
    if facts.soup is not None:
        rows.append(("weights", f"the mean of those of {counted(len(facts.soup.taggers), 'tagger')}"))
    if (chosen := facts.chosen) is not None:
        of = "" if chosen.of is None else f" of {chosen.of}"
        rows.append(("epoch", f"{chosen.number}{of}, chosen by {chosen.by or 'a rule that is not given'}"))
    if facts.precision is not None:
        rows.append(("trained in", facts.precision.words()))
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
