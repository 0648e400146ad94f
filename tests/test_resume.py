"""A run that goes on learns from exactly what it began with, or is refused; one that has ended stays as it is."""

from __future__ import annotations

import itertools
import json
import os
import re
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
import yaml
from tests import small
from tests.program import earmark

from earmark.data import manifest as manifests
from earmark.data import packs
from earmark.errors import EarmarkError
from earmark.evaluation.vocabulary import Vocabulary
from earmark.models import loading
from earmark.recipe import parse

training = pytest.importorskip("earmark.train")
from earmark.train import folder as run_folder  # noqa: E402 (after the skip)
from earmark.train import run  # noqa: E402 (after the skip)
from earmark.train.heads import run as heads  # noqa: E402
from earmark.train.heads import unfreezing  # noqa: E402
from earmark.train.phase import PhaseModule  # noqa: E402
from earmark.train.teaching import Teachers  # noqa: E402

pytestmark = pytest.mark.usefixtures("sketched")


def recipe(**changes):
    raw = {
        "task": "one",
        "sample_rate": 4000,
        "seed": 3,
        "data": {"dataset": "folder", "test": ["5"], "validation": ["4"]},
        "windows": {"length": 0.5, "hop": 0.25},
        "net": {"name": "convnet1d", "widths": [4, 8], "blocks": [1, 1], "momentum": 0.1},
        "augment": ["crop", {"name": "mixup", "share": 0.5}],
        "train": {"epochs": 2, "batch": 8, "precision": "float32"} | changes.pop("train", {}),
    }
    return parse(raw | changes)


PHASES = {name: {"train": {"epochs": 1}} for name in ("first", "second")}
PLANS = {"plain": recipe(), "phases": recipe(phases=PHASES)}


def stopped(plan, clips, folder, **how):
    """Train until an epoch was learnt."""
    end = PhaseModule.end_epoch

    def stop(self):
        end(self)
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PhaseModule, "end_epoch", stop)
        with pytest.raises(KeyboardInterrupt):
            training.train(plan, clips, folder, **how)


@pytest.fixture(scope="module")
def pack(clips, tmp_path_factory):
    folder = tmp_path_factory.mktemp("packs") / "p"
    packs.pack(clips, folder, shard_size=1_000_000)
    return packs.read(folder)


def turned(clips, part):
    """The same clips, those of a part the other way round."""
    folds = {"train": ["1", "2", "3"], "validation": ["4"], "test": ["5"]}[part]
    rows = np.arange(len(clips))
    of_part = np.isin(clips.folds, folds)
    rows[of_part] = rows[of_part][::-1]
    return replace(clips, table=clips.table.take(rows))


@pytest.mark.parametrize("kind", ["plain", "phases", "pack"])
def test_clips_in_another_order_are_another_run(clips, pack, tmp_path, kind):
    own, plan = (pack, PLANS["plain"]) if kind == "pack" else (clips, PLANS[kind])
    stopped(plan, own, tmp_path / "run")
    for part in ("train", "validation"):
        with pytest.raises(
            EarmarkError,
            match=f"run: was started with the same {part} clips in another order, .*Give them in the order of then, or take",
        ):
            training.train(plan, turned(own, part), tmp_path / "run", resume=True)
    whole = training.train(plan, own, tmp_path / "whole")  # clips that are only tested are drawn from by nobody
    assert training.train(plan, turned(own, "test"), tmp_path / "run", resume=True).read_bytes() == whole.read_bytes()


def test_shards_that_are_read_in_order_are_part_of_the_order(clips, pack, tmp_path):
    """The same clips in the same order, which lie elsewhere in their shards: another run only where shard after shard is read."""
    packs.pack(turned(clips, "train"), tmp_path / "p", shard_size=1_000_000)
    other = packs.read(tmp_path / "p")
    places = {name: place for place, name in enumerate(other.ids.tolist())}
    other = replace(other, table=other.table.take([places[name] for name in pack.ids.tolist()]))
    assert other.ids.tolist() == pack.ids.tolist() and other.table["path"] != pack.table["path"]
    plan = recipe(train={"buffer": 10})
    stopped(plan, pack, tmp_path / "read")
    with pytest.raises(EarmarkError, match="the same train clips in another order"):
        training.train(plan, other, tmp_path / "read", resume=True)
    stopped(recipe(), pack, tmp_path / "asked")
    training.train(recipe(), other, tmp_path / "asked", resume=True)


