"""From clips and a tagger to a tagger of one's own, as users do it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from tests import small
from tests.program import earmark

from earmark.data import manifest as manifests
from earmark.data import splits
from earmark.errors import EarmarkError, ManifestError, RecipeError, TaggerError
from earmark.evaluation.evaluation import evaluate
from earmark.evaluation.scoring import score_clips
from earmark.models import loading
from earmark.models.ensemble import Ensemble
from earmark.models.facts import DataSet, Facts, Split
from earmark.models.origin import Origin

training = pytest.importorskip("earmark.train")
from earmark.train.heads import background, choosing, curve, lesson, run, store, within  # noqa: E402 (after the skip)

RATE = 8000
TONES = {"low": 300, "middle": 900, "high": 2500}
ORIGIN = Origin("a layout", "a.tflite", "ab" * 32, 9, "int8 made float", "CC0-1.0", "made up", "labels.csv", "cd" * 32)


def sound(tone, seed, seconds=3.0, called=1.0):
    """A call of a tone in soft noise, then digital silence."""
    chance = np.random.default_rng(seed)
    wave = np.zeros(round(seconds * RATE), np.float32)
    count = round(called * RATE)
    wave[:count] = 0.3 * np.sin(2 * np.pi * tone * (1 + 0.03 * chance.normal()) * np.arange(count) / RATE)
    wave[:count] += 0.02 * chance.normal(size=count)
    return wave


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    """Five folds of two clips of each tone."""
    folder = tmp_path_factory.mktemp("clips")
    names, tags, folds = [], [], []
    for number in range(10):
        for tag, tone in TONES.items():
            names.append(f"{tag}-{number}.wav")
            soundfile.write(folder / names[-1], sound(tone, 100 * number + tone), RATE)
            tags.append(tag)
            folds.append(str(number % 5 + 1))
    made = manifests.build({"id": names, "path": names, "tags": tags, "fold": folds}, folder)
    manifests.write(made, folder / "own.csv")
    return manifests.read(folder / "own.csv")


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    tagger = small.tagger("resnet_b_att", 0.5, 0.25)
    tagger.facts = Facts(adopted=ORIGIN)
    tagger.save(tmp_path_factory.mktemp("base") / "base.safetensors")
    return tmp_path_factory.getbasetemp() / "base0/base.safetensors"


def trained(base, clips, folder, asked=None, fold=None, say=lambda line: None, **told):
    tagger = base if not isinstance(base, str | Path) else run.load_base(str(base))
    plan = run.plan(tagger, clips, "base", unlabelled=bool(asked and asked.background), **told)
    plan = training.rotations(plan, clips)[fold] if fold else plan
    return run.train(tagger, "base", plan, clips, folder, asked, progress=Said(say))


class Said:
    def __init__(self, say):
        self.say, self.work = say, []

    def begin(self, what, total):
        self.work.append((what, total))

    def advance(self):
        pass

    def end(self):
        pass


@pytest.mark.parametrize("setting", ["data.options.fold=fold", "data.options={fold: fold}", "data.dataset=esc"])
def test_what_would_have_no_part_in_the_clips_of_a_head_is_refused(base, clips, setting):
    """They are read before its recipe is made."""
    with pytest.raises(RecipeError, match=r"have no part in them: index them with these options|no such argument"):
        run.plan(loading.load(base), clips, "own", settings=[setting])
    assert (
        run.plan(loading.load(base), clips, "own", settings=["data.options={}", "data.dataset=table"]).data.dataset
        == "table"
    )


def test_a_tagger_of_ones_own(base, clips, tmp_path):
    path = trained(base, clips, tmp_path / "run", fold="5")
    tagger = loading.load(path)
    assert tagger.vocabulary == ("high", "low", "middle") and tagger.task == "one"
    facts = tagger.facts
    assert facts.split.train.clips == 24 and facts.split.test.folds == ("5",)
    assert facts.bases[0].origin == ORIGIN and facts.bases[0].tagger == loading.load(base).identity()
    assert facts.head.folds == 5 and len(facts.head.tried) == 20 and "inner folds" in facts.head.by
    found = evaluate(path, clips, dataset="table")
    assert found.metrics["accuracy"].value > 0.6  # a net by chance, tones far apart
    # the file is whole: what it tells is read again as it was
    assert Facts.read(json.loads(json.dumps(facts.as_dict()))) == facts


def test_what_the_curve_scores_is_what_the_tagger_scores(base, clips, tmp_path):
    path = trained(base, clips, tmp_path / "run", fold="5")
    tagger, net = loading.load(path), run.load_base(str(base))
    test = clips.in_folds(["5"])
    held = store.Store(tmp_path / "run/embeddings", net)
    todo = run.recordings(test)
    heard, failures, _ = held.of(store.keyed(todo, store.digests([each.path for each in todo])))
    assert not failures
    train = clips.in_folds(["1", "2", "3", "4"])
    todo = run.recordings(train)
    learnt, _, _ = held.of(store.keyed(todo, store.digests([each.path for each in todo])))
    made = run.learn(learnt, train, clips.vocabulary, "one", run.Asked())
    np.testing.assert_allclose(curve.answers(made, heard, "one"), score_clips(tagger, test).scores.values, atol=1e-4)


def test_embeddings_are_computed_once(base, clips, tmp_path):
    asked = run.Asked(embeddings=tmp_path / "store")
    trained(base, clips, tmp_path / "one", asked)
    files = {path: path.stat().st_mtime_ns for path in (tmp_path / "store").rglob("*.parquet")}
    assert files
    said = Said(lambda line: None)
    tagger = run.load_base(str(base))
    plan = run.plan(tagger, clips, "base")
    other = run.train(tagger, "base", plan, clips, tmp_path / "two", asked, progress=said)
    assert not said.work  # nothing was embedded
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "store").rglob("*.parquet")} == files
    assert other.read_bytes() == (tmp_path / "one/tagger.safetensors").read_bytes()


def test_a_run_that_was_killed_goes_on(base, clips, tmp_path, monkeypatch):
    monkeypatch.setattr(store, "PART", 8)
    real, calls = store.Store._write, []

    def killed(self, parts):
        real(self, parts)
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(store.Store, "_write", killed)
    with pytest.raises(KeyboardInterrupt):
        trained(base, clips, tmp_path / "run")
    monkeypatch.setattr(store.Store, "_write", real)
    tagger = run.load_base(str(base))
    with pytest.raises(EarmarkError, match="holds a run already: --resume"):
        trained(base, clips, tmp_path / "run")
    said = Said(lambda line: None)
    path = run.train(
        tagger,
        "base",
        run.plan(tagger, clips, "base"),
        clips,
        tmp_path / "run",
        how=run.How(resume=True),
        progress=said,
    )
    assert said.work == [(f"embedding with {tagger.engine}", 14)]  # 30 less two parts of 8
    assert path.read_bytes() == trained(base, clips, tmp_path / "other").read_bytes()


def test_a_resumed_run_must_ask_the_same(base, clips, tmp_path):
    trained(base, clips, tmp_path / "run")
    tagger = run.load_base(str(base))
    with pytest.raises(EarmarkError, match=r"started with another --head \(none, now prototypes\)"):
        run.train(
            tagger,
            "base",
            run.plan(tagger, clips, "base"),
            clips,
            tmp_path / "run",
            run.Asked("prototypes"),
            run.How(resume=True),
        )


def test_a_base_that_learnt_from_the_test_clips_is_refused(clips, tmp_path):
    tagger = small.tagger("resnet_b_att", 0.5, 0.25)
    tagger.facts = Facts(DataSet("table"), Split.of(splits.divide(clips, ["1"], [])))  # from folds 2 to 5
    with pytest.raises(ManifestError, match=r"base learnt from 6 of the 6 test clips, such as 'low-4.wav'"):
        trained(tagger, clips, tmp_path / "run", fold="5")
    trained(tagger, clips, tmp_path / "other", fold="1")


def test_a_base_that_learnt_from_them_under_another_name_is_refused(clips, tmp_path):
    """In another table the folds are others, and the paths longer; the clips are the same."""
    tagger = small.tagger("resnet_b_att", 0.5, 0.25)
    tagger.facts = Facts(DataSet("folder"), Split.of(splits.divide(clips, ["1"], [])))
    paths = [f"{clips.root.name}/{name}" for name in clips.ids.tolist()]
    other = manifests.build(
        {
            "id": paths,
            "path": paths,
            "tags": clips.table["tags"],
            "fold": ["b" if f == "1" else "a" for f in clips.folds],
        },
        clips.root.parent,
    )
    with pytest.raises(ManifestError, match=r"base learnt from 24 of the 24 test clips"):
        trained(tagger, other, tmp_path / "run", fold="a")
    trained(tagger, other, tmp_path / "fine", fold="b")


def renamed(clips, folder, fold_of):
    """The same sounds under names that tell nothing, in another table."""
    folder.mkdir()
    names = [f"{hashlib.sha256(name.encode()).hexdigest()[:10]}.wav" for name in clips.ids.tolist()]
    for name, path in zip(names, clips.paths(), strict=True):
        (folder / name).write_bytes(path.read_bytes())
    columns = {"id": names, "path": names, "tags": clips.table["tags"], "fold": [fold_of(f) for f in clips.folds]}
    return manifests.build(columns, folder)


def test_a_base_that_heard_the_test_clips_under_other_names_is_refused(base, clips, tmp_path):
    """What it learnt from it knows by its sound; sounds that it did not learn from are none of its business."""
    first = trained(base, clips, tmp_path / "first", run.Asked("prototypes"), fold="1")  # learns from folds 2 to 5
    other = renamed(clips, tmp_path / "renamed", lambda fold: "b" if fold == "1" else "a")
    with pytest.raises(ManifestError, match=r"base learnt from 24 of the 24 test clips, such as '[0-9a-f]{10}\.wav'"):
        trained(str(first), other, tmp_path / "run", run.Asked("prototypes"), fold="a")
    second = trained(str(first), other, tmp_path / "fine", run.Asked("prototypes"), fold="b")
    told = loading.load(second).facts.bases[0]
    assert told.train.sounds == loading.load(first).facts.split.train.sounds != ""
    third = small.tagger("resnet_b_att", 0.5, 0.25)
    third.facts = Facts(bases=loading.load(second).facts.bases)  # through the base of a base
    with pytest.raises(ManifestError, match="base learnt from 6 of the 6 test clips"):
        trained(third, renamed(clips, tmp_path / "again", lambda fold: fold), tmp_path / "x", run.Asked(), fold="2")


def test_silence_teaches_nothing(base, clips, tmp_path):
    wave = np.zeros(3 * RATE, np.float32)
    soundfile.write(tmp_path / "silent.wav", wave, RATE)
    names = [*[str(path) for path in clips.paths()[:6]], "silent.wav"]
    tags = [*[each[0] for each in clips.table["tags"].to_pylist()[:6]], "low"]
    lines = []
    own = manifests.build({"id": names, "path": names, "tags": tags}, tmp_path)
    path = trained(base, own, tmp_path / "run", say=lines.append)
    assert any("1 training clip is silent and teaches nothing, such as 'silent.wav'" in line for line in lines)
    # of the calls' windows, 0.5 s every 0.25 s, those behind the second of sound are silent
    assert loading.load(path).facts.head.windows == 6 * 4
    only = manifests.build({"id": ["a", "b"], "path": ["silent.wav"] * 2, "tags": ["low", "high"]}, tmp_path)
    with pytest.raises(ManifestError, match="all 2 training clips are silent"):
        trained(base, only, tmp_path / "none")


def test_one_clip_a_tag_is_enough(base, clips, tmp_path):
    path = trained(base, clips.select(np.arange(3)), tmp_path / "run")
    head = loading.load(path).facts.head
    assert head.setting["kind"] == "prototypes" and "too few clips to hold any out" not in head.setting


def test_background_is_an_example_of_no_tag(base, clips, tmp_path):
    chance = np.random.default_rng(5)
    (tmp_path / "disk").mkdir()
    for number in range(2):
        soundfile.write(tmp_path / f"disk/{number}.wav", 0.1 * chance.normal(size=20 * RATE), RATE)
    asked = run.Asked(background=background.Asked([tmp_path / "disk"], 0.2, 30), within=within.Asked(0))
    lines = []
    path = trained(base, clips, tmp_path / "run", asked, say=lines.append)
    tagger = loading.load(path)
    assert tagger.task == "many"
    assert tagger.facts.head.background == {"recordings": 2, "windows": 60, "weight": 0.2, "of each": 30, "seed": 0}
    assert any("60 windows of 2 recordings" in line for line in lines)
    without = loading.load(trained(base, clips, tmp_path / "without", task="many"))
    noise = (0.1 * np.random.default_rng(6).normal(size=(40, RATE // 2))).astype(np.float32)
    assert tagger.score_windows(noise).max(1).mean() < 0.5 * without.score_windows(noise).max(1).mean()


def test_background_leaves_the_clips_out(base, clips, tmp_path):
    """A recording that is a clip as a whole gives none; of one that holds a clip, what does not overlap it."""
    net = run.load_base(str(base))
    held = store.Store(tmp_path / "store", net)
    with pytest.raises(EarmarkError, match="no window could be drawn"):
        background.draw(background.Asked([clips.paths()[0]]), clips, held)
    wave = 0.1 * np.random.default_rng(0).normal(size=20 * RATE)
    soundfile.write(tmp_path / "long.wav", wave, RATE)
    part = manifests.build({"id": ["a"], "path": ["long.wav"], "tags": ["x"], "start": [0.0], "end": [15.0]}, tmp_path)
    background.draw(background.Asked([tmp_path / "long.wav"], windows=60), part, held)
    kept = [each for each in held._read() if "@" in each]
    assert kept and all(float(each.partition("@")[2].partition("-")[0]) >= 15 for each in kept)


@pytest.mark.parametrize(
    ("told", "said"), [({"weight": 0.0}, "--weak-weight 0: give above 0"), ({"windows": 0}, "--weak-windows 0")]
)
def test_background_of_nothing_is_refused(told, said):
    with pytest.raises(EarmarkError, match=said):
        background.Asked([Path("x")], **told)


def test_several_that_answer_together_have_no_embedding(base, clips, tmp_path):
    net = loading.load(base)
    with pytest.raises(TaggerError, match="has no net of its own|has no embedding"):
        trained(Ensemble([net, net]), clips, tmp_path / "run")


def test_clips_of_several_tags(base, clips, tmp_path):
    tags = [each if number % 3 else [*each, "loud"] for number, each in enumerate(clips.table["tags"].to_pylist())]
    own = manifests.build({"id": clips.ids.tolist(), "path": clips.ids.tolist(), "tags": tags}, clips.root)
    tagger = loading.load(trained(base, own, tmp_path / "run"))
    assert tagger.task == "many" and "loud" in tagger.vocabulary
    with pytest.raises(ManifestError, match="do not have exactly one tag"):
        trained(base, own, tmp_path / "other", task="one")


def test_which_heads_are_tried():
    truth = np.repeat(np.eye(3, dtype=bool), 3, 0)
    assert choosing.kinds_for(truth, None) == ("prototypes",)
    assert choosing.kinds_for(np.repeat(truth, 2, 0), None) == ("logistic",)
    assert choosing.kinds_for(np.repeat(truth, 7, 0), None) == ("logistic", "hidden")
    assert choosing.kinds_for(truth, "hidden") == ("hidden",)
    with pytest.raises(EarmarkError, match="head 'forest' is not known"):
        choosing.kinds_for(truth, "forest")


def test_each_clip_counts_alike():
    heard = [store.Heard(np.ones((n, 2), np.float32), np.ones(n, np.float32)) for n in (1, 3)]
    told = lesson.of_clips(heard, np.eye(2, dtype=bool))
    assert told.weights.tolist() == pytest.approx([2, 2 / 3, 2 / 3, 2 / 3])  # two windows is the mean


def test_a_larger_draw_holds_the_smaller(clips):
    small_, large = (curve.drawn(clips, size, clips.vocabulary, [0, 1, 2]) for size in (2, 4))
    assert set(small_.ids.tolist()) < set(large.ids.tolist())
    assert small_.truth().sum(0).tolist() == [2, 2, 2] and large.truth().sum(0).tolist() == [4, 4, 4]


def test_the_curve_by_command(base, clips, tmp_path):
    told = earmark(
        "curve", str(clips.root / "own.csv"), "--from", str(base), "--out", str(tmp_path / "out"), "--clips", "1,4,all",
        "--draws", "2", "--resamples", "50",
    )  # fmt: skip
    assert told.returncode == 0, told.stderr
    found = json.loads((tmp_path / "out/curve.json").read_text())["curves"][0]
    assert [each["clips"] for each in found["points"]] == [1, 4, None]
    assert [len(each["draws"]) for each in found["points"]] == [2, 2, 1]
    assert found["tested clips"] == 30 and found["metric"] == "accuracy" and "CC0-1.0" in found["adopted"]
    assert all(each["low"] <= each["value"] <= each["high"] for each in found["points"])
    assert (tmp_path / "out/curve.png").stat().st_size > 5000
    assert "| all |" in (tmp_path / "out/curve.md").read_text()
    told = earmark(
        "curve", str(clips.root / "own.csv"), "--from", str(base), "--out", str(tmp_path / "out"), "--clips", "100,all",
        "--draws", "1", "--resamples", "0",
    )  # fmt: skip
    assert told.returncode == 0, told.stderr
    assert "nan" not in told.stdout and "–" in told.stdout
    assert "100 clips a tag: 3 of the 3 tags have fewer training clips" in told.stderr


@pytest.mark.parametrize("more", [[], ["--unfreeze", "--set", "train.epochs=1"]], ids=["head", "unfrozen"])
def test_folds_of_one_run_are_asked_the_same(base, clips, tmp_path, more):
    """Whether the other was trained before or is gone on with: they answer side by side."""
    words = ["train", str(clips.root / "own.csv"), "--from", str(base), "--out", str(tmp_path / "run"), *more]
    told = earmark(*words, "--fold", "1", "--head", "prototypes")
    assert told.returncode == 0, told.stderr
    for again in (["--fold", "2"], ["--fold", "all", "--resume"]):
        told = earmark(*words, *again, "--head", "logistic")
        assert told.returncode == 2 and "was started with another --head (prototypes, now logistic)" in told.stderr, (
            told.stderr
        )
        assert sorted(run.name for run in (tmp_path / "run").glob("fold-*")) == ["fold-1"]
    assert earmark(*words, "--fold", "2", "--head", "prototypes").returncode == 0


def test_by_command_over_all_folds(base, clips, tmp_path):
    out = tmp_path / "run"
    told = earmark("train", str(clips.root / "own.csv"), "--from", str(base), "--out", str(out), "--fold", "all")
    assert told.returncode == 0, told.stderr
    assert len(list(out.glob("fold-*/tagger.safetensors"))) == 5
    shown = earmark("show", str(out / "fold-1/tagger.safetensors")).stdout
    assert "began with  weights of" in shown and "CC0-1.0" in shown and "head  " in shown and "inner folds" in shown
    judged = earmark("evaluate", str(out), "--data", str(clips.root / "own.csv"), "--resamples", "20")
    assert judged.returncode == 0, judged.stderr
    report = json.loads((out / "evaluation/report.json").read_text())
    assert "CC0-1.0" in json.dumps(report["protocol"])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["own.csv", "--data", "own.csv", "--from", "BASE"], "there is no recipe, only clips: give them once"),
        (["--from", "BASE"], "give the clips"),
        (
            ["own.csv", "--data", "own.csv", "--recordings", "own.csv"],
            "--recordings is for a head on a tagger: name that with --from",
        ),
        (["--data", "own.csv"], "give a recipe"),
        (["own.csv", "--from", "BASE", "--fold", "9"], "--fold 9: the folds that take turns are 1, 2, 3, 4, 5"),
        (["own.csv", "--from", "nothing"], "nothing: no such file, and no shipped tagger of that name"),
    ],
)
def test_slips_are_told(words, said, base, clips, tmp_path):
    words = [str(clips.root / each) if each == "own.csv" else each.replace("BASE", str(base)) for each in words]
    told = earmark("train", *words, "--out", str(tmp_path / "run"))
    assert told.returncode != 0
    assert said in " ".join(told.stderr.split())


def test_sizes_that_are_none(base, clips, tmp_path):
    told = earmark(
        "curve", str(clips.root / "own.csv"), "--from", str(base), "--out", str(tmp_path), "--clips", "1,some"
    )
    assert told.returncode != 0 and "--clips 1,some: give numbers of clips a tag" in " ".join(told.stderr.split())


def test_clips_are_heard_as_they_sound_in_the_recordings_and_thresholds_are_for_there(base, clips, tmp_path):
    chance = np.random.default_rng(5)
    (tmp_path / "disk").mkdir()
    for number in range(2):
        soundfile.write(tmp_path / f"disk/{number}.wav", 0.05 * chance.normal(size=20 * RATE), RATE)
    asked = run.Asked(background=background.Asked([tmp_path / "disk"], 0.2, 30), within=within.Asked(4, recall=0.75))
    lines = []
    tagger = loading.load(trained(base, clips, tmp_path / "run", asked, say=lines.append))
    facts = tagger.facts
    assert facts.head.background["copies"] == 4 and facts.head.background["mixed windows"] == facts.head.windows > 0
    assert facts.head.setting["strength"] == within.STRENGTH and "mixed into recordings" in facts.head.by
    assert facts.events.goal["recall"] == 0.75 and set(facts.events.rules.thresholds) == set(tagger.vocabulary)
    assert all(0 < each < 1 for each in facts.events.rules.thresholds.values())
    # noise of 0.05: -26 dBFS by root mean square, and no clip's loudest window is softer
    assert facts.level == pytest.approx(20 * np.log10(0.05), abs=0.5)
    assert any("thresholds that 0.75 of held-out clips in these recordings reach" in line for line in lines)
    # the rules are those of `earmark events`: a clip's sound in new noise of this kind is found, and the noise alone is not
    noise = (0.05 * np.random.default_rng(6).normal(size=10 * RATE)).astype(np.float32)
    assert len(tagger.events(noise, sample_rate=RATE)) <= 1
    other = run.Asked(background=asked.background, within=within.Asked(5))
    plan = run.plan(run.load_base(str(base)), clips, "base", unlabelled=True)
    with pytest.raises(
        EarmarkError, match=r"started with other copies of clips in recordings \(copies: 4, now 5; recall"
    ):
        run.train(run.load_base(str(base)), "base", plan, clips, tmp_path / "run", other, run.How(resume=True))


def test_clips_of_one_group_have_no_thresholds(base, clips, tmp_path):
    (tmp_path / "disk").mkdir()
    soundfile.write(tmp_path / "disk/a.wav", 0.1 * np.random.default_rng(0).normal(size=20 * RATE), RATE)
    asked = run.Asked(background=background.Asked([tmp_path / "disk"], 0.2, 10))
    few = clips.select(np.arange(1))
    with pytest.raises(EarmarkError, match="clips? of one group cannot be held out.*--copies 0"):
        trained(base, few, tmp_path / "run", asked)


def test_what_does_not_go_with_mixing_is_told(base, clips, tmp_path):
    (tmp_path / "disk").mkdir()
    soundfile.write(tmp_path / "disk/a.wav", 0.1 * np.random.default_rng(0).normal(size=20 * RATE), RATE)
    weak = background.Asked([tmp_path / "disk"], 0.2, 10)
    with pytest.raises(EarmarkError, match="--head hidden: on clips that are mixed into recordings heads are logistic"):
        trained(base, clips, tmp_path / "hidden", run.Asked(kind="hidden", background=weak))
    assert not (tmp_path / "hidden").exists()
    lines = []
    path = trained(base, clips, tmp_path / "one", run.Asked(background=weak), say=lines.append, task="one")
    assert any("not mixed into the recordings: each has one tag" in line for line in lines)
    assert "copies" not in loading.load(path).facts.head.background


def test_quiet_recordings_that_were_learnt_from_are_heard(base, clips, tmp_path):
    """Of a recorder that is set too low: below the floor of what tells no level, and above that of this head."""
    (tmp_path / "disk").mkdir()
    quiet = 1e-3 * np.random.default_rng(0).normal(size=20 * RATE)  # peaks at about -48 dBFS
    soundfile.write(tmp_path / "disk/a.wav", 0.3 * quiet, RATE, "FLOAT")
    asked = run.Asked(background=background.Asked([tmp_path / "disk"], 0.2, 10), within=within.Asked(2))
    tagger = loading.load(trained(base, clips, tmp_path / "run", asked))
    assert tagger.facts.level == pytest.approx(20 * np.log10(3e-4), abs=0.5)
    assert not tagger.score(tmp_path / "disk/a.wav").silent
    assert loading.load(trained(base, clips, tmp_path / "without", task="many")).score(tmp_path / "disk/a.wav").silent


@pytest.mark.parametrize(
    "setting",
    ["features.low=1000", "normalise=peak", "windows.length=0.3", "sample_rate=4000", "net.widths=[4]", "train.epochs=50",
     "train.balance=classes", "features.bands=32", "augment=[crop, {name: gain, db: 6}]"],
)  # fmt: skip
def test_a_head_takes_no_setting_of_what_its_base_hears(base, clips, setting):
    """Else the tagger would hear otherwise than its head was learnt, or say of itself what was never done."""
    tagger = run.load_base(str(base))
    with pytest.raises(RecipeError, match=r"a head learns from what its base hears.*leave it out, or train the net on"):
        run.plan(tagger, clips, "base", settings=["seed=3", setting])


def test_a_head_takes_settings_of_clips_and_chance(base, clips):
    plan = run.plan(run.load_base(str(base)), clips, "base", settings=["data.folds=3", "seed=7", "task=many"])
    assert (plan.data.folds, plan.seed, plan.task) == (3, 7, "many")
    with pytest.raises(RecipeError, match="did you mean"):
        run.plan(run.load_base(str(base)), clips, "base", settings=["dta.folds=3"])
