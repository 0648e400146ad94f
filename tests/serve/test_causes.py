"""What caused a tag: the net's attention, its frames, or windows that lie closer; and sounds of the tag to compare with."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
from fastapi.testclient import TestClient
from tests.serve.conftest import HERE

from earmark import audio
from earmark.data.manifest import build as manifest_of
from earmark.scores import Event
from earmark.serve import causes, lessons
from earmark.serve.app import build
from earmark.serve.settings import Settings
from earmark.serve.sounds import Sent
from earmark.serve.work import Task


def at(track, second: float) -> float:
    """What is told of a moment."""
    return float(track.values[np.searchsorted(track.edges, second, "right") - 1, 0])


def test_by_windows(esc10, clips):
    """The mean over the windows that hold a moment, each an eighth of a window after the one before."""
    path = clips[-1]
    found = causes.of(esc10, Sent(Path("x"), file=path), "dog", 1.0, 9.0, Task())
    assert found.by == "windows"
    wave = audio.load(path, esc10.sample_rate, 1.0, 8.0)
    length = round(2.0 * esc10.sample_rate)
    starts = [round(0.25 * n * esc10.sample_rate) for n in range(25)]  # up to 6 s, of 8
    scores = esc10.score_windows(np.stack([wave[first : first + length] for first in starts]))
    column = esc10.vocabulary.index("dog")
    for second in (1.1, 3.6, 5.05, 8.9):
        holding = [n for n in range(25) if 0.25 * n <= second - 1.0 < 0.25 * n + 2.0]
        assert at(found.track, second) == pytest.approx(np.mean(scores[holding, column]), abs=1e-5)
    assert (found.track.edges[0], found.track.edges[-1]) == (1.0, 9.0)


@pytest.fixture(scope="module")
def attentive():
    pytest.importorskip("torch")
    from tests.small import tagger

    return tagger("resnet_b_att", 2.0, 2.0)


def test_by_attention(attentive, clips):
    """Weights, of which 1 is that of all moments alike, times the score of the window: here by the net itself."""
    tag, column = attentive.vocabulary[0], 0
    found = causes.of(attentive, Sent(Path("x"), file=clips[0]), tag, 0.5, 2.5, Task())
    assert found.by == "attention"
    wave = audio.load(clips[0], 8000, 0.5, 2.0)
    prediction = attentive.hear(wave[None])
    (focus,) = prediction.focus
    weights = focus.weights[0].detach().numpy()[:, column]
    assert weights.sum() == pytest.approx(1.0, abs=1e-5)
    score = attentive.predicted(wave[None]).scores[0, column]
    assert found.track.values[:, 0] == pytest.approx(weights * len(weights) * score, rel=1e-4)
    spans = np.diff(found.track.edges)
    assert (found.track.edges[0], found.track.edges[-1]) == (0.5, 2.5) and (spans > 0).all()


def test_by_frames(attentive, clips):
    """Of a tagger that tells frames and no attention, as engines do."""

    class Engine:
        def __getattr__(self, name):
            if name == "grid":
                raise AttributeError(name)
            return getattr(attentive, name)

    tag = attentive.vocabulary[1]
    found = causes.of(Engine(), Sent(Path("x"), file=clips[-1]), tag, 0.5, 2.5, Task())
    assert found.by == "frames"
    wave = audio.load(clips[-1], 8000, 0.5, 2.0)
    assert found.track.values[:, 0] == pytest.approx(attentive.predicted(wave[None]).frames[0, :, 1], abs=1e-5)


@pytest.mark.parametrize("by", ["windows", "attention"])
def test_a_cause_is_of_sound_as_it_was_made_louder(request, clips, tmp_path, by):
    """A tenth of it, louder by 20 dB, is the same sound."""
    tagger = request.getfixturevalue("esc10" if by == "windows" else "attentive")
    wave, rate = soundfile.read(clips[0], dtype="float32")
    tag = tagger.vocabulary[0]
    soundfile.write(tmp_path / "a.wav", wave, rate, subtype="FLOAT")
    soundfile.write(tmp_path / "b.wav", 0.1 * wave, rate, subtype="FLOAT")
    told = [
        causes.of(tagger, Sent(Path("x"), file=tmp_path / name), tag, 0.5, 2.5, Task(), gain)
        for name, gain in (("a.wav", 0.0), ("b.wav", 20.0), ("b.wav", 0.0))
    ]
    plain, louder, quiet = (np.nan_to_num(each.track.values[:, 0]) for each in told)
    assert {each.by for each in told} == {by}
    assert louder == pytest.approx(plain, abs=1e-5) != quiet


def test_what_has_no_cause(service, clips):
    held = service.post("/v1/recordings", params={"name": "a.ogg"}, content=clips[0].read_bytes()).json()["id"]
    for question, status, told in (
        ({"tag": "dgo"}, 404, "dgo: the tagger knows no such tag, did you mean 'dog'?"),
        ({"tag": "dog", "start": 4, "end": 2}, 422, "there is nothing from 4 s to 2 s"),
        ({}, 422, "tag: Field required"),
    ):
        answer = service.get(f"/v1/recordings/{held}/cause", params=question)
        assert (answer.status_code, told in answer.json()["error"]) == (status, True), answer.text
    told = service.get(f"/v1/recordings/{held}/cause", params={"tag": "dog"}).json()
    assert told["by"] == "windows" and len(told["edges"]) == len(told["values"]) + 1


def test_examples_are_of_different_sources(tmp_path):
    """Of each tag those of one tag first, and of each group one."""
    columns = {
        "id": ["a", "b", "c", "d"], "path": [f"{name}.wav" for name in "abcd"], "start": [None, 1.0, None, None],
        "end": [None, 2.0, None, None], "tags": [["dog"], ["dog"], ["dog", "rain"], ["dog"]], "group": ["1", "1", "2", "3"],
    }  # fmt: skip
    found = lessons.by_tag(manifest_of(columns, tmp_path))
    names = [path.name for path, _, _ in found["dog"]]
    assert len(names) == 3 and names[-1] == "c.wav" and "d.wav" in names
    assert [path.name for path, _, _ in found["rain"]] == ["c.wav"]
    assert (tmp_path / "b.wav", 1.0, 2.0) in lessons.by_tag(
        manifest_of({k: v[1:2] for k, v in columns.items()}, tmp_path)
    )["dog"]


def test_examples(esc10, clips, tmp_path):
    """Clips of the tag, and what was said to be right in other recordings."""
    (tmp_path / "sounds").mkdir()
    (tmp_path / "clips.csv").write_text(f"path,tags\n{clips[0].absolute()},dog\n{clips[1].absolute()},rain\n")
    for path in clips[:2]:
        shutil.copy(path, tmp_path / "sounds")
    settings = Settings(
        recordings=tmp_path / "sounds", state=tmp_path / "state", clips=tmp_path / "clips.csv", dataset="table"
    )
    with TestClient(build(settings, {"esc10": esc10}), base_url=HERE) as client:
        store, _ = client.app.state.service.folder
        job = store.job({"rules": {}}, "esc10")
        names = [path.name for path in clips[:2]]
        for name in names:
            store.heard(job, name, 5.0, [Event(1.0, 2.0, "dog", 0.9)])
        events = client.get(f"/v1/jobs/{job}/events").json()["events"]
        first, second = (next(e for e in events if e["name"] == name) for name in names)
        ask = {"tag": "dog", "event": first["id"]}
        (only,) = client.get(f"/v1/jobs/{job}/examples", params=ask).json()["examples"]
        assert (only["source"], only["name"], only["onset"]) == ("clip", clips[0].name, 0.0)
        assert client.get(f"/v1/recordings/{only['recording']}/peaks").status_code == 200
        for event in (first, second):  # what was said of its own recording is no example of it
            moved = {"event": event["id"], "answer": "right", "offset": 2.5}
            assert client.post(f"/v1/jobs/{job}/reviews", json=moved).status_code == 201
        told = client.get(f"/v1/jobs/{job}/examples", params=ask).json()
        assert told["clips"] and [(each["source"], each["offset"]) for each in told["examples"][1:]] == [
            ("review", 2.5)
        ]
        assert told["examples"][1]["name"] == names[1]
        assert client.get(f"/v1/jobs/{job}/examples", params={"tag": "wren"}).json()["examples"] == []