def a_run(plan):
    return lambda clips, folder, **how: training.train(plan, clips, folder, **how)


def a_head(clips, folder, **how):
    base = small.tagger("cnn6", 0.5, 0.25)
    plan = heads.plan(base, clips, "base", test=["5"])
    return heads.train(base, "base", plan, clips, folder, how=heads.How(**how))


ONCE = {"epochs": 1, "batch": 16, "precision": "float32"}
KINDS = {
    "plain": a_run(recipe(train=ONCE)),
    "phases": a_run(recipe(train=ONCE, phases={"first": {}, "second": {}})),
    "head": a_head,
}


def unfrozen(clips, folder, **how):
    base = small.tagger("cnn6", 0.5, 0.25)
    plan = heads.plan(base, clips, "base", test=["5"], validation=0.2)
    settings = [f"train.{name}={value}" for name, value in ONCE.items()]
    return unfreezing.train(base, "base", plan, clips, folder, how=heads.How(**how), settings=settings)


def a_student(clips, folder, **how):
    teachers = Teachers(
        [small.tagger("cnn6", 0.5, 0.25)], ["t"], Vocabulary("table", dict(zip("abc", clips.vocabulary, strict=True)))
    )
    plan = teachers.recipe(recipe(train=ONCE, phases={"first": {}, "second": {}}))
    return training.train(plan, clips, folder, teachers=teachers, **how)


class Killed(BaseException):
    pass


def killed_at(patch, write, when):
    """At this write of a file, counted from 0, the program is killed: before the file takes its place, or after it."""
    put, count = os.replace, itertools.count()

    def cut(part, path):
        due = next(count) == write
        if due and when == "before":
            shutil.copy(part, path.with_name(f".{path.name}.0123abcd.part"))  # who is killed does not clear up
            raise Killed
        put(part, path)
        if due:
            raise Killed

    patch.setattr(os, "replace", cut)


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("kind", KINDS)
def test_killed_at_any_write_it_is_begun_or_gone_on_with(clips, tmp_path, monkeypatch, kind, when):
    """The same command takes the folder, or tells that --resume does, and what comes out is what nobody killed gives."""
    train = KINDS[kind]
    whole, taken = train(clips, tmp_path / "whole").read_bytes(), []
    for write in itertools.count():
        folder = tmp_path / str(write)
        with monkeypatch.context() as patch:
            killed_at(patch, write, when)
            try:
                train(clips, folder)
            except Killed:
                pass
            else:
                break  # there are no more writes
        begun = (folder / "recipe.yaml").is_file()
        if begun:
            with pytest.raises(EarmarkError, match="holds a run already: --resume goes on with it"):
                train(clips, folder)
        made = train(clips, folder, resume=begun)
        taken.append(begun)
        assert made.read_bytes() == whole
        assert not list(folder.rglob("*.part"))
    assert len(taken) > 4 and taken == sorted(taken) and {*taken} == {False, True}  # at first there is no run yet


def test_what_is_not_of_a_start_stays_and_is_named(clips, tmp_path):
    for name, text in [
        ("split.json", '{"mine": 1}'),
        ("split.json", "[1"),
        (".split.json.old.part", ""),
        ("thesis.txt", ""),
    ]:
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        folder.mkdir()
        (folder / name).write_text(text)
        with pytest.raises(
            EarmarkError, match=f"is not empty and holds no run of earmark, but {name}: take another --out"
        ):
            KINDS["plain"](clips, folder)
        assert [file.read_text() for file in folder.iterdir()] == [text]


@pytest.mark.parametrize("told", [True, False], ids=["now", "earlier"])
@pytest.mark.parametrize("train", [*KINDS.values(), unfrozen, a_student], ids=[*KINDS, "unfrozen", "student"])
def test_tags_are_those_of_the_beginning_in_their_order(clips, tmp_path, train, told):
    """Which a table may tell beside the clips' own: an output of the net is another tag's otherwise."""
    train(clips, tmp_path / "run")
    for file in [] if told else [*(tmp_path / "run").rglob("began.json")]:
        file.unlink()
    tags = clips.vocabulary
    for others, said in (
        (tags[::-1], "the same tags in another order"),
        ((*tags, "owl"), "other tags .*'owl' is one and"),
    ):
        if others == (*tags, "owl") and train is a_student:
            continue  # whose teachers do not know it
        with pytest.raises(
            EarmarkError, match=f": was started with {said}.*Give the data that it was started with, or take"
        ):
            train(replace(clips, vocabulary=others), tmp_path / "run", resume=True)
    train(clips, tmp_path / "run", resume=True)


