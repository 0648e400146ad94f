"""What pages do not say by hand: figures (figures.py), the rooms of the source (rooms.py), names, recipes and commands.

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

import figures
from figures import FIGURES, RESULTS, figure, table, told
from rooms import rooms
from statements import statements, states

LINE = re.compile(r"^\{\{ (.+?) \}\}$", re.M)
SEE = "See the package's docstring, and the files in `earmark/recipes`.\n\n"  # of no use to who reads the page
# What a browser would fetch from another host; links that a reader follows are none of it
FOREIGN = re.compile(
    r"""<(?:script|img|iframe|source|link(?![^>]*rel="canonical"))[^>]*(?:src|href)="(?:https?:)?//[^"]*"""
)


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
    """The nets of a paper, or of `others`: counts of their defaults, and what was chosen where the paper is silent."""
    import inspect

    from earmark.registry import NETS

    rows = [row for row in listed("nets") if of(row["paper"]) == paper]
    cells = [[f"`{r['name']}`", r["summary"], f"{r['parameters']:,}", f"{r['buffers']:,}"] for r in rows]
    parts = [table(["net", "what it is", "parameters", "running statistics"], cells)]
    for row in rows:
        sheet = (inspect.getdoc(NETS[row["name"]].function) or "").partition("\n")[2].strip()
        parts.append(f"**{row['name']}.** {sheet}")
    return "\n\n".join(parts)


def of(paper: str) -> str:
    """One of the five papers, which have numbers, or `others`."""
    return paper if paper.isdigit() else "others"


def recipes(paper: str) -> str:
    """The recipes whose net is of a paper, or of `others`: what each is, what it costs, and what it reached here."""
    from earmark import recipe

    papers = {row["name"]: of(row["paper"]) for row in listed("nets")}
    cells = []
    for name, path in recipe.shipped().items():
        plan = recipe.load(path)
        if papers[plan.net.name] == paper:
            cells.append([f"`{name}`", plan.summary, told(path, "Cost"), reached(name, path)])
    return table(["recipe", "what it is", "cost", "result here"], cells)


def reached(name: str, path: Path) -> str:
    """The accuracy, or else the mean average precision, with a link to the report; without one what the recipe tells."""
    file = RESULTS / name / "report.json"
    if not file.is_file():
        return told(path, "Result")
    metrics = json.loads(file.read_text(encoding="utf-8"))["metrics"]
    best = "accuracy" if "accuracy" in metrics else "map"
    return f"[{FIGURES[best]} {figure(metrics, best)}](results/{name}/report.md)"


def formats() -> str:
    """The formats of events, and how names of their files end."""
    from earmark.registry import EVENT_FORMATS

    entries = [EVENT_FORMATS[name] for name in EVENT_FORMATS.names()]
    return table(
        ["`--format`", "ending", "what it is"], [[f"`{e.name}`", f"`{e.facts['ending']}`", e.summary] for e in entries]
    )


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

    told_of = [("Top level", schema.Recipe), ("data", schema.Data), ("windows", schema.WindowsSection)]
    told_of += [("resize", schema.ResizeTo), ("train", schema.Train), ("train.optimiser", schema.Optimiser)]
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


def alarms(tagger: str) -> str:
    """False alarms an hour that a tagger's file tells, by kind of recording."""
    from earmark.models import loading
    from earmark.models.facts import Facts
    from earmark.models.file import read_head
    from earmark.models.testfacts import number

    facts = Facts.read(read_head(loading.find(tagger)).get("facts"))
    rows = []
    for each in facts.alarms or ():
        rate = each.rate
        told = f"{number(rate.value)} ({number(rate.low)} to {number(rate.high)})"
        rows.append([each.of, f"{each.hours:.2f}", f"{each.events:,}", told])
    return table([f"`{tagger}` on recordings of", "hours", "events", "an hour"], rows)


PIECES = {
    "alarms": alarms,
    "names": names,
    "nets": nets,
    "recipes": recipes,
    "states": states,
    "statements": statements,
    "systems": figures.systems,
    "reports": figures.reports,
    "events": figures.events,
    "standings": figures.standings,
    "pairs": figures.pairs,
    "claims": figures.claims,
    "verdicts": figures.verdicts,
    "decided": figures.decided,
    "field": figures.field,
    "goals": figures.goals,
    "measured": figures.measured,
    "engines": figures.engines,
    "rooms": rooms,
    "formats": formats,
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
