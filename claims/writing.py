"""Results of claims: results/claims/ID.json for programs, ID.md for readers."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from claims import learnt
from claims.claim import EVENT_F1, Claim, Size
from claims.evidence import Plan
from claims.judging import LEVEL, judge, least
from claims.verdict import Evidence, Figure, Pair
from earmark.files import write_text
from earmark.report import text, wording
from earmark.report.comparison import between, chance, signed
from earmark.train.folder import versions

DRAWN = {
    "groups": "Groups of clips (recordings, speakers) are drawn anew, the same for all runs of all systems",
    "clips": "Clips are drawn anew, the same for all runs of all systems, though some share a source: intervals are too "
    "narrow for clips of other sources",
    "sources": "Scenes are drawn anew in groups of those that share the sound named first in them, the same for all runs of all "
    "systems; that they share others too makes intervals somewhat too narrow",
}
RULE = (
    "its validation figure has not risen by more than its own noise over the last fifth of its epochs, and is at least "
    f"{learnt.SHARE} of what the same net reaches at recipe size"
)
OWN = "No paper's: a statement on recipes of this project, as they are."
TRAININGS = "intervals and p over clips take trainings as they are; p over trainings takes the clips as they are"


def result(
    claim: Claim,
    size: Size,
    evidence: Evidence,
    figures: Mapping[str, Figure],
    pairs: Sequence[Pair],
    planned: Plan,
    also: Mapping[str, Mapping[str, Figure]] | None = None,
) -> dict[str, Any]:
    """Plain values; what is no number is null. also: figures by more metrics, and by system."""
    also = also or {}
    groups = len(set(evidence.groups.tolist()))
    told: dict[str, Any] = {
        "claim": claim.id,
        "statement": claim.statement,
        "paper": claim.paper,
        "where": claim.where,
        "there": claim.there,
        "size": size,
        "metric": claim.metric,
        "pairs": [pair.as_dict() for pair in pairs],
        "systems": [
            {
                "name": name,
                **figure.value.as_dict(),
                "runs": list(figure.runs),
                **({"also": {key: by[name].value.as_dict() for key, by in also.items()}} if also else {}),
                **_made(claim, size, name),
            }
            for name, figure in figures.items()
        ],
        # what is trained, but only compared by way of what is made of it
        "sources": [{"name": name, **_made(claim, size, name)} for name in claim.trained() if name not in figures],
        "folds": _folds(claim, evidence, planned),
        "learnt": learnt.of(claim, size, planned),
        "clips": len(evidence.groups),
        "groups": groups,
        "runs": runs_of(claim, planned),
        "resampled": f"{DRAWN[claim.draw]} ({groups} of them); {TRAININGS}.",
        "remarks": [*claim.remarks, *(claim.small_remarks if size == "small" else [])],
        "cost": cost(planned),
        "versions": versions(),
    }
    return judged(told, claim)


def _folds(claim: Claim, evidence: Evidence, planned: Plan) -> int | None:
    """How many folds the trainings take turns in, so that they share clips; nothing where each learns from all of them."""
    if evidence.turns is not None:
        return len(set(evidence.turns.tolist()))
    return None if claim.folds is None else max(len(runs) for runs in planned.values())


def judged(told: Mapping[str, Any], claim: Claim) -> dict[str, Any]:
    """A result, a stored one too, with the verdicts of today's rule and the claim's words of today; remarks are of the run."""
    today = {"statement": claim.statement, "there": claim.there}
    return _finite(judge({**told, **today}, claim))  # type: ignore[no-any-return]


def judge_stored(claim: Claim, folder: Path) -> dict[str, Any] | None:
    """Judge a stored result anew and write its files; None where there is none."""
    kept = folder / f"{claim.id}.json"
    if not kept.is_file():
        return None
    told = judged(json.loads(kept.read_text(encoding="utf-8")), claim)
    _write(told, folder)
    return told


def runs_of(claim: Claim, planned: Plan) -> str:
    """What the runs of a system are, in words."""
    if not planned:
        return "one training of each system, done before"
    folds = max(len(run) for runs in planned.values() for run in runs)
    seeds = len(claim.seeds)
    if claim.folds is None:
        return f"{seeds} trainings of each system, with the seeds {', '.join(map(str, claim.seeds))}"
    if folds > 1:
        over = f"{folds} folds, each tested by a training that has not heard it, all clips together"
        return over if seeds == 1 else f"{over}; {seeds} times, with other seeds"
    several = max(len(runs) for runs in planned.values())
    return f"{several} trainings of each system, for each of which another fold chose the epoch"


def cost(planned: Plan) -> dict[str, Any]:
    """Trainings, the seconds that they and their scoring took one by one, and on what; those of the processor, and in which precision,
    where all tell them.
    """
    every = {one.folder for runs in planned.values() for run in runs for one in run}
    told = [json.loads((folder / "done.json").read_text(encoding="utf-8")) for folder in sorted(every)]
    worked = [each.get("processor seconds") for each in told]
    computed = {each.get("precision") for each in told}
    return {
        "trainings": len(told),
        "seconds": round(sum(each["seconds"] for each in told)),
        **({"processor seconds": round(sum(worked))} if told and None not in worked else {}),
        "device": ", ".join(sorted({each["device"] for each in told})) or None,
        **({"precision": " and ".join(sorted(computed))} if told and None not in computed else {}),
    }


def known(claim: Claim, size: Size, folder: Path) -> str:
    """What is known of a claim before it is run: the verdict and the cost of a result of this size, or else nothing."""
    file = folder / f"{claim.id}.json"
    told = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    if told.get("size") != size:
        return "not run yet at this size, cost not measured"
    if any(
        "settings" in each and each["settings"] != _made(claim, size, each["name"])["settings"]
        for each in told["systems"]
    ):
        return f"{told['verdict']}, run with other settings than today's; cost not measured"
    spent = told["cost"]
    cost = f"{spent['trainings']} trainings, {spent['seconds'] / 60:.0f} minutes on {spent['device']}"
    return f"{told['verdict']}; {cost if spent['trainings'] else 'no training'}"


def _made(claim: Claim, size: Size, name: str) -> dict[str, Any]:
    system = claim.systems[name]
    if system.scores:
        return {"scores": system.scores}
    if system.sources():
        what = system.way or system.rule
        return {"made of": system.sources(), "by": what}
    small = [*claim.small, *system.small] if size == "small" else []
    taught = {"taught by": system.taught_by} if system.taught_by else {}
    return {"recipe": system.recipe or claim.recipe, "settings": [*claim.settings, *system.settings, *small], **taught}


def write(told: Mapping[str, Any], folder: Path) -> list[Path]:
    """Both files, each whole or not at all. A full result is not replaced by a small one: then nothing is written."""
    kept = folder / f"{told['claim']}.json"
    held = json.loads(kept.read_text(encoding="utf-8")) if kept.is_file() else {}
    if told["size"] == "small" and held.get("size") == "full":
        return []
    return _write(told, folder)


def _write(told: Mapping[str, Any], folder: Path) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    kept = folder / f"{told['claim']}.json"
    texts = {kept: json.dumps(told, indent=1, ensure_ascii=False, allow_nan=False) + "\n"}
    texts[kept.with_suffix(".md")] = markdown(told)
    for path, content in texts.items():
        write_text(path, content)
    return list(texts)


def markdown(told: Mapping[str, Any]) -> str:
    """The result for readers."""
    metric = "event F1" if told["metric"] == EVENT_F1 else wording.title(told["metric"])
    small = told["size"] == "small" and told["cost"]["trainings"] > 0
    several = any(len(each["runs"]) > 1 for each in told["systems"])  # one run alone is the figure beside it
    also = list(told["systems"][0].get("also", {}))
    systems = [
        [
            each["name"],
            _figure(each),
            *([_runs(each, "{:.3f}")] * several),
            *(_figure(each["also"][key]) for key in also),
        ]
        for each in told["systems"]
    ]
    than = "<" if least(told["metric"]) else ">"
    pairs = [
        [
            f"{each['better']} {than} {each['worse']}",
            f"{signed(each['difference'])} ({between(each['low'], each['high'])})",
            *([_runs(each, "{:+.3f}")] * several),
            _chance(each["p_holm"]),
            _chance(each["p_trainings_holm"]),
            f"**{each['verdict']}**",
        ]
        for each in told["pairs"]
    ]
    runs = ["single runs"] * several
    parts = [
        f"# {told['statement']}",
        OWN if told["paper"] == "own" else f"Paper {told['paper']}, {told['where']}. {told['there']}.",
        f"**Here: {told['verdict']}**{'; small nets, or brief trainings' * small}.",
        *([_statements(told)] if len(told["statements"]) > 1 else []),
        text.table(["system", f"{metric} (95 % interval)", *runs, *map(wording.title, also)], systems),
        text.table(
            ["claimed", "difference (95 % interval)", *runs, "p over clips", "p over trainings", "verdict"], pairs
        ),
        text.bullets(
            [f"{each['better']} {than} {each['worse']}: {each['verdict']}, as {each['why']}" for each in told["pairs"]]
        ),
        "## How these figures came about",
        text.bullets(_protocol(told)),
        "## The systems",
        text.bullets([_recipe(each) for each in [*told["systems"], *told["sources"]]]),
    ]
    return "\n\n".join(parts) + "\n"


def _statements(told: Mapping[str, Any]) -> str:
    return text.table(["statement", "here"], [[each["statement"], each["verdict"]] for each in told["statements"]])


def _chance(p: float | None) -> str:
    return "–" if p is None else chance(p)


def _figure(each: Mapping[str, Any]) -> str:
    return f"{wording.number(each['value'])} ({wording.between(each['low'], each['high'])})"


def _runs(each: Mapping[str, Any], form: str) -> str:
    return ", ".join("–" if run is None else form.format(run).replace("-", "−") for run in each["runs"])


def _protocol(told: Mapping[str, Any]) -> list[str]:
    spent = told["cost"]
    small = ""
    if told["size"] == "small" and spent["trainings"]:
        small = (
            " Nets are narrower, or trainings shorter, than the recipe's, so that a CPU can do them: a net that learns more "
            "slowly is at a disadvantage."
        )
    return [
        f"{told['clips']} test clips in {told['groups']} groups. {told['runs'][0].upper()}{told['runs'][1:]}.{small}",
        told["resampled"],
        f"Verdict: only where every net counts as trained: {RULE}. Then a difference with both p (Holm over all pairs, "
        f"two-sided) below {LEVEL} holds or, in the other direction, does not hold; otherwise it cannot be told.",
        *_courses(told),
        f"{spent['trainings']} trainings on {spent['device']}, {spent['seconds'] / 60:.0f} minutes one after another"
        f"{_worked(spent)}{_computed(spent)}."
        if spent["trainings"]
        else "No training was needed.",
        *told["remarks"],
    ]


def _worked(spent: Mapping[str, Any]) -> str:
    return f", {spent['processor seconds'] / 60:.0f} of them of the processor" if "processor seconds" in spent else ""


def _computed(spent: Mapping[str, Any]) -> str:
    return f", computed in {spent['precision']}" if "precision" in spent else ""


def _courses(told: Mapping[str, Any]) -> list[str]:
    """What was kept of how the nets learnt."""
    lines = []
    for name, each in (told.get("learnt") or {}).items():
        if "runs" not in each:
            lines.append(f"{name}: {each.get('kept') or each['why']}.")
            continue
        runs = ", ".join(f"{_signed(run['rise'])} (noise {_plain(run['noise'])})" for run in each["runs"])
        of = "" if each["full"] is None else f", of {each['full']:.3f} at recipe size"
        reached = ", ".join(f"{run['reached']:.3f}{_alike(run)}" for run in each["runs"])
        lines.append(f"{name}: validation {each['figure']} {reached}{of}; risen over the last fifth by {runs}.")
    return lines or ["How validation figures went from epoch to epoch was not kept."]


def _alike(run: Mapping[str, Any]) -> str:
    value = run.get("alike")
    return "" if value is None else f" ({value:.3f} on the clips that validated at recipe size)"


def _signed(value: float | None) -> str:
    return "–" if value is None else signed(value)


def _plain(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _recipe(each: Mapping[str, Any]) -> str:
    if "scores" in each:
        return f"{each['name']}: `{each['scores']}`, of a run that was done before"
    if "recipe" not in each:
        return f"{each['name']}: {' and '.join(each['made of'])}, {each['by']}"
    taught = f", taught by {' and '.join(each['taught by'])} of its fold and seed" if "taught by" in each else ""
    return f"{each['name']}: `{each['recipe']}` with {', '.join(f'`{s}`' for s in each['settings']) or 'nothing changed'}{taught}"


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
