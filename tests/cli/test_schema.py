"""`earmark schema`: what the commands print has the form that its schema tells, and nothing else has."""

from __future__ import annotations

import json

import numpy as np
import pytest
import soundfile
import yaml
from tests.schemas import faults

from earmark import recipe as recipes
from earmark.cli.terminal import schemas
from earmark.data.clipset import ClipSet
from earmark.errors import UnknownName
from earmark.events import EventRules
from earmark.inference import Recording, Scored
from earmark.inference.outputs import Choice, Format, window_pieces
from earmark.models import loading
from earmark.models.ensemble import Ensemble
from earmark.models.facts import Base, EventTuning, Facts, Soup, TagTuning
from earmark.models.origin import Origin
from earmark.recipe import text

pytestmark = pytest.mark.usefixtures("sketched")

NAMES = list(schemas.SCHEMAS)


@pytest.fixture
def printed(place, run, tmp_path):
    """What the command of a schema prints, of a recording, a silent one and, where it may fail, one that is none."""
    sound, silent, broken = place / "sound.wav", tmp_path / "silent.wav", tmp_path / "broken.wav"
    soundfile.write(silent, np.zeros(16_000), 16_000)
    broken.write_bytes(b"no sound")
    tagger = ("--tagger", place / "t.safetensors")

    def of(name: str):
        told = {
            "tag": ("tag", sound, silent, *tagger, "--json"),
            "tag-lines": ("tag", sound, silent, *tagger, "--format", "jsonl"),
            "events": ("events", sound, silent, *tagger, "--threshold", "0.001", "--json"),
            "embed": ("embed", sound, broken, *tagger, "-o", tmp_path / "e.parquet", "--json"),
            "evaluate": ("evaluate", place / "t.safetensors", "--data", place / "clips.csv", "--resamples", "9", "--json"),
            "compare": (
                "compare", place / "a.parquet", place / "t.safetensors", "--data", place / "clips.csv", "--resamples", "9",
                "--permutations", "9", "--json",
            ),
            "audit": ("audit", place / "a.parquet", "--data", place / "clips.csv", "--json"),
            "show": ("show", place / "t.safetensors", "--json"),
        }[name]  # fmt: skip
        status, out, said = run(*told)
        assert status == (1 if broken in told else 0), said
        return [json.loads(line) for line in out.splitlines()] if name == "tag-lines" else [json.loads(out)]

    return of


@pytest.mark.parametrize("what", NAMES)
def test_it_is_a_schema_of_the_draft(run, what):
    _, out, _ = run("schema", what)
    told = json.loads(out)
    assert told == schemas.schema(what) and told["$schema"].endswith("2020-12/schema")
    assert faults("no", told)  # knows all its keywords, and refuses what is none


@pytest.mark.parametrize("what", [name for name in NAMES if name not in ("recipe", "store")])
def test_what_is_printed_has_its_form(printed, what):
    for value in printed(what):
        assert faults(value, schemas.schema(what)) == []


def test_a_recording_without_sound_and_events_are_among_them(printed):
    """Else the schemas would not be tried on them."""
    assert printed("tag")[0][1]["silent"] is True and printed("tag")[0][0]["tags"]
    assert printed("audit")[0] and printed("compare")[0]["pairs"]
    assert printed("events")[0][0]["events"] and printed("embed")[0]["unread"]


def spoilt(value):
    """The same with a key more, and with each key of each object taken out or of another kind."""
    if isinstance(value, list):
        for i, each in enumerate(value):
            yield from ([*value[:i], bad, *value[i + 1 :]] for bad in spoilt(each))
    elif isinstance(value, dict):
        yield value | {"more": 1}
        for key in value:
            yield {name: each for name, each in value.items() if name != key}
            yield value | {key: [{"no": set}]}


OPTIONAL = "silent"