@pytest.fixture
def damaged(clips, tmp_path):
    """A training clip is cut off: it is read with --salvage alone."""
    own = replace(clips, root=tmp_path / "sounds")
    shutil.copytree(clips.root, own.root)
    path = own.in_folds(["2"]).paths()[0]
    path.write_bytes(path.read_bytes()[:-1000])
    return own


@pytest.mark.parametrize("begun_with", [False, True], ids=["without", "with"])
@pytest.mark.parametrize("train", [*KINDS.values(), unfrozen, a_student], ids=[*KINDS, "unfrozen", "student"])
def test_what_of_damaged_clips_is_learnt_from_is_settled_when_a_run_begins(damaged, tmp_path, train, begun_with):
    train(damaged, tmp_path / "run", salvage=begun_with)
    before = content(tmp_path)
    how = "with" if begun_with else "without"
    with pytest.raises(
        EarmarkError, match=f": was started {how} --salvage, .*: resume {how} it, or take another --out"
    ):
        train(damaged, tmp_path / "run", resume=True, salvage=not begun_with)
    train(damaged, tmp_path / "run", resume=True, salvage=begun_with)
    assert content(tmp_path) == before  # the list of clips that could not be read, too


@pytest.mark.parametrize("kind", ["plain", "phases"])
@pytest.mark.parametrize("begun_with", [False, True], ids=["without", "with"])
@pytest.mark.parametrize(
    ("forgotten", "what"),
    [("salvage", "'{clip}' could "), (None, "{then} could not be read then")],
    ids=["now", "earlier"],
)
def test_clips_that_can_be_read_are_those_of_the_beginning(damaged, tmp_path, kind, begun_with, forgotten, what):
    """However it comes that others can be; of a run of an earlier version, their number."""
    stopped(PLANS[kind], damaged, tmp_path / "run", salvage=begun_with)
    file = tmp_path / "run" / "began.json"
    told = json.loads(file.read_text())
    file.unlink()
    if forgotten:
        file.write_text(json.dumps({name: value for name, value in told.items() if name != forgotten}))
    before = content(tmp_path)
    said = what.format(clip=damaged.in_folds(["2"]).ids[0], then=int(not begun_with))
    with pytest.raises(EarmarkError, match=f"started with other train clips than can be read now: {said}.* --out"):
        training.train(PLANS[kind], damaged, tmp_path / "run", resume=True, salvage=not begun_with)
    assert content(tmp_path) == before
    training.train(PLANS[kind], damaged, tmp_path / "run", resume=True, salvage=begun_with)


def test_of_a_pack_salvage_is_settled_and_what_was_listed_stays(clips, tmp_path):
    packs.pack(clips, tmp_path / "p", shard_size=1_000_000)
    own = packs.read(tmp_path / "p")
    damage(own, 3)
    stopped(PLANS["plain"], own, tmp_path / "run")
    listed = (tmp_path / "run" / "errors.csv").read_text()
    assert own.ids[3] in listed
    with pytest.raises(EarmarkError, match="was started without --salvage"):
        training.train(PLANS["plain"], own, tmp_path / "run", resume=True, salvage=True)
    training.train(PLANS["plain"], own, tmp_path / "run", resume=True)
    training.train(PLANS["plain"], own, tmp_path / "run", resume=True)
    assert (tmp_path / "run" / "errors.csv").read_text() == listed


def damage(pack, row):
    shard, place, _ = pack.table["path"][row].as_py().split("/")
    offset, size = map(int, place.split("+"))
    with (pack.root / shard).open("r+b") as file:
        file.seek(offset)
        file.write(bytes(size))


def test_until_something_is_learnt_damaged_clips_may_be_read_otherwise(damaged, tmp_path):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PhaseModule, "learn", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            training.train(PLANS["plain"], damaged, tmp_path / "run")
    assert (tmp_path / "run" / "errors.csv").is_file()
    made = training.train(PLANS["plain"], damaged, tmp_path / "run", resume=True, salvage=True)
    assert not (tmp_path / "run" / "errors.csv").exists()
    whole = training.train(PLANS["plain"], damaged, tmp_path / "whole", salvage=True)
    assert made.read_bytes() == whole.read_bytes()


