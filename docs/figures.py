"""Tables of figures, made from `results/`, which the program writes: reports, comparisons, claims and benchmarks.

Each function that a page names returns Markdown. Links lead to `results/`, whose reports become pages too.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "results"
NOT_RUN = "not run yet"
FIGURES = {"accuracy": "accuracy", "map": "mAP", "map@3": "MAP@3"}
MORE = {"event_f1": "event F1", "log_loss": "log loss"}  # that a claim may be about
LOSS = ", best validation loss"  # what chooses the epoch where nothing is said
RULES = {"0.5": "0.5", "swept thresholds": "swept", "swept thresholds and median filters": "and medians"}


def table(columns: list[str], rows: list[list[str]]) -> str:
    """A Markdown table. Bars are escaped, but for those within code, where a backslash would be shown."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join("| " + " | ".join(cell_of(text) for text in line) + " |" for line in lines)


def cell_of(text: str) -> str:
    parts = text.replace("\n", " ").split("`")
    return "`".join(part if number % 2 else part.replace("|", "\\|") for number, part in enumerate(parts))


def figure(metrics: dict[str, Any], name: str) -> str:
    """The value and its 95 % interval; a dash where the task has no such figure or it has no value."""
    told = metrics.get(name) or {"value": None}
    if told["value"] is None:
        return "–"
    if told["low"] is None:
        return f"{told['value']:.3f}"
    return f"{told['value']:.3f} ({told['low']:.3f} to {told['high']:.3f})"


def read(path: str) -> dict[str, Any]:
    """A JSON file of `results/`."""
    content: dict[str, Any] = json.loads((RESULTS / path).read_text(encoding="utf-8"))
    return content


def chosen(report: dict[str, Any]) -> str:
    """Which epoch the tagger is of, and what chose it; of several taggers in one report, each choice once."""
    protocol = report["protocol"]
    each = [protocol["chosen"]] if "chosen" in protocol else [one["chosen"] for one in protocol["by fold"].values()]
    return "; ".join(dict.fromkeys(f"{one['epoch']} of {one['of']}, {one['by']}" for one in each))


def learnt(report: dict[str, Any]) -> str:
    """How many clips trained the tagger; a dash where the report is of several taggers."""
    split = report["protocol"].get("split")
    return str(split["train"]["clips"]) if split else "–"


def began(report: dict[str, Any]) -> str:
    """What the weights were before training: nobody's, or whose."""
    found = [
        report["protocol"][key] for key in ("began with the weights of", "adopted", "head") if key in report["protocol"]
    ]
    return "; ".join(found) or "scratch"


def looks(report: dict[str, Any]) -> str:
    """How often a report was made on these clips, this one among them; a dash where that was not counted yet."""
    return str(report["protocol"].get("looks", "–"))


def systems(opening: str) -> str:
    """A row for each shipped recipe of this opening with a report whose epoch was chosen on clips, by paper and name."""
    from earmark import recipe
    from earmark.registry import NETS

    rows = []
    for name in recipe.shipped():
        if not name.startswith(opening) or not (RESULTS / name / "report.json").is_file():
            continue
        report, net = read(f"{name}/report.json"), NETS[recipe.load(name).net.name]
        hears, _, what = net.summary.removesuffix(".").partition(": ")
        short = re.search(r"\(([^()]+)\)$", what)  # the paper's name for it
        paper = of(net.facts["paper"])
        on_validation = report["protocol"]["validation"]["accuracy"]
        cells = [
            f"[{name}](results/{name}/report.md)",
            paper,
            hears,
            short[1] if short else what,
            began(report),
            chosen(report).removesuffix(LOSS),
            looks(report),
        ]
        cells += [f"{on_validation:.3f}", *(figure(report["metrics"], key) for key in (*FIGURES, "log_loss"))]
        rows.append(((paper == "–", paper), cells))
    columns = ["recipe", "paper", "hears", "system", "from", "epoch", "looks", "accuracy, fold that chose"]
    columns += ["accuracy, fold that tests", "mAP", "MAP@3", "log loss"]
    return table(columns, [cells for _, cells in sorted(rows, key=lambda row: row[0])])


def reports(*folders: str) -> str:
    """A row for each of these folders of `results/`."""
    rows = []
    for name in folders:
        report = read(f"{name}/report.json")
        cells = [f"[{name}](results/{name}/report.md)", began(report), learnt(report), chosen(report)]
        cells += [str(report["clips"]), looks(report)]
        rows.append([*cells, *(figure(report["metrics"], key) for key in FIGURES)])
    return table(["report", "from", "clips learnt from", "epoch", "clips tested on", "looks", *FIGURES.values()], rows)


