"""Every writer of the library keeps the old file where a new one cannot take its place, and leaves nothing beside it."""

from __future__ import annotations

import errno
import functools
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
import soundfile
import torch
from tests.conftest import tone
from tests.report.conftest import TAGS, made, single
from tests.test_committee import made as built

from earmark import report
from earmark.cli.terminal import console, failures
from earmark.data.datasets.synth import synth_scenes
from earmark.data.manifest import Manifest
from earmark.data.manifest import files as manifests
from earmark.data.soundscapes.folder import make
from earmark.data.soundscapes.plan import ScenePlan
from earmark.evaluation.clips import measure
from earmark.evaluation.comparison import Comparison, System
from earmark.evaluation.labels import Label
from earmark.events import clips, formats
from earmark.files.journal import RESULTS, Journal
from earmark.metrics import Interval
from earmark.models.ensemble import Ensemble
from earmark.registry import EVENT_FORMATS
from earmark.report.pictures import style
from earmark.scores import Embeddings, Event, Scores
from earmark.train.folder import write_json
from earmark.train.state import State, save_state, write_log

Write = Callable[[Path, int], object]  # into a folder, the first or the second time


@functools.cache
def figures(seed: int):
    return measure(*single(seed=seed), "one", resamples=2)


def scores(folder: Path, time: int, ending: str) -> None:
    values = np.full((2, 2), time / 4, np.float32)
    Scores(values, np.array(["a", "b"]), np.zeros(2), np.ones(2), ("x", "y")).save(folder / f"s{ending}")


def embeddings(folder: Path, time: int) -> None:
    vectors = np.full((2, 3), time / 4, np.float32)
    Embeddings(vectors, np.array(["a", "b"]), np.zeros(2), np.ones(2)).save(folder / "e.parquet")


def manifest(folder: Path, time: int, ending: str) -> None:
    manifests.write(made([[TAGS[time]]]), folder / f"m{ending}")


def ensemble(folder: Path, time: int) -> None:
    Ensemble([built(time), built(time + 1)]).save(folder / "e.safetensors")


def state(folder: Path, time: int) -> None:
    net = torch.nn.Linear(2, time)
    save_state(folder / "state.safetensors", net, torch.optim.Adam(net.parameters(), 0.1), State(best_epoch=time))


def picture(folder: Path, time: int) -> None:
    drawn = style.blank(2, 2)
    drawn.add_subplot().plot([0, time])
    style.save(drawn, folder / "p.png")


def comparison(folder: Path, time: int) -> None:
    system = System("one", {"accuracy": Interval(time / 4, 0.0, 1.0)})
    report.write_comparison(Comparison((system, system), (), 8, (), {}), folder, "c")


def audit(folder: Path, time: int) -> None:
    report.write_audit([Label("c", "c.wav", "dog", "dog", "rain", time / 4, "rain scores 0.9")], folder, "a")


def journal(folder: Path, time: int) -> None:
    with Journal(folder, {}) as job:
        job.done(Path("a.wav"), f"{time}", ".txt")
        assert (folder / RESULTS / "a.wav.txt").read_text() == f"{time}"


def output(folder: Path, time: int) -> None:
    with console.output(folder / "out.txt") as file:
        file.write(f"{time}")


def sounds(folder: Path, time: int) -> Manifest:
    for path in (folder / "audio").glob("*.wav"):
        path.write_bytes(b"cut")  # so that it is made again
    return synth_scenes(folder, clips=1)


def event(folder: Path, time: int, form: formats.Format) -> None:
    formats.write({"a.wav": [Event(0.0, float(time), "dog", 0.5)]}, folder / "e", form, 4000.0)


@functools.cache
def recording() -> tuple[Path, TemporaryDirectory[str]]:
    folder = TemporaryDirectory()
    soundfile.write(path := Path(folder.name, "night.wav"), tone(200, 1, 4000), 4000)
    return path, folder


def cuttings(folder: Path, time: int) -> None:
    clips.write(recording()[0], [Event(0.2, 0.2 + time / 4, "dog", 0.9)], folder / "c", clips.Settings(margin=0.1))


def scene(folder: Path, time: int) -> None:
    make(folder, ScenePlan("", 0, time, 1000, 1000, "white", None, 0, ()), {})


WRITERS: dict[str, Write] = {
    "scores.parquet": functools.partial(scores, ending=".parquet"),
    "scores.csv": functools.partial(scores, ending=".csv"),
    "embeddings": embeddings,
    "manifest.parquet": functools.partial(manifest, ending=".parquet"),
    "manifest.csv": functools.partial(manifest, ending=".csv"),
    "manifest.tsv": functools.partial(manifest, ending=".tsv"),
    "tagger": lambda folder, time: built(time).save(folder / "t.safetensors"),
    "ensemble": ensemble,
    "state": state,
    "log": lambda folder, time: write_log(folder / "log.csv", [{"epoch": time, "loss": 0.5}]),
    "run.json": lambda folder, time: write_json(folder / "run.json", {"time": time}),
    "picture": picture,
    "report": lambda folder, time: report.write(figures(time), folder, "r"),
    "comparison": comparison,
    "audit": audit,
    "journal": journal,
    "output": output,
    "synth": sounds,
    **{f"events.{form}": functools.partial(event, form=form) for form in EVENT_FORMATS.names()},
}


def held(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def refuse(*paths: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device", *map(str, paths))


def stop(*paths: object) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize("call", ["replace", "fsync"])
@pytest.mark.parametrize("fail", [refuse, stop])
@pytest.mark.parametrize("kind", WRITERS)
def test_the_old_file_stays(
    kind: str, fail: Callable[..., None], call: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if kind == "synth" and call == "fsync":
        pytest.skip("what is made anew in a moment is not waited for")
    write = WRITERS[kind]
    write(tmp_path, 1)
    before = held(tmp_path)
    assert before
    if kind == "synth":
        before["audio/00000.wav"] = b"cut"
    with monkeypatch.context() as patch:
        patch.setattr(os, call, fail)
        with pytest.raises((OSError, KeyboardInterrupt)) as told:
            write(tmp_path, 2)
    assert held(tmp_path) == before
    assert not str(getattr(told.value, "filename", "")).endswith(".part")
    write(tmp_path, 2)
    after = held(tmp_path)
    assert after != before and after.keys() == before.keys()


@contextmanager
def no_room() -> Iterator[None]:
    """A disk that takes nothing more, as the system says it to whatever writes, of Python's or of a library's own."""
    resource = pytest.importorskip("resource", reason="no bounds of files on this system")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


MORE: dict[str, Write] = {"clip": cuttings, "scene": scene}  # what is there is left, or taken away first


@pytest.mark.parametrize("kind", WRITERS | MORE)
def test_where_there_is_no_room_the_message_names_the_file(kind: str, tmp_path: Path) -> None:
    write = (WRITERS | MORE)[kind]
    write(tmp_path, 1)  # what is imported on the way, and compiled, has been written
    again = tmp_path / "again"
    again.mkdir()
    with pytest.raises(Exception) as told, no_room():
        write(again, 2)
    message = failures.message(told.value)
    assert message is not None, told.value
    assert str(again) in message and ".part" not in message
    assert not list(again.rglob("*.part"))