def test_what_files_of_every_kind_tell_has_its_form(place, tmp_path, run):
    """Of shipped taggers with graphs and figures, of an ensemble, of one with rules, bases and an origin, of one with plug-ins."""
    one = loading.load(place / "t.safetensors")
    Ensemble([one, one]).save(tmp_path / "e.safetensors")
    clips = ClipSet(3, ("1",), "0" * 16)
    origin = Origin("yamnet", "y.tflite", "0" * 64, 5, "int8", "Apache-2.0", "a page", "c.csv", "0" * 64)
    facts = Facts(
        bases=(Base("0" * 12, "other.safetensors", ("net",), "esc", clips),), adopted=origin, soup=Soup(("0" * 12,), (1.0,)),
        events=EventTuning(EventRules.alike(one.vocabulary)), tags=TagTuning({"a": 0.5}), more={"by others": 1},
    )  # fmt: skip
    one.facts = facts
    one.save(tmp_path / "f.safetensors")
    told = [
        json.loads(run("show", name, "--json")[1]) for name in (*loading.shipped(), *tmp_path.glob("*.safetensors"))
    ]
    assert len(told) == len(loading.shipped()) + 2
    told.append(told[0] | {"plugins": [{"file": "n.py", "sha256": "0" * 64, "gives": [["net", "mine"]]}]})
    for each in told:
        assert faults(each, schemas.schema("show")) == []
    # and nothing else has it
    for each in told:
        assert faults(each | {"more": 1}, schemas.schema("show"))
        for key in each.keys() - {"graphs", "plugins"}:
            assert faults({name: value for name, value in each.items() if name != key}, schemas.schema("show")), key
            assert faults(each | {key: [{"no": set}]}, schemas.schema("show")), key
    graphs = told[0]["graphs"]
    assert faults(told[0] | {"graphs": [graphs[0] | {"precision": "int4"}]}, schemas.schema("show"))
    assert faults(told[0] | {"recipe": told[0]["recipe"] | {"task": "several"}}, schemas.schema("show"))


@pytest.mark.parametrize("what", ["tag", "tag-lines", "events", "embed", "audit"])
def test_nothing_else_has_its_form(printed, what):
    for value in printed(what):
        for bad in spoilt(value):
            taken = json.dumps(value, default=str).count(OPTIONAL) - json.dumps(bad, default=str).count(OPTIONAL)
            assert faults(bad, schemas.schema(what)) or taken == 1, bad


@pytest.mark.parametrize("what", ["evaluate", "compare"])
def test_figures_of_another_form_are_refused(printed, what):
    (figures,) = printed(what)
    told = schemas.schema(what)
    for bad in spoilt(figures):
        assert faults(bad, told), set(figures) ^ set(bad)
    assert faults(figures | {"metrics": {"accuracy": {"value": 1.0}}}, told)


def test_windows_of_live_sound(place):
    """As they are written line by line."""
    tagger = loading.load(place / "t.safetensors")
    heard = tagger.score(place / "sound.wav", windows=True)
    assert isinstance(heard, Scored)
    lines = window_pieces(heard.windows, Choice(tagger.vocabulary, 2), Format.jsonl)
    assert len(lines) == 2
    for line in lines:
        assert faults(json.loads(line), schemas.schema("tag-lines")) == []


def test_results_in_python_have_the_form(place):
    tagger = loading.load(place / "t.safetensors")
    found = tagger.tag([place / "sound.wav", Recording(place / "sound.wav")])
    assert faults([each.to_dict() for each in found], schemas.schema("tag")) == []


@pytest.mark.parametrize("name", recipes.shipped())
def test_every_recipe_has_the_form(name):
    told = schemas.schema("recipe")
    path = recipes.find(name)
    assert faults(text.read(path), told) == []
    assert (
        faults(yaml.safe_load(path.read_text(encoding="utf-8")), told) == []
    )  # with its fractions, as it stands there
    assert faults(recipes.load(name).as_dict(), told) == []


WRONG = {
    "sample_rate": "16 kHz", "net": {"sizes": [3]}, "windows": {"length": 1.0}, "more": 1, "task": "several",
    "train": {"epochs": 0}, "data": {"dataset": "ESC-10", "folds": 1}, "augment": "crop",
}  # fmt: skip


@pytest.mark.parametrize("key", WRONG)
def test_a_recipe_of_another_form_is_refused(key):
    told = recipes.load("esc10-samplecnn").as_dict()
    assert faults(told | {key: WRONG[key]}, schemas.schema("recipe"))


def test_the_list_names_them_and_an_unknown_one_is_told(run):
    _, out, _ = run("schema")
    assert [line.split("\t")[0] for line in out.splitlines()[1:]] == NAMES
    with pytest.raises(UnknownName, match=r"tagg: has no schema, did you mean 'tag'\? Known: tag, tag-lines, events"):
        run("schema", "tagg")
