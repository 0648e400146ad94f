"""The words of sentences that the service passes on: its parameters and no options of commands; and on the page, the page's controls."""

from __future__ import annotations

import ast
import inspect
import json
import re
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from fastapi.testclient import TestClient

from earmark import cli
from earmark.errors import EarmarkError
from earmark.inference.outputs import Choice
from earmark.serve import app, live
from earmark.serve.wording import over_http

SOURCE = Path(app.__file__).parent.parent
PAGE = SOURCE / "serve" / "page"
OPTION = re.compile(r"--([a-z][a-z-]*)|`earmark |with earmark [a-z]+|\b(?:salvage|gain|channel)=(?:True|\))")
OF_SERVICE = {name.replace("_", "-") for name in inspect.signature(cli.verbs("serve")["serve"]).parameters} | {"host"}
# what is said to nobody who asks the service, and why
UNASKED = {
    "audio/clocks.py": "when a recording began is told by its name there",
    "inference/channels.py": "a mix is heard there",
    "inference/live.py: --live": "no card of the service is heard",
    "inference/live.py: --rate": "no card of the service is heard",
    "inference/outputs.py: --format": "there are no submissions there",
}


def sentences(file: Path) -> Iterator[str]:
    """The texts of a module that are no docstrings and stand by themselves; what is put into one is its text, or as a number would be."""
    tree = ast.parse(file.read_text())
    docs = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    inside = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    named: dict[str, str] = {}

    def text(node: ast.AST) -> str | None:
        if isinstance(node, ast.JoinedStr):
            return "".join(text(part) or "7" for part in node.values)
        if isinstance(node, ast.FormattedValue) and isinstance(node.value, ast.Name):
            return named.get(node.value.id)
        return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None

    for line in tree.body:  # constants come before what is made of them
        if isinstance(line, ast.Assign) and isinstance(line.targets[0], ast.Name) and (told := text(line.value)):
            named[line.targets[0].id] = told
    used = {
        node.value.id
        for node in ast.walk(tree)
        if isinstance(node, ast.FormattedValue) and isinstance(node.value, ast.Name)
    }
    alone = {
        id(line.value)
        for line in tree.body
        if isinstance(line, ast.Assign) and getattr(line.targets[0], "id", "") in used
    }
    for node in ast.walk(tree):
        if not {id(node)} & (docs | inside | alone) and (told := text(node)):
            yield told


@pytest.fixture(scope="module")
def passed_on() -> list[tuple[str, str]]:
    """(where it is said, what the service makes of it) of what is said while a recording is read and heard."""
    files = [*(SOURCE / "audio").rglob("*.py"), *(SOURCE / "inference").glob("*.py"), SOURCE / "scores" / "tags.py"]
    files += [*(SOURCE / "events").glob("*.py"), SOURCE / "models" / "facts.py"]
    files += [file for file in (SOURCE / "serve").glob("*.py") if file.name != "wording.py"]
    found = []
    for file in files:
        if not OPTION.search(file.read_text()):  # most, whose reading takes most of the time
            continue
        name = str(file.relative_to(SOURCE))
        for text in sentences(file):
            said = [match[0] for match in OPTION.finditer(text)]
            if said and name not in UNASKED and not any(f"{name}: {each}" in UNASKED for each in said):
                found.append((name, over_http(text)))
    return found


@pytest.fixture(scope="module")
def application():
    return app.build(app.Settings(), {"t": SimpleNamespace(vocabulary=("dog",), reserved=(), task="many")})


def test_no_sentence_that_is_passed_on_names_an_option_of_a_command(passed_on):
    wrong = [(name, text) for name, text in passed_on for match in OPTION.finditer(text) if match[1] not in OF_SERVICE]
    assert not wrong and len(passed_on) > 15


def test_every_parameter_is_told_by_its_name(application):
    """Of all routes, of all bodies, and of the line of live sound; a word that only begins so is another."""
    spec = application.openapi()
    names = {each["name"] for of in spec["paths"].values() for method in of.values() for each in method.get("parameters", ())
             if each["in"] == "query"}  # fmt: skip
    names |= {
        name
        for kind in ("JobAsked", "Said", "TrainingAsked")
        for name in spec["components"]["schemas"][kind]["properties"]
    }
    names |= set(inspect.signature(live.live).parameters) - {"line", "here"}
    assert {"heard", "tagger", "threshold", "salvage", "retry", "job"} <= names
    for name in names - OF_SERVICE:
        told = over_http(f"--{name}: … leave --{name} out, or --{name}-more")
        assert OPTION.findall(told) == [f"{name}-more"], (name, told)


@pytest.mark.parametrize("lacking", ["", "its windows"])
def test_thresholds_that_are_not_there_are_told_of_the_parameter(lacking):
    facts = SimpleNamespace(thresholds=lambda _: None, lacking=lacking)
    with pytest.raises(EarmarkError) as error:
        Choice.asked(SimpleNamespace(vocabulary=("dog",), facts=facts), None, True)
    told = over_http(str(error.value))
    assert told.startswith("heard: this tagger") and told.lower().endswith("leave heard out for the surest tags")


@pytest.mark.parametrize("question", ["tagger=nope", "top=0", "gain=loud"])
def test_a_wrong_question_of_a_line_is_not_told_as_a_wrong_opening(question, application):
    with (
        TestClient(application, base_url="http://localhost") as client,
        client.websocket_connect(f"ws://localhost/v1/live?{question}") as line,
    ):
        told = line.receive_json()["error"]
    name, _, value = question.partition("=")
    assert told.startswith(("nope: no such tagger", f"{name}: ")) and value in told, told


WAYS = json.loads(re.search(r"export const WAYS = (\[.*?\n\]);", (PAGE / "ways.js").read_text(), re.DOTALL)[1])
NAMED = re.compile(r"\b[a-z]+=(true|-?\d)|\bask with\b|/v1/")


def on_page(text: str, page: str) -> str:
    """As `onPage` of the page."""
    for way in WAYS:
        if (instead := way.get(page, way.get("others"))) is not None:
            text = re.sub(way["says"], instead.replace("$1", r"\1"), text)
    return text


@pytest.mark.parametrize("page", ["listen", "live", "recordings", "review"])
def test_every_way_out_is_told_on_the_page_by_its_controls_or_not_at_all(page, passed_on):
    html = (PAGE / "index.html").read_text()
    (part,) = re.findall(rf'<section id="{page}".*?</section>', html, re.DOTALL)
    ways = [text for _, text in passed_on if NAMED.search(text)]
    assert len(ways) > 5
    for text in ways:
        told = on_page(text, page)
        assert not NAMED.search(told), (page, told)
        for control in re.findall("“(.*?)”", told):
            assert control in part or control in text, (page, told)
