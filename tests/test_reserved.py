"""None of these: reserved tags are learnt and never told, by any verb, in any form or in Python; and what is too quiet is nothing."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from tests.program import earmark
from tests.small import LOGMEL

import earmark as library
from earmark.data.manifest import build as clips_of
from earmark.errors import ManifestError
from earmark.evaluation.clips import measure
from earmark.evaluation.vocabulary import Vocabulary
from earmark.events import EventRules
from earmark.inference import outputs
from earmark.inference.silence import quiet
from earmark.models import loading
from earmark.models import tagger as taggers
from earmark.models.ensemble import Ensemble, joined
from earmark.models.facts import Facts
from earmark.recipe import parse
from earmark.registry import EVENT_FORMATS
from earmark.scores import Scores
from earmark.scores.reserved import RESERVED, none_of_these, told
from earmark.train.loader import Waves
from earmark.train.plausible import reserved
from earmark.windows import Stretch

RATE = 8_000
TAGS = ("background", "owl", "wind")


def tagger(task: str, towards: int, **facts) -> taggers.Tagger:
    """One that is sure of the tag `towards`, whatever it hears, and has frames."""
    plan = {
        "task": task, "sample_rate": RATE, "data": {"dataset": "folder", "test": ["1"]}, "windows": {"length": 1.0, "hop": 0.5},
        "features": LOGMEL, "net": {"name": "resnet_c_att", "widths": [4, 4], "blocks": [1, 1]}, "augment": ["crop"],
        "train": {"epochs": 1},
    }  # fmt: skip
    torch.manual_seed(0)
    made = taggers.build(parse(plan), TAGS).eval()
    with torch.no_grad():  # the last layer's bias decides alone
        heads = [
            part
            for part in made.net.modules()
            if getattr(part, "out_features", 0) == 3 or getattr(part, "out_channels", 0) == 3
        ]
        for head in heads:
            head.weight.zero_()
            head.bias.fill_(-4.0)
            head.bias[towards] = 4.0
    made.facts = Facts(**facts)
    return made


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("reserved")
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, 3 * RATE).astype(np.float32)
    (folder / "rec").mkdir()
    soundfile.write(folder / "rec" / "a.wav", noise, RATE, "FLOAT")
    soundfile.write(folder / "faint.wav", noise * 1e-3, RATE, "FLOAT")  # -66 dBFS
    for task in ("one", "many"):
        tagger(task, 0).save(folder / f"{task}.safetensors")
    tagger("many", 2, reserved=("wind",)).save(folder / "wind.safetensors")
    tagger("many", 0, reserved=()).save(folder / "all.safetensors")
    return folder


FORMS = {"tag": list(outputs.Format), "events": ["table", *EVENT_FORMATS.files()]}


@pytest.mark.parametrize(("verb", "form"), [(verb, str(form)) for verb, forms in FORMS.items() for form in forms])
@pytest.mark.parametrize("name", ["one", "many", "wind"])
@pytest.mark.parametrize("kept", [False, True])
def test_no_form_tells_of_a_reserved_tag(place, tmp_path, verb, form, name, kept):
    where = ["--job", tmp_path / "job"] if kept else ["--out", tmp_path / "out"] if form != "table" else []
    done = earmark(verb, place / "rec", "--tagger", place / f"{name}.safetensors", "--format", form, *where)
    assert done.returncode == 0, done.stderr
    files = [path for path in tmp_path.rglob("*") if path.is_file() and path.name != "journal.jsonl"]
    texts = "".join([path.read_text() for path in files] + [done.stdout])
    hidden, other = ("wind", "background") if name == "wind" else ("background", "wind")
    assert hidden not in texts and (texts or form == "audacity")  # a label track without labels is an empty file
    # the others are told by their scores: where a clip has one tag and a reserved one is the answer, none
    if verb == "tag":
        assert (other in texts) == (name != "one")
    if verb == "tag" and form == "table" and name == "one":
        assert "– none of its tags" in texts


@pytest.mark.parametrize("verb", ["tag", "events"])
def test_a_file_can_say_that_all_tags_are_told(place, verb):
    done = earmark(verb, place / "rec", "--tagger", place / "all.safetensors")
    assert "background 0.98" in done.stdout


@pytest.mark.parametrize("verb", ["tag", "events"])
def test_live_sound_is_told_without_reserved_tags(place, verb, tmp_path, monkeypatch):
    samples = np.round(32_767 * soundfile.read(place / "rec" / "a.wav")[0]).astype("<i2")
    (tmp_path / "raw").write_bytes(samples.tobytes())
    with (tmp_path / "raw").open() as stream:
        monkeypatch.setattr(sys, "stdin", stream)
        done = earmark(verb, "-", "--rate", RATE, "--tagger", place / "one.safetensors")
    assert done.returncode == 0 and "background" not in done.stdout, done.stderr
    if verb == "tag":
        assert done.stdout.count("– none of its tags") == 6  # five windows and the whole


def test_python_is_told_the_same(place):
    one, many, wind = (library.load(place / f"{name}.safetensors") for name in ("one", "many", "wind"))
    sound = place / "rec" / "a.wav"
    assert one.tag(sound, None) == [] and one.events(sound) == []
    assert [tag.label for tag in many.tag(sound, None)] == ["owl", "wind"] and many.events(sound, 0.5) == []
    # the two have one score, up to its last bit
    assert {tag.label for tag in wind.tag(sound, None)} == {"background", "owl"} and wind.events(sound) == []
    # scores are of all tags: ensembles and thresholds exchange them
    assert many.score(sound).to_dict()["scores"]["background"] == pytest.approx(0.982, abs=1e-3)
    both = Ensemble([many.alone, wind.alone])
    assert both.reserved == ("background", "wind") and [tag.label for tag in both.tag(sound, None)] == ["owl"]


def test_pictures_leave_them_out(place, tmp_path, monkeypatch):
    from earmark.report.pictures import events as eventpicture
    from earmark.report.pictures import recording as timeline

    drawn = []
    monkeypatch.setattr(timeline, "draw", lambda heard, *_, **__: drawn.append(heard.windows.tags))
    monkeypatch.setattr(eventpicture, "draw", lambda scene, *_, **__: drawn.append(scene.track.tags))
    for verb in ("tag", "events"):
        done = earmark(verb, place / "rec", "--tagger", place / "many.safetensors", "--pictures", tmp_path / verb)
        assert done.returncode == 0, done.stderr
    assert drawn == [("owl", "wind")] * 2


def test_the_page_leaves_them_out(place):
    pytest.importorskip("fastapi")
    from types import SimpleNamespace

    from earmark.serve.answers import How
    from earmark.serve.hearing import hear
    from earmark.serve.sounds import Sent

    asked = SimpleNamespace(look=lambda *_: None)
    sound = Sent(place / "rec" / "a.wav", file=place / "rec" / "a.wav", most=100.0, look=asked.look)
    heard = hear(library.load(place / "one.safetensors"), sound, How(), asked)
    assert heard.tags == [] and heard.rows.tags == ("owl", "wind") and not heard.silent
    assert heard.events(EventRules.alike(TAGS, 1e-4)) != [] and {
        e.tag for e in heard.events(EventRules.alike(TAGS, 1e-4))
    } <= {"owl", "wind"}


def test_merged_tags_of_reserved_ones_are_reserved():
    table = Vocabulary("t", {"background": "rest", "wind": "rest", "owl": "bird"})
    assert table.reserved(TAGS, ("background",)) == ()
    assert table.reserved(TAGS, ("background", "wind")) == ("rest",)
    assert Vocabulary("t", {"owl": "noise"}).reserved(TAGS, ()) == ("background", "noise")  # by their names


def test_evaluate_counts_them_and_says_what_would_be_told():
    names = ["a", "b", "c", "d"]
    clips = clips_of({"id": names, "path": names, "tags": [["owl"], ["owl"], ["background"], ["background"]]}, ".")
    values = np.array([[0.1, 0.9], [0.8, 0.2], [0.9, 0.1], [0.4, 0.6]], np.float32)
    scores = Scores(values, np.array(names), np.zeros(4), np.ones(4), ("background", "owl"))
    figures = measure(scores, clips, "one", resamples=0)
    assert figures.metrics["accuracy"].value == 0.5
    note = (
        "Learnt and never told, and judged here as any other tag: 'background'. Of 2 clips without a tag that is told 1 would be "
        "told one by their highest score, of 2 with one 1 none."
    )
    assert note in figures.notes
    assert not any("never told" in note for note in measure(scores, clips, "one", resamples=0, reserved=()).notes)


def test_the_rule_of_one_tag_a_clip():
    which = told(TAGS, RESERVED)
    assert which.tolist() == [False, True, True]
    assert none_of_these(np.float32([0.5, 0.4, 0.1]), which, "one")
    assert not none_of_these(np.float32([0.5, 0.4, 0.1]), which, "many")
    assert not none_of_these(np.float32([0.4, 0.4, 0.2]), which, "one")  # a tie is the told one's
    assert none_of_these(np.float32([1.0]), np.array([False]), "many")


@pytest.mark.parametrize(("level", "heard"), [(-49.0, 1), (-51.0, 0)])
def test_the_floor_of_a_window_is_half_of_its_range(level, heard):
    wave = np.full(RATE, 0.25, np.float32)
    wave[RATE // 2] += 2 * 10 ** (level / 20)
    assert len(quiet(Stretch(wave, np.array([0]), RATE, RATE), -50.0)) == 1 - heard


def test_the_floor_lies_below_what_was_learnt_from(place):
    assert tagger("many", 1).floor == -50
    assert tagger("many", 1, level=-12.5).floor == -50
    assert tagger("many", 1, level=-40.0).floor == -70
    loaded = library.load(place / "all.safetensors")
    heard = loaded.score(place / "faint.wav")
    assert heard.silent and not heard.values.any()
    (note,) = heard.notes
    assert (
        "its loudest sample is at -66 dBFS, and below -50 dBFS, far below what this tagger learnt from, nothing is told"
        in note
    )
    assert "--gain 46" in note and "--floor" in note
    assert not loaded.score(place / "faint.wav", floor=-70.0).silent
    with pytest.raises(
        library.EarmarkError, match=r"floor is 3 dBFS: give 0, which is full scale, or less; -inf hears any level"
    ):
        loaded.score(place / "faint.wav", floor=3)


@pytest.mark.parametrize("name", loading.shipped())
@pytest.mark.parametrize("kind", ["zeros", "white", "brown"])
def test_shipped_taggers_say_nothing_of_nothing(name, kind, tmp_path):
    rate = loading.load(name).sample_rate
    white = np.random.default_rng(1).standard_normal(5 * rate)
    wave = {"zeros": np.zeros(5 * rate), "white": white, "brown": np.cumsum(white)}[kind]
    wave = wave / max(1e-9, np.abs(wave).max()) * 10 ** (-52 / 20)
    soundfile.write(tmp_path / "a.wav", wave, rate, "FLOAT")
    record = json.loads(earmark("tag", tmp_path / "a.wav", "--tagger", name, "--format", "jsonl").stdout)
    assert record["tags"] == [] and record["silent"]
    assert json.loads(earmark("events", tmp_path / "a.wav", "--tagger", name, "--json").stdout)
    assert library.load(name).events(tmp_path / "a.wav", 0.05) == []


def plan(**data):
    return parse({
        "task": "one", "sample_rate": RATE, "data": {"dataset": "folder", **data}, "windows": {"length": 1.0, "hop": 0.5},
        "net": "convnet1d", "augment": ["crop"], "train": {"epochs": 1},
    })  # fmt: skip


def test_training_says_what_is_never_told_and_keeps_the_names():
    said = []
    assert reserved(plan(), ("background", "owl"), said.append) == ("background",)
    assert said == ["learnt and never told: background (data.reserved)"]
    assert reserved(plan(reserved=["wind"]), TAGS, said.append) == ("wind",)
    assert reserved(plan(), ("owl", "wind"), said.append) is None
    assert reserved(plan(reserved=[]), TAGS, said.append) == ()
    assert reserved(plan(), ("Background", "_noise_", "owl"), said.append) is None
    assert said[-1].startswith("Background, _noise_ is called nearly as tags are that are learnt and never told")


@pytest.mark.parametrize(
    ("names", "tags", "problem"),
    [
        (
            ["wnid"],
            TAGS,
            r"data.reserved: no clip has 'wnid', did you mean 'wind'\? The tags are background, owl, wind",
        ),
        (None, ("noise", "other"), r"all tags are reserved \(noise, other\), so that nothing would ever be told"),
    ],
)
def test_reserved_tags_that_cannot_be(names, tags, problem):
    with pytest.raises(ManifestError, match=problem):
        reserved(plan(**({} if names is None else {"reserved": names})), tags, lambda line: None)


def test_the_level_of_training_clips(tmp_path):
    peaks = [-3.0] * 99 + [-40.0] * 2  # a hundredth of 101 clips, rounded down, is one: the next is told
    for number, peak in enumerate(peaks):
        wave = np.tile(np.float32([1, -1]), 100) * 10 ** (peak / 20)
        soundfile.write(tmp_path / f"{number}.wav", wave, RATE, "FLOAT")
    soundfile.write(tmp_path / "zeros.wav", np.zeros(200), RATE)
    names = [f"{number}.wav" for number in range(len(peaks))] + ["zeros.wav"]
    waves = Waves(clips_of({"id": names, "path": names, "tags": ["owl"] * len(names)}, tmp_path), RATE)
    assert waves.level() == pytest.approx(-40.0, abs=0.1)
    only = waves.manifest.select([len(peaks)])
    assert Waves(only, RATE).level() is None


def test_recipes_of_before_are_told_as_they_were():
    assert "reserved" not in plan().as_dict()["data"]
    assert plan(reserved=["wind"]).as_dict()["data"]["reserved"] == ["wind"]


def test_facts_are_kept_in_the_file():
    facts = Facts(level=-12.5, reserved=())
    assert Facts.read(facts.as_dict()) == facts and facts.as_dict() == {"level": -12.5, "reserved": []}


def test_facts_of_several_are_those_of_all():
    one, other = Facts(level=-20.0, reserved=("wind",)), Facts(level=-35.0)
    both = joined([one, other])
    assert both.level == -35.0 and both.reserved == ("wind", *RESERVED)
    assert joined([one, Facts()]).level is None and joined([Facts(), Facts()]).reserved is None


def test_events_of_reserved_tags_are_not_judged(tmp_path):
    """A tagger that is sure of background everywhere makes no false alarm; known events of it are not missed."""
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, 3 * RATE).astype(np.float32)
    names = ["a.wav", "b.wav"]
    for name in names:
        soundfile.write(tmp_path / name, noise, RATE, "FLOAT")
    rows = {
        "id": names, "path": names, "fold": ["1", "1"], "tags": [["owl"], ["background"]],
        "events": [[("owl", 1.0, 2.0)], [("background", 0.0, 3.0)]],
    }  # fmt: skip
    told = library.evaluate(
        tagger("many", 0), clips_of(rows, tmp_path, vocabulary=TAGS), folds=["1"], seen=True, resamples=0
    )
    figures = json.dumps(told.figures.as_dict()["events"])
    assert "background" not in figures and '"owl"' in figures
    assert any(
        "events of background, which are never told, are not judged" in note for note in told.figures.notes + told.notes
    )