def events(*folders: str) -> str:
    """A row for each of these folders: event F1 at the first collar with each set of rules, segment F1 with the last."""
    rows = []
    for name in folders:
        report = read(f"{name}/report.json")
        told = report["events"]
        collar = told["settings"]["collars"][0]
        by_rules = {row["rules"]: row for row in told["rows"]}
        cells = [
            f"[{name}](results/{name}/report.md)",
            began(report),
            chosen(report),
            learnt(report),
            str(report["clips"]),
            looks(report),
        ]
        cells += [f"{1000 * collar:.0f} ms"]
        cells += [figure(report["metrics"], "map"), *(figure(by_rules[r], f"event_f1_{collar:g}") for r in RULES)]
        rows.append([*cells, figure(told["rows"][-1], "segment_f1")])
    columns = ["report", "from", "epoch", "clips learnt from", "recordings tested on", "looks", "collar", "mAP"]
    columns += [*RULES.values(), "segment F1"]
    return table(columns, rows)


def standings(name: str) -> str:
    """The systems of a comparison, those with a report of their own with what it says of their training; others are made of scores."""
    compared = read(f"{name}/comparison.json")
    rows = []
    for system in compared["systems"]:
        place = re.search(r"(?:=| )results/(\S+)/scores.parquet$", compared["protocol"][system["name"]])
        report = read(f"{place[1]}/report.json") if place else None
        trained = [began(report), chosen(report), looks(report)] if report else ["its members'", "–", "–"]
        rows.append([system["name"], *trained, *(figure(system["metrics"], key) for key in (*FIGURES, "log_loss"))])
    return table(["system", "from", "epoch", "looks", *FIGURES.values(), "log loss"], rows)


def pairs(name: str) -> str:
    """The differences in accuracy between the systems of a comparison."""
    rows = [
        [f"{p['a']} − {p['b']}", f"{p['difference']:+.3f} ({p['low']:+.3f} to {p['high']:+.3f})", f"{p['p_holm']:.4f}"]
        for p in read(f"{name}/comparison.json")["pairs"]
        if p["metric"] == "accuracy"
    ]
    return table(["accuracy", "difference", "p (Holm)"], rows)


def told(path: Path, what: str) -> str:
    """What a recipe's opening lines say of its cost or result, without the full stop."""
    text = path.read_text(encoding="utf-8")
    found = re.search(rf"^# {what}: (.*(?:\n# (?!\w+: ).*)*)", text, re.M)
    return found[1].replace("\n# ", " ").removesuffix(".") if found else "–"


def claims(paper: str) -> str:
    """A row for each claim of a paper, or of our `own`: what it says, what came out here, the verdict, and what it cost."""
    own = paper == "own"
    rows = []
    for file in sorted((ROOT / "claims").glob(f"{paper}-*.yaml")):
        claim = yaml.safe_load(file.read_text(encoding="utf-8"))
        result = RESULTS / "claims" / f"{file.stem}.json"
        said = claim["statement"] if own else f"{claim['statement']} ({claim['where']})"
        there = [] if own else [claim["there"]]
        if result.is_file():
            told = json.loads(result.read_text(encoding="utf-8"))
            said = f"[{said}](results/claims/{file.stem}.md)"
            rows.append([said, *there, claimed(told), judged(told), spent(told)])
        else:
            rows.append([said, *there, "–", NOT_RUN, "not measured"])
    return table(["claim", *["there"] * (not own), "here", "verdict", "cost"], rows)


def of(paper: str) -> str:
    """The paper's number; a dash for what no paper says."""
    return paper if paper.isdigit() else "–"


def judged(told: dict[str, Any]) -> str:
    """The verdict of a claim, with those of its statements where it has several."""
    several = told["statements"] if len(told["statements"]) > 1 else []
    return "<br>".join([f"**{told['verdict']}**", *(f"{each['statement']}: {each['verdict']}" for each in several)])


