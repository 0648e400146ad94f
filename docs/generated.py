"""What pages do not say by hand: tables of figures from `results/`, of names from `earmark list`, and the commands.

A line `{{ name argument … }}` of a page stands for what the function of that name in PIECES returns. MkDocs calls the
hooks at the end; the rest knows nothing of MkDocs. Raises ValueError for a line that nothing stands behind.
"""

from __future__ import annotations

import contextlib
import functools
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "results"
LINE = re.compile(r"^\{\{ (.+?) \}\}$", re.M)
NOT_RUN = "not run yet"
FIGURES = {"accuracy": "accuracy", "map": "mAP", "map@3": "MAP@3"}
SEE = "See the package's docstring, and the files in `earmark/recipes`.\n\n"  # of no use to who reads the page
# What a browser would fetch from another host; links that a reader follows are none of it
FOREIGN = re.compile(
    r"""<(?:script|img|iframe|source|link(?![^>]*rel="canonical"))[^>]*(?:src|href)="(?:https?:)?//[^"]*"""
)


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


@functools.cache
def listed(kind: str) -> list[dict[str, Any]]:
    """What `earmark list KIND --json` prints."""
    from earmark.cli.list import Kind, list_

    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        list_(Kind(kind), as_json=True)
    rows: list[dict[str, Any]] = json.loads(out.getvalue())
    return rows


def names(kind: str) -> str:
    rows = listed(kind)
    cells = [
        [f"`{row['name']}`", *(f"{v:,}" if isinstance(v, int) else v for v in list(row.values())[1:])] for row in rows
    ]
    return table([column.replace("_", " ") for column in rows[0]], cells)


def nets(paper: str) -> str:
    """The nets of a paper, with the counts of their defaults, and what was chosen where the paper is silent."""
    import inspect

    from earmark.registry import NETS

    rows = [row for row in listed("nets") if row["paper"] == paper]
    cells = [[f"`{r['name']}`", r["summary"], f"{r['parameters']:,}", f"{r['buffers']:,}"] for r in rows]
    parts = [table(["net", "what it is", "parameters", "running statistics"], cells)]
    for row in rows:
        sheet = (inspect.getdoc(NETS[row["name"]].function) or "").partition("\n")[2].strip()
        parts.append(f"**{row['name']}.** {sheet}")
    return "\n\n".join(parts)


def recipes(paper: str) -> str:
    """The recipes whose net is of a paper: what each is, what it costs, and what it reached here."""
    from earmark import recipe

    papers = {row["name"]: row["paper"] for row in listed("nets")}
    cells = []
    for name, path in recipe.shipped().items():
        plan = recipe.load(path)
        if papers[plan.net.name] == paper:
            cells.append([f"`{name}`", plan.summary, told(path, "Cost"), reached(name, path)])
    return table(["recipe", "what it is", "cost", "result here"], cells)


def told(path: Path, what: str) -> str:
    """What a recipe's opening lines say of its cost or result, without the full stop."""
    text = path.read_text(encoding="utf-8")
    found = re.search(rf"^# {what}: (.*(?:\n# (?!\w+: ).*)*)", text, re.M)
    return found[1].replace("\n# ", " ").removesuffix(".") if found else "–"


def reached(name: str, path: Path) -> str:
    """The accuracy, or else the mean average precision, with a link to the report; without one what the recipe tells."""
    file = RESULTS / name / "report.json"
    if not file.is_file():
        return told(path, "Result")
    metrics = json.loads(file.read_text(encoding="utf-8"))["metrics"]
    best = "accuracy" if "accuracy" in metrics else "map"
    return f"[{FIGURES[best]} {figure(metrics, best)}](results/{name}/report.md)"


def results(opening: str) -> str:
    """A row for each report whose folder's name begins like this, the best first."""
    return _reports([file for file in RESULTS.glob("*/report.json") if file.parent.name.startswith(opening)])


def others(opening: str) -> str:
    """A row for each report whose folder's name begins otherwise."""
    return _reports([file for file in RESULTS.glob("*/report.json") if not file.parent.name.startswith(opening)])


def _reports(files: list[Path]) -> str:
    rows = []
    for file in sorted(files):
        report = json.loads(file.read_text(encoding="utf-8"))
        metrics, name = report["metrics"], file.parent.name
        best = metrics["accuracy" if "accuracy" in metrics else "map"]["value"]
        cells = [
            f"[{name}](results/{name}/report.md)",
            str(report["clips"]),
            *(figure(metrics, key) for key in FIGURES),
        ]
        rows.append((-(best or 0), cells))
    return table(["recipe", "clips", *FIGURES.values()], [cells for _, cells in sorted(rows)])


