"""A value of a wrong kind is told by name with its way out, by every public function that takes a path, samples, a rate, tags, …"""

from __future__ import annotations

import importlib
import inspect
import io
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

import earmark
from earmark import audio, events, inference, plugins, recipe, report
from earmark.data import datasets, manifest, splits
from earmark.engines import features
from earmark.errors import EarmarkError, kinds
from earmark.evaluation import labels, tuning
from earmark.events import EventRules, formats
from earmark.models import tagger as taggers
from earmark.models.ensemble import Ensemble
from earmark.models.graphtagger import GraphTagger
from earmark.scores import Embeddings, Scores, ensemble
from earmark.train import train
from earmark.windows import Windows

DOCS = Path(__file__).parents[1] / "docs" / "api"
# What is told of kinds that parameters have, and what is none of that kind
WRONG: list[tuple[str, Any]] = [
    (r"^str \| Path|^Path", 3), (r"^str \| Path|^Path", ["a.wav"]), (r"^(Sequence|Iterable)\[str \| Path", "a.wav"),
    (r"^int\b", "3"), (r"^float\b(?!.*(str|Literal))", "0.5"), (r"^bool\b", "no"), (r"^(Sequence|Iterable)\[str\]", "10"),
    (r"^(Mapping|dict)\[", 3), (r"^NDArray", [0.1, 0.2]), (r"^Wave\b", [0.1, 0.2]),
]  # fmt: skip
# what is not a user's call, or tells by itself
OWN = {
    "earmark.metrics.order": "arrays, a million times in a bootstrap",
    "earmark.metrics.intervals.": "the same",
    "earmark.progress": "called back",
    "earmark.errors": "what tells it",
    "earmark.inference.Recording.": "what the engine calls",
    "earmark.inference.Scored.tags": "for each recording, with the tagger's own vocabulary",
    "earmark.scores.ensemble.rules.Rule.before": "what combine calls",
    "earmark.models.anytagger.AnyTagger.": "what taggers have in common, without a body",
    "earmark.models.tagger.Tagger.score_windows": "the net tells",
    "earmark.inference.asked.Answers.": "see tests/inference/test_asked.py",
    "earmark.data.splits.Parts.": "what training calls",
    "earmark.data.datasets.": "for authors of plug-ins, but for what docs/python.md calls",
}
# beside those of docs/api: what docs/python.md calls
ALSO = (
    earmark.evaluate, earmark.compare, labels.audit, tuning.tune, report.save, inference.score, events.find, ensemble.combine,
    features.build, formats.write, formats.text, datasets.index, datasets.open_data, taggers.build, recipe.load,
    GraphTagger.save, Ensemble.save, plugins.load, report.summary, train,
)  # fmt: skip


def documented() -> Iterator[tuple[str, Callable[..., Any]]]:
    """The functions of the pages of names, and the methods of their classes."""
    for page in ("clips.md", "index.md", "scores.md"):
        text = (DOCS / page).read_text(encoding="utf-8")
        for name, rest in re.findall(r"^::: (\S+)\n((?: {4}.*\n)*)", text, re.M):
            options = (yaml.safe_load(rest) or {}).get("options", {})
            thing = found(name)
            public = [each for each in vars(thing) if not each.startswith("_")] if hasattr(thing, "__dict__") else []
            members = options.get("members", public) or []
            if callable(thing) and not inspect.isclass(thing):
                yield name, thing
            for member in members:
                inner = getattr(thing, member, None)
                home = getattr(inner, "__module__", None) or ""
                if inspect.isclass(inner) and (home == name or home.startswith(f"{name}.")):
                    yield from (
                        (f"{name}.{member}.{each}", getattr(inner, each))
                        for each, raw in vars(inner).items()
                        if not each.startswith("_")
                        and inspect.isfunction(getattr(inner, each))
                        and not isinstance(raw, property)
                    )
                elif inspect.isfunction(inner) and (home == name or home.startswith(f"{name}.")):
                    yield f"{name}.{member}", inner