def verdicts() -> str:
    """How many statements hold, and a row for each: paper, claim, statement where there are several, verdict."""
    counts: dict[str, int] = {}
    rows = []
    for file in sorted((ROOT / "claims").glob("*.yaml")):
        claim = yaml.safe_load(file.read_text(encoding="utf-8"))
        result = RESULTS / "claims" / f"{file.stem}.json"
        said, told = claim["statement"], [{"verdict": NOT_RUN, "statement": ""}]
        if result.is_file():
            told = json.loads(result.read_text(encoding="utf-8"))["statements"]
            said = f"[{said}](results/claims/{file.stem}.md)"
        for each in told:
            verdict, part = each["verdict"], each["statement"] if len(told) > 1 else ""
            counts[verdict] = counts.get(verdict, 0) + 1
            rows.append([of(claim["paper"]), said, part, verdict if verdict == NOT_RUN else f"**{verdict}**"])
    told_counts = "; ".join(f"{verdict}: {counts[verdict]}" for verdict in sorted(counts, key=lambda v: -counts[v]))
    files = len(list((ROOT / "claims").glob("*.yaml")))
    head = f"Of {len(rows)} statements of {files} claims: {told_counts}."
    return f"{head}\n\n" + table(["paper", "claim", "statement", "here"], rows)


def field(name: str) -> str:
    """What was told and found in recordings of which it is known what is heard: see `docs/field.py`."""
    rows = json.loads((RESULTS / "field" / f"{name}.json").read_text(encoding="utf-8"))["rows"]
    columns = list(rows[0])
    return table(columns, [["–" if row[each] is None else str(row[each]) for each in columns] for row in rows])


def claimed(told: dict[str, Any]) -> str:
    """The systems' figures, and the difference of each pair."""
    metric = (FIGURES | MORE).get(told["metric"], told["metric"])
    systems = ", ".join(f"{system['name']} {system['value']:.3f}" for system in told["systems"])
    pairs = []
    for pair in told["pairs"]:
        between = "" if pair["low"] is None else f" ({pair['low']:+.3f} to {pair['high']:+.3f})"
        verdict = pair["verdict"].removesuffix(" at this size").replace(" here at any size", "")
        signed = f"{pair['difference']:+.3f}{between}".replace("-", "−")
        pairs.append(f"{pair['better']} − {pair['worse']} {signed}: {verdict}")
    return f"{metric} on {told['clips']} clips: {systems}. {'; '.join(pairs)}."


def spent(told: dict[str, Any]) -> str:
    """Trainings, minutes, machine, and whether the nets were small ones."""
    cost = told["cost"]
    if not cost["trainings"]:
        return "no training"
    size = "small nets or few epochs" if told["size"] == "small" else "as the recipes say"
    return f"{cost['trainings']} trainings, {cost['seconds'] / 60:.0f} min on {cost['device']}; {size}"


def decided() -> str:
    """A row for each statement of a claim that holds or does not hold, and how many read otherwise."""
    rows, counts = [], {}
    for file in sorted((RESULTS / "claims").glob("*.json")):
        one = read(f"claims/{file.name}")
        for each in one["statements"]:
            verdict = each["verdict"]
            if verdict in ("holds", "does not hold"):
                rows.append([of(one["paper"]), f"[{each['statement']}](results/claims/{one['claim']}.md)", verdict])
            else:
                counts[verdict] = counts.get(verdict, 0) + 1
    rest = "; ".join(f"{verdict}: {counts[verdict]}" for verdict in sorted(counts, key=lambda v: -counts[v]))
    told = table(["paper", "statement", "here"], rows) if rows else "None holds, and none does not."
    return f"{told}\n\nOf {len(rows) + sum(counts.values())} statements, {len(rows)} are decided. {rest}."


def goals() -> str:
    """What `make bench` measures against a goal: the figure, the goal, whether it is met."""
    rows = []
    for part in read("bench.json")["parts"].values():
        for goal in part["goals"]:
            least = "at_least" in goal
            limit = goal["at_least"] if least else goal["at_most"]
            met = goal["value"] >= limit if least else goal["value"] <= limit
            sign = "≥" if least else "≤"
            rows.append([goal["what"], f"{goal['value']:.2f}", f"{sign} {limit:g}", "met" if met else "**missed**"])
    return table(["what", "here", "goal", ""], rows)


def measured(part: str) -> str:
    """What `make bench` wrote of one part: the machine, tables, notes."""
    text = (RESULTS / "bench.md").read_text(encoding="utf-8")
    found = re.search(rf"^## {re.escape(part)}\n\n(.*?)(?=^## |\Z)", text, re.S | re.M)
    if found is None:
        raise ValueError(
            f"{part!r}: no such part of results/bench.md; there are {', '.join(read('bench.json')['parts'])}"
        )
    return found[1].strip()


def engines() -> str:
    """The same of the engines, once they were measured."""
    return measured("engines") if "engines" in read("bench.json")["parts"] else "Not measured yet, one by one."