def test_a_table_that_merges_teachers_tags_is_that_of_the_beginning(clips, place, tmp_path):
    """Not its name alone; lines that are of no teacher's tags say nothing."""
    shutil.copytree(place, tmp_path, dirs_exist_ok=True)
    small.tagger("cnn6", 0.5, 0.25).save(tmp_path / "teacher.safetensors")
    words = ("distil", "teacher.safetensors", "--into", "plan.yaml", "--data", "clips.parquet", "--out", "run")
    words = (*words, "--merge", "table.csv", "--no-alone", "--resamples", "20", "--set", "train.epochs=2")
    tags = dict(zip("abc", clips.vocabulary, strict=True))

    def write(table):
        lines = ["tag,merged", *(f"{tag},{merged}" for tag, merged in table.items())]
        (tmp_path / "table.csv").write_text("\n".join(lines) + "\n")

    write(tags)
    end = PhaseModule.end_epoch
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PhaseModule, "learn", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        assert earmark(*words, cwd=tmp_path).returncode == 130
    write({"a": tags["b"], "b": tags["a"], "c": tags["c"]})  # nothing was learnt yet: it begins anew
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PhaseModule, "end_epoch", lambda self: (end(self), (_ for _ in ()).throw(KeyboardInterrupt)))
        assert earmark(*words, "--resume", cwd=tmp_path).returncode == 130
    write(tags)
    done = earmark(*words, "--resume", cwd=tmp_path)
    assert done.returncode == 2
    first = f"'a' was {tags['b']!r}, now {tags['a']!r}; 'b' was "
    assert f"run/student: was started with another table behind --merge ({first}" in done.stderr
    assert "resume with the table of then, or take another --out" in done.stderr
    write({"b": tags["a"], "a": tags["b"], "c": tags["c"], "nobody's": "none"})
    assert earmark(*words, "--resume", cwd=tmp_path).returncode == 0


def other_weights(base):
    """Another tagger of the same shape comes where a base was."""
    other = loading.load(base, engine="torch").alone
    with torch.no_grad():
        next(other.net.parameters()).add_(1)
    other.save(base)
    return other.identity()


@pytest.fixture
def base(place, tmp_path):
    return shutil.copy(place / "teacher.safetensors", tmp_path / "base.safetensors")


def loading_in(base, *names):
    load = {"load": {"net.stem": f"{base}:net.stem"}}
    return recipe(train=ONCE, phases={name: load if name in names else {} for name in ("first", "second")})


@pytest.mark.parametrize("names", [("second",), ("first", "second")])
def test_weights_of_a_phase_to_come_are_those_of_the_beginning(clips, base, tmp_path, names):
    plan, was = loading_in(base, *names), loading.load(base).identity()
    whole = training.train(plan, clips, tmp_path / "whole").read_bytes()
    stopped(plan, clips, tmp_path / "run")
    kept = base.read_bytes()
    now = other_weights(base)
    said = (
        f"run: was started with another tagger to load weights from: {base} was {was}, now {now}. Put that one back, or"
    )
    with pytest.raises(EarmarkError, match=re.escape(said)):
        training.train(plan, clips, tmp_path / "run", resume=True)
    base.write_bytes(kept)
    assert training.train(plan, clips, tmp_path / "run", resume=True).read_bytes() == whole
    other_weights(base)  # which are in the run by now
    training.train(plan, clips, tmp_path / "run", resume=True)


def test_weights_that_are_replaced_while_a_phase_before_is_learnt_are_refused(clips, base, tmp_path):
    """Without a stop; and what was loaded before may go."""

    def replaced(phase, epoch, epochs, share, row):
        if phase == "first" and share == 1:
            other_weights(base)

    with pytest.raises(EarmarkError, match=r"to load weights from: .*base\.safetensors was .*, now "):
        training.train(loading_in(base, "first", "second"), clips, tmp_path / "one", on_progress=replaced)
    training.train(loading_in(base, "first"), clips, tmp_path / "two", on_progress=replaced)