def found(name: str) -> Any:
    """A module, or what is in one."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError:
        home, _, last = name.rpartition(".")
        return getattr(found(home), last)


def cases() -> list[Any]:
    told = dict(documented()) | {f"{each.__module__}.{each.__qualname__}": each for each in ALSO}
    return [
        pytest.param(function, parameter.name, wrong, id=f"{name}-{parameter.name}-{wrong!r}")
        for name, function in told.items()
        for parameter in inspect.signature(function).parameters.values()
        if parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
        and (function in ALSO or not name.startswith(tuple(OWN)))
        for kind, wrong in WRONG
        if re.search(kind, str(parameter.annotation))
    ]


CASES = cases()


@pytest.mark.parametrize(("function", "parameter", "wrong"), CASES)
def test_every_public_function_tells_a_value_of_a_wrong_kind(function, parameter, wrong):
    """Before it looks at anything else, so that nothing else need be given."""
    with pytest.raises(EarmarkError, match=rf"^{function.__name__}: {parameter}=.*\. Give "):
        function(**{parameter: wrong})


def test_the_pages_of_names_were_read():
    names = {each.id.partition("-")[0] for each in CASES}
    assert {
        "earmark.models.loading.load", "earmark.audio.load", "earmark.audio.find", "earmark.data.manifest.read",
        "earmark.data.splits.divide", "earmark.recipe.load", "earmark.windows.Windows.samples",
    } <= names, names  # fmt: skip


ROWS = {"ids": np.array(["a"]), "start": np.zeros(1), "end": np.ones(1), "tags": ("dog", "rain")}
CALLS: dict[str, Callable[[], Any]] = {
    r"load: name=3 is an int\. Give a path": lambda: earmark.load(3),
    r"load: name is None\. Give a path": lambda: earmark.load(None),
    r"load: name=b'esc10' is bytes\. Give a path: os\.fsdecode": lambda: earmark.load(b"esc10"),
    r"load: sample_rate='16000' is text\. Give a number, without quotes": lambda: audio.load("a.wav", "16000"),
    r"16000\.5 Hz is no sample rate to work at: give a whole number from 1000": lambda: audio.load("a.wav", 16_000.5),
    r"load: path=<.*> is an open file\. Give a path: what open\(\) was given": lambda: audio.load(
        io.BytesIO(b"sound"), 16_000
    ),
    r"resample: wave=\[0\.1, 0\.2\] is a list\. Give a NumPy array: numpy\.asarray": lambda: audio.resample(
        [0.1, 0.2], 8000, 16_000
    ),
    r"evaluate: folds='10' is text, of which each letter would count\. Give a list of text: folds=\['10'\]": lambda: (
        earmark.evaluate("esc10", "sounds.csv", folds="10")
    ),
    r"evaluate: folds=\[5\] holds 5, an int\. Give a list of text": lambda: earmark.evaluate(
        "esc10", "sounds.csv", folds=[5]
    ),
    r"evaluate: tagger=3 is an int": lambda: earmark.evaluate(3, "sounds.csv"),
    r"compare: systems=3 is an int": lambda: earmark.compare(3, "sounds.csv"),
    r"read: path=3 is an int\. Give a path": lambda: earmark.read_events(3),
    r"Scores: values=\[\[0\.1, 0\.2\]\] is a list\. Give a NumPy array": lambda: Scores([[0.1, 0.2]], **ROWS),
    r"Embeddings: vectors=\[\[0\.1\]\] is a list": lambda: Embeddings(
        [[0.1]], np.array(["a"]), np.zeros(1), np.ones(1)
    ),
    r"EventRules: thresholds=0\.5 is a float\. Give a Mapping": lambda: EventRules(0.5, {}),
    r"alike: threshold='0\.5' is text\. Give a number, without quotes": lambda: EventRules.alike(["dog"], "0.5"),
    r"alike: tags='dog' is text": lambda: EventRules.alike("dog"),
    r"Windows: length='1' is text": lambda: Windows("1", 1.0),
    r"Recording: start='1' is text\. Give a number, without quotes": lambda: inference.Recording("a.wav", "1", "2"),
    r"Recording: end='2' is text": lambda: inference.Recording(Path("a.wav"), 1.0, "2"),
    r"Recording: channel='1' is text": lambda: inference.Recording(Path("a.wav"), channel="1"),
    r"Recording: path=3 is an int\. Give a path": lambda: inference.Recording(3),
    r"load: path is None\. Give a path": lambda: plugins.load(None),
    r"summary: figures='x' is a str\. Give a Figures or an Evaluation": lambda: report.summary("x"),
    r"train: recipe='esc10-samplecnn' is a str\. Give a Recipe": lambda: train("esc10-samplecnn", clips(), "run"),
    r"split: fraction='0\.2' is text": lambda: splits.split(clips(), "0.2", 0),
    r"split: manifest='sounds\.csv' is a str": lambda: splits.split("sounds.csv", 0.2, 0),
    r"truth: vocabulary='dog' is text": lambda: clips().truth("dog"),
    r"score: recordings=\['a\.wav'\] holds 'a\.wav', a str\. Give a list of Recording": lambda: inference.score(
        object(), ["a.wav"]
    ),
}


def clips() -> manifest.Manifest:
    return manifest.build({"id": ["a"], "path": ["a.wav"], "tags": ["dog"]}, ".")


@pytest.mark.parametrize("told", CALLS)
def test_a_call_with_a_wrong_kind_is_told(told):
    with pytest.raises(EarmarkError, match=f"^{told}"):
        CALLS[told]()


@pytest.mark.parametrize(
    ("value", "kind", "fits"),
    [
        (np.int64(3), int, True), (3.0, int, True), (3.5, int, False), (float("nan"), int, False), (True, int, False),
        (np.float32(0.5), float, True), (3, float, True), (True, float, False), (np.bool_(True), bool, True), (1, bool, False),
        (["a"], tuple[str, ...], True), (("a", 1), tuple[str, ...], False), (np.zeros(3), list[float], True),
        ({"a": 1}, list[str], False), (iter("ab"), list[str], False), (Path("a"), Path, True), ("a", Path, True),
    ],
)  # fmt: skip
def test_what_fits(value, kind, fits):
    """Numbers of NumPy are numbers, whole ones may be floats, lists are tuples, text is a path and no list."""
    assert kinds.fits(value, kind) is fits


@pytest.mark.parametrize("kind", [float, np.float32, np.float64])
def test_a_number_that_fitted_says_nothing_of_the_next(kind):
    def ask(workers: int) -> int:
        return int(workers)

    assert kinds.checked(ask)(kind(2.0)) == 2
    with pytest.raises(EarmarkError, match="ask: workers=.* Give a whole number"):
        kinds.checked(ask)(kind(2.5))


def test_names_that_are_known_to_type_checkers_alone_are_of_no_plain_values():
    names = {"function": Callable}

    def ask(tagger: Unseen | None = None, more: Unseen[int] | None = None) -> None: ...  # noqa: F821

    assert names and kinds.checked(ask)(object()) is None
    for wrong in (3, "x", [1], {}):
        with pytest.raises(EarmarkError, match=r"ask: tagger=.* Give an Unseen"):
            kinds.checked(ask)(wrong)