def compared(name: str) -> str:
    """The systems of a comparison, and their differences in accuracy."""
    told_of = json.loads((RESULTS / name / "comparison.json").read_text(encoding="utf-8"))
    systems = [[s["name"], *(figure(s["metrics"], key) for key in FIGURES)] for s in told_of["systems"]]
    pairs = [
        [f"{p['a']} − {p['b']}", f"{p['difference']:+.3f} ({p['low']:+.3f} to {p['high']:+.3f})", f"{p['p_holm']:.4f}"]
        for p in told_of["pairs"]
        if p["metric"] == "accuracy"
    ]
    return table(["system", *FIGURES.values()], systems) + "\n\n" + table(["accuracy", "difference", "p (Holm)"], pairs)


def claims(paper: str) -> str:
    """A row for each claim of a paper: what it says, what came out here, the verdict, and what it cost."""
    rows = []
    for file in sorted((ROOT / "claims").glob(f"{paper}-*.yaml")):
        claim = yaml.safe_load(file.read_text(encoding="utf-8"))
        result = RESULTS / "claims" / f"{file.stem}.json"
        said = f"{claim['statement']} ({claim['where']})"
        if result.is_file():
            told = json.loads(result.read_text(encoding="utf-8"))
            said = f"[{said}](results/claims/{file.stem}.md)"
            rows.append([said, claim["there"], claimed(told), f"**{told['verdict']}**", spent(told)])
        else:
            rows.append([said, claim["there"], "–", NOT_RUN, "not measured"])
    return table(["claim", "there", "here", "verdict", "cost"], rows)


def verdicts() -> str:
    """How many claims hold, and a row for each: paper, claim, verdict."""
    counts: dict[str, int] = {}
    rows = []
    for file in sorted((ROOT / "claims").glob("*.yaml")):
        claim = yaml.safe_load(file.read_text(encoding="utf-8"))
        result = RESULTS / "claims" / f"{file.stem}.json"
        verdict, said = NOT_RUN, claim["statement"]
        if result.is_file():
            verdict = json.loads(result.read_text(encoding="utf-8"))["verdict"]
            said = f"[{said}](results/claims/{file.stem}.md)"
        counts[verdict] = counts.get(verdict, 0) + 1
        rows.append([claim["paper"], said, verdict if verdict == NOT_RUN else f"**{verdict}**"])
    told = "; ".join(f"{verdict}: {counts[verdict]}" for verdict in sorted(counts, key=lambda v: -counts[v]))
    return f"Of {len(rows)} claims: {told}.\n\n" + table(["paper", "claim", "here"], rows)


def claimed(told: dict[str, Any]) -> str:
    """The systems' figures, and the difference of each pair."""
    metric = FIGURES.get(told["metric"], "event F1" if told["metric"] == "event_f1" else told["metric"])
    systems = ", ".join(f"{system['name']} {system['value']:.3f}" for system in told["systems"])
    pairs = []
    for pair in told["pairs"]:
        between = "" if pair["low"] is None else f" ({pair['low']:+.3f} to {pair['high']:+.3f})"
        verdict = pair["verdict"].removesuffix(" at this size")
        signed = f"{pair['difference']:+.3f}{between}".replace("-", "−")
        pairs.append(f"{pair['better']} − {pair['worse']} {signed}: {verdict}")
    return f"{metric} on {told['clips']} clips: {systems}. {'; '.join(pairs)}."


def spent(told: dict[str, Any]) -> str:
    """Trainings, minutes, machine, and whether the nets were small ones."""
    cost = told["cost"]
    if not cost["trainings"]:
        return "no training"
    size = "small nets, few epochs" if told["size"] == "small" else "as the recipes say"
    return f"{cost['trainings']} trainings, {cost['seconds'] / 60:.0f} min on {cost['device']}; {size}"


def layout(name: str) -> str:
    """The smallest tree that a data set's layout accepts."""
    import sys

    from earmark.data import datasets
    from earmark.registry import DATASETS

    tree = datasets.tree(sys.modules[DATASETS[name].function.__module__].LAYOUT)
    return f"```text\n{tree}\n```"


def sheets() -> str:
    """The data sheet of every data set."""
    import inspect

    from earmark.registry import DATASETS

    return "\n\n".join(f"### {name}\n\n{inspect.getdoc(DATASETS[name].function)}" for name in DATASETS.names())