@pytest.mark.parametrize("kind", ["plain", "phases"])
def test_weights_are_those_of_the_beginning_where_an_epoch_was_kept_without_its_state(clips, base, tmp_path, kind):
    """As a kill between the two leaves it: the phase begins anew."""
    load = {"net.stem": f"{base}:net.stem"}
    plan = recipe(train=ONCE, load=load) if kind == "plain" else loading_in(base, "first")
    stopped(plan, clips, tmp_path / "run")
    (state,) = (tmp_path / "run").rglob("state.safetensors")
    state.unlink()
    other_weights(base)
    with pytest.raises(EarmarkError, match="was started with another tagger to load weights from"):
        training.train(plan, clips, tmp_path / "run", resume=True)


def test_until_something_is_learnt_weights_may_be_others(clips, base, tmp_path):
    plan = loading_in(base, "second")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PhaseModule, "learn", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            training.train(plan, clips, tmp_path / "run")
    now = other_weights(base)
    made = training.train(plan, clips, tmp_path / "run", resume=True)
    assert made.read_bytes() == training.train(plan, clips, tmp_path / "whole").read_bytes()
    assert [each.tagger for each in loading.load(made).facts.bases] == [now]


def test_a_run_that_does_not_tell_how_it_began_goes_on(clips, base, place, tmp_path):
    """As those of earlier versions."""
    plan = loading_in(base, "second")
    whole = training.train(plan, clips, tmp_path / "whole").read_bytes()
    stopped(plan, clips, tmp_path / "run")
    (tmp_path / "run" / "began.json").unlink()
    split = json.loads((tmp_path / "run" / "split.json").read_text())
    for part in split.values():
        part.pop("order", None)
    (tmp_path / "run" / "split.json").write_text(json.dumps(split))
    assert training.train(plan, clips, tmp_path / "run", resume=True).read_bytes() == whole


def content(folder):
    return {file: (file.read_bytes(), file.stat().st_mtime_ns) for file in folder.rglob("*") if file.is_file()}


@pytest.mark.parametrize("train", [*KINDS.values(), unfrozen, a_student], ids=[*KINDS, "unfrozen", "student"])
def test_a_run_that_has_ended_stays_as_it_is(clips, place, tmp_path, train):
    """What was put into its tagger since, thresholds or figures, too."""
    path = train(clips, tmp_path / "run")
    done = earmark("evaluate", path, "--data", "clips.parquet", "--record", "--resamples", "20", cwd=place)
    assert done.returncode == 0, done.stderr
    before = content(tmp_path)
    assert loading.load(path).facts.test is not None
    assert train(clips, tmp_path / "run", resume=True) == path
    assert content(tmp_path) == before


@pytest.fixture(scope="module")
def place(clips, tmp_path_factory):
    """The clips, a recipe of one epoch, and a teacher, as commands take them."""
    folder = tmp_path_factory.mktemp("commands")
    manifests.write(clips, folder / "clips.parquet")
    (folder / "plan.yaml").write_text(yaml.safe_dump(recipe(train=ONCE).as_dict()))
    shutil.copy(training.train(recipe(train=ONCE), clips, folder / "teacher"), folder / "teacher.safetensors")
    return folder


TRAIN = ("train", "plan.yaml", "--data", "clips.parquet")
# commands, and in which of their trainings they are stopped
COMMANDS = {
    "train": (TRAIN, 1),
    "folds": ((*TRAIN, "--fold", "4", "--fold", "5"), 2),
    "seeds": ((*TRAIN, "--seeds", "1,2"), 2),
    "distil": (
        ("distil", "teacher.safetensors", "--into", "plan.yaml", "--data", "clips.parquet", "--resamples", "20"),
        2,
    ),
}
MOMENTS = {
    "clips are looked at": (run_folder, "_clips"),
    "clips are read": (run, "_opened"),
    "the first epoch": (PhaseModule, "learn"),
}


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("command", COMMANDS)
def test_what_is_said_of_going_on_is_so(place, tmp_path, monkeypatch, command, moment):
    words, training_of = COMMANDS[command]
    words = (*words, "--out", tmp_path / "run")
    owner, name = MOMENTS[moment]
    real, calls = getattr(owner, name), itertools.count(1)

    def stop(*told):
        if next(calls) == training_of:
            raise KeyboardInterrupt
        return real(*told)

    with monkeypatch.context() as patch:
        patch.setattr(owner, name, stop)
        done = earmark(*words, cwd=place)
    assert done.returncode == 130
    (said,) = (line for line in done.stderr.splitlines() if "the same command" in line)
    again = earmark(*words, *(["--resume"] if "--resume" in said else []), cwd=place)
    assert again.returncode == 0, again.stderr