def sections() -> str:
    """The sections of a recipe: what their docstrings say, and their keys."""
    import inspect

    from earmark.recipe import schema

    told_of = [("Top level", schema.Recipe), ("data", schema.Data), ("windows", schema.WindowsPart)]
    told_of += [("resize", schema.Resize), ("train", schema.Train), ("train.optimiser", schema.Optimiser)]
    told_of += [("train.schedule", schema.Schedule), ("phases.NAME", schema.Phase)]
    parts = []
    for title, model in told_of:
        kinds = {
            name: str(kind)
            for base in reversed(model.__mro__)
            for name, kind in vars(base).get("__annotations__", {}).items()
        }
        rows = [
            [f"`{name}`", f"`{kind_of(kinds[name])}`", limits(field), default(field)]
            for name, field in model.model_fields.items()
        ]
        sheet = inspect.getdoc(model) or ""
        parts.append(f"## {title}\n\n{sheet.removeprefix(SEE)}\n\n{table(['key', 'kind', 'limits', 'default'], rows)}")
    return "\n\n".join(parts)


def kind_of(annotation: str) -> str:
    """Choices as they are written in a recipe; the rest as Python has it."""
    return re.sub(r"Literal\[(.*?)\]", lambda match: match[1].replace("'", "").replace(", ", " | "), annotation)


def limits(field: Any) -> str:
    """What pydantic checks of a number, in signs."""
    signs = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}
    return ", ".join(
        f"{sign} {getattr(limit, key):,}"
        for limit in field.metadata
        for key, sign in signs.items()
        if hasattr(limit, key)
    )


def default(field: Any) -> str:
    """The value as YAML has it; a section whose keys all have defaults is said to have its own."""
    if field.is_required():
        return "must be given"
    value = field.get_default(call_default_factory=True)
    return "its keys' own" if hasattr(value, "model_fields_set") else f"`{json.dumps(value)}`"


def commands() -> str:
    """Every command with its usage, what it does, and its arguments and options, as `earmark COMMAND --help` has them."""
    from typer.main import get_command

    from earmark.cli import app

    def told_of(name: str, command: Any) -> Iterator[str]:
        context = command.make_context(f"earmark {name}", [], resilient_parsing=True)
        usage = command.get_usage(context).removeprefix("Usage: ")
        records = [record for p in command.params if (record := p.get_help_record(context))]
        rows = [[f"`{option}`", re.sub(r"<(\w+)>", r"`<\1>`", text)] for option, text in records]
        made = table(["", "what it does"], rows) if rows else ""
        yield f"## {name}\n\n```text\n{usage}\n```\n\n{command.help}\n\n{made}"
        for verb, part in getattr(command, "commands", {}).items():
            yield from told_of(f"{name} {verb}", part)

    verbs: dict[str, Any] = get_command(app).commands  # type: ignore[attr-defined]
    return "\n\n".join(part for name, command in verbs.items() for part in told_of(name, command))


PIECES = {
    "names": names,
    "nets": nets,
    "recipes": recipes,
    "results": results,
    "others": others,
    "compared": compared,
    "claims": claims,
    "verdicts": verdicts,
    "layout": layout,
    "sheets": sheets,
    "sections": sections,
    "commands": commands,
}


def fill(markdown: str) -> str:
    """The page with its `{{ … }}` lines replaced."""

    def piece(match: re.Match[str]) -> str:
        name, *arguments = match[1].split()
        if name not in PIECES:
            raise ValueError(f"{{{{ {match[1]} }}}}: there is no {name!r}; there are {', '.join(PIECES)}")
        return PIECES[name](*arguments)  # type: ignore[operator]

    return LINE.sub(piece, markdown)


def foreign(html: str) -> list[str]:
    """What the page would make a browser fetch from another host."""
    return FOREIGN.findall(html)


# Hooks of MkDocs


def on_files(files: Any, config: Any) -> Any:
    """Reports of `results/`, with their pictures, become pages."""
    from mkdocs.structure.files import File

    for path in sorted([*RESULTS.rglob("*.md"), *RESULTS.rglob("*.png")]):
        files.append(File.generated(config, f"results/{path.relative_to(RESULTS).as_posix()}", abs_src_path=str(path)))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    folder, _, file = page.file.src_uri.removeprefix("results/").rpartition("/")
    if folder and page.file.src_uri.startswith("results/"):  # reports are titled by their file, here by their run
        return markdown.replace(f"# {file.removesuffix('.md')}\n", f"# {folder}\n", 1)
    return fill(markdown)


def on_post_page(output: str, page: Any, **_: Any) -> str:
    if found := foreign(output):
        from mkdocs.exceptions import PluginError

        raise PluginError(f"{page.file.src_uri}: would fetch from elsewhere: {found[0]}")
    return output
