"""`earmark ensemble`: score files and taggers, what it prints, and what it says when something is wrong."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

import earmark
from earmark.data import manifest, splits
from earmark.errors import EarmarkError
from earmark.events import EventRules
from earmark.models import tagger as taggers
from earmark.models.averaging import average
from earmark.models.ensemble import Ensemble
from earmark.models.facts import EventTuning, Facts, TagTuning
from earmark.recipe import parse
from earmark.scores import Scores
from earmark.scores.ensemble import combine

pytestmark = pytest.mark.usefixtures("sketched")

RATE = 8000
TAGS = ("dog", "rain")


def made(seed: int, facts=None, **changes) -> taggers.Tagger:
    torch.manual_seed(seed)
    recipe = {
        "name": f"net {seed}",
        "summary": f"Net number {seed}",
        "task": "one",
        "sample_rate": RATE,
        "data": {"dataset": "folder"},
        "windows": {"length": 0.5, "hop": 0.25},
        "net": {"name": "convnet1d", "widths": [4, 8, 8], "blocks": [1, 1, 1]},
        "augment": ["crop"],
        "train": {"epochs": 1},
    }
    tagger = taggers.build(parse({**recipe, **changes}), TAGS).eval()
    tagger.facts = Facts.read(facts or {})
    return tagger


def split(train, validation, test) -> dict:
    parts = {"train": train, "validation": validation, "test": test}
    return {name: {"clips": 2 * len(f), "folds": f, "sha256": "-".join(f)} for name, f in parts.items()}


@pytest.fixture
def place(tmp_path) -> Path:
    """Six clips in three folds, two score files of them, and a run over folds with two taggers."""
    ids = [f"{tag}-{fold}" for fold in "123" for tag in TAGS]
    generator = np.random.default_rng(0)
    for id_ in ids:
        soundfile.write(tmp_path / f"{id_}.wav", generator.uniform(-0.5, 0.5, RATE), RATE)
    table = {
        "path": [f"{id_}.wav" for id_ in ids],
        "id": ids,
        "fold": [i[-1] for i in ids],
        "tags": [i[:-2] for i in ids],
    }
    lines = [",".join(table), *(",".join(row) for row in zip(*table.values(), strict=True))]
    (tmp_path / "clips.csv").write_text("\n".join(lines) + "\n")
    assert manifest.read(tmp_path / "clips.csv").fold_names() == ["1", "2", "3"]
    dogs = {"a": [0.9, 0.4, 0.8, 0.6, 0.7, 0.3], "b": [0.8, 0.1, 0.3, 0.3, 0.9, 0.2]}
    for name, dog in dogs.items():
        values = np.stack([dog, 1 - np.array(dog)], 1).astype(np.float32)
        (tmp_path / name).mkdir()
        Scores(values, np.array(ids), np.zeros(6), np.full(6, 1.0), TAGS, {"tagger": name}).save(
            tmp_path / name / "scores.parquet"
        )
    for seed, told in enumerate([split(["1"], ["2"], ["3"]), split(["2"], ["1"], ["3"])]):
        folder = tmp_path / "run" / f"fold-{seed + 1}"
        folder.mkdir(parents=True)
        made(seed, {"data": {"dataset": "folder"}, "split": told}).save(folder / "tagger.safetensors")
    return tmp_path


def both(place: Path) -> list[Path]:
    return [place / name / "scores.parquet" for name in "ab"]


# Score files


@pytest.mark.parametrize("rule", ["arithmetic", "geometric", "rank"])
@pytest.mark.parametrize("ending", ["parquet", "csv"])
def test_score_files(place, run, rule, ending):
    _, _, said = run("ensemble", *both(place), "-o", place / f"e.{ending}", "--rule", rule, "--weights", "3:1")
    got = Scores.load(place / f"e.{ending}")
    expected = combine([Scores.load(file) for file in both(place)], rule, [3, 1], task="one")
    np.testing.assert_allclose(got.values, expected.values, atol=1e-6)
    assert got.ids.tolist() == expected.ids.tolist()
    assert "task one: the scores of each clip sum to one" in said
    assert f"e.{ending}: 6 rows, 2 tags; {rule} mean of 2 members (a 0.75, b 0.25)" in said


def test_ranks_of_tags(place, run):
    run("ensemble", *both(place), "-o", place / "e.parquet", "--rule", "rank", "--over", "tags", "--task", "many")
    assert set(np.unique(Scores.load(place / "e.parquet").values)) == {0.0, 0.5, 1.0}
    assert Scores.load(place / "e.parquet").facts["ensemble"]["over"] == "tags"


def test_search_and_agreement(place, run):
    """a errs on rain-2 alone, b on dog-2 alone; the mean with equal weights has dog-2 at 0.55 and rain-2 at 0.45."""
    arguments = [
        "ensemble",
        *both(place),
        "-o",
        place / "e.csv",
        "--data",
        place / "clips.csv",
        "--search",
        "--agreement",
    ]
    _, printed, said = run(*arguments, "--rounds", 3)
    assert "--weights 1:1: accuracy 1.0000" in printed
    assert "1\ta\t0.8333" in printed
    assert "optimistic" in said and "a CSV does not tell which clips chose this" in said
    assert "66.7 %" in printed  # answered alike
    told = json.loads(run(*arguments, "--rounds", 3, "--json")[1])
    assert told["search"]["counts"] == [1, 1]
    assert told["search"]["metric"] == "accuracy"
    assert told["agreement"]["pairs"][0]["only_a"] == pytest.approx(1 / 6)
    assert [part["gain"] for part in told["agreement"]["parts"]] == [pytest.approx(1 / 6)] * 2
    assert told["ensemble"]["weights"] == [0.5, 0.5]


def test_what_chose_the_weights_is_kept(place, run):
    """Whatever two folds choose, the third is combined with; the file tells the clips that chose."""
    arguments = ["ensemble", *both(place), "-o", place / "e.parquet", "--data", place / "clips.csv", "--search"]
    run(*arguments)
    chosen = Scores.load(place / "e.parquet").facts["ensemble"]["weights chosen"]
    assert (chosen["by"], chosen["across folds"], chosen["clips"], chosen["folds"]) == (
        "accuracy",
        False,
        6,
        ["1", "2", "3"],
    )
    told = json.loads(run(*arguments, "--cross", "--json")[1])
    assert set(told["cross"]["counts"]) == {"1", "2", "3"}
    members = [Scores.load(file).values for file in both(place)]
    got = Scores.load(place / "e.parquet")
    for row, id_ in enumerate(got.ids.tolist()):
        first, second = told["cross"]["counts"][id_[-1]]
        expected = (first * members[0][row] + second * members[1][row]) / (first + second)
        np.testing.assert_allclose(got.values[row], expected, atol=1e-6)
    answers = np.array(TAGS)[got.values.argmax(1)]
    assert told["cross"]["value"] == pytest.approx(
        np.mean([i.startswith(a) for i, a in zip(got.ids, answers, strict=True)])
    )
    assert "each fold with the weights that the others chose: accuracy" in run(*arguments, "--cross")[1]


def test_agreement_needs_no_output_and_no_truth(place, run):
    _, printed, _ = run("ensemble", *both(place), "--agreement")
    assert printed.split()[:3] == ["A", "B", "alike"]
    assert "both right" not in printed
    assert "map" in run("ensemble", *both(place), "--agreement", "--data", place / "clips.csv", "--metric", "map")[1]


def test_common_clips(place, run):
    short = Scores.load(both(place)[1])
    kept = Scores(short.values[:4], short.ids[:4], short.start[:4], short.end[:4], TAGS)
    kept.save(place / "short.csv")
    files = [both(place)[0], place / "short.csv"]
    with pytest.raises(EarmarkError, match="short has no scores of 2 of the 6 rows of a.*--only common"):
        run("ensemble", *files, "-o", place / "e.csv")
    _, _, said = run("ensemble", *files, "-o", place / "e.csv", "--only", "common")
    assert "2 of the 6 rows of a have no scores of all members and are left out" in said
    assert len(Scores.load(place / "e.csv")) == 4


HOW = [
    ("--agreement",), ("--agreement", "--data", "D"), ("--search", "--data", "D"), ("--search", "--cross", "--data", "D"),
    ("-o", "e.parquet"), ("-o", "e.parquet", "--search", "--cross", "--data", "D"),
]  # fmt: skip


@pytest.mark.parametrize("asked", HOW, ids=" ".join)
def test_what_of_each_member_is_left_out_is_told(place, run, asked):
    """b lacks two clips of a and has two tags more; a has all that the third has, which has but four clips and a tag more."""
    first = Scores.load(both(place)[0])
    for name, keep, more in (("b", slice(1, 5), ["sea", "wind"]), ("c", slice(0, 4), ["fog"])):
        values = np.concatenate([first.values[keep], np.full((4, len(more)), 0.0, np.float32)], 1)
        ids, start, end = (getattr(first, column)[keep] for column in ("ids", "start", "end"))
        Scores(values, ids, start, end, (*TAGS, *more)).save(place / f"{name}.csv")
    files = [both(place)[0], place / "b.csv", place / "c.csv"]
    words = [{"D": place / "clips.csv", "e.parquet": place / "e.parquet"}.get(word, word) for word in asked]
    _, printed, said = run("ensemble", *files, "--only", "common", "--json", *words)
    lines = [line for line in said.splitlines() if "left out" in line]
    assert lines == [
        "3 of the 6 rows of a have no scores of all members and are left out",
        "1 of the 4 rows of b has no scores of all members and is left out",
        "tags of b that not all members know are left out: sea, wind",
        "1 of the 4 rows of c has no scores of all members and is left out",
        "a tag of c that not all members know is left out: fog",
    ]
    told = json.loads(printed)["left out"]
    assert [(each["name"], each["rows"], each["of"], each["tags"]) for each in told] == [
        ("a", 3, 6, []), ("b", 1, 4, ["sea", "wind"]), ("c", 1, 4, ["fog"]),
    ]  # fmt: skip
    if "-o" in asked:
        facts = Scores.load(place / "e.parquet").facts["ensemble"]
        assert facts["left out"] == {"rows": [3, 1, 1], "tags": ["sea", "wind", "fog"]}
    _, printed, said = run("ensemble", *both(place), "--only", "common", "--json", *words)
    assert "left out" not in said and "left out" not in json.loads(printed)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["A", "B"], "say where the ensemble goes with -o"),
        (["A", "-o", "e.csv"], "two members at least, and this has 1"),
        (["-o", "e.csv"], "two members at least, and this has 0"),
        (["A", "B", "-o", "e.safetensors"], "an ensemble of scores is written as .parquet or .csv"),
        (["A", "B", "-o", "A"], "is what INPUTS reads, and would be lost"),
        (["A", "esc10", "-o", "e.csv"], "either score files or taggers"),
        (["A", "B", "-o", "e.csv", "--weights", "3;1"], "--weights 3;1: are numbers with colons"),
        (["A", "B", "-o", "e.csv", "--weights", "3:1:1"], "3 weights for 2 members"),
        (["A", "B", "--search"], "--search and --temperature fit need the clips' tags"),
        (["A", "B", "-o", "e.csv", "--data", "D"], "--data is for these, --agreement and --mean-weights"),
        (["A", "B", "-o", "e.csv", "--cross"], "--cross says how --search or --temperature fit is done"),
        (["A", "B", "--search", "--data", "D", "--weights", "1:1"], "leave out --weights"),
        (["A", "B", "--search", "--data", "D", "--metric", "f1_micro"], "'f1_micro' is not for task 'one'"),
        (["A", "B", "--search", "--data", "D", "--metric", "acuracy"], "did you mean 'accuracy'"),
        (["A", "B", "-o", "e.csv", "--mean-weights"], "--mean-weights is of taggers"),
        (["A", "B", "-o", "e.csv", "--over", "tags"], "--over tags: says what --rule rank ranks, and the rule is arithmetic"),
        (["A", "B", "--search", "--data", "D", "--rule", "geometric", "--over", "clips"], "--over clips: says what --rule rank ranks"),
        (["A", "B", "-o", "e.csv", "--metric", "map"], "--metric is for a search of weights and figures of score files"),
        (["A", "B", "--agreement", "--metric", "map"], "--metric map: is of what each member adds, .*--data"),
        (["A", "B", "--agreement", "--rounds", "3"], "--rounds is for a search of weights: name that with --search"),
        (["A", "B", "--agreement", "--weights", "3:1"], "--weights 3:1: says how members are combined, and --agreement alone"),
        (["A", "B", "--agreement", "--rule", "geometric"], "--rule geometric: says how members are combined"),
        (["A", "B", "-o", "e.csv", "--dataset", "esc"], "--dataset is for the folder of a data set: name that with --data"),
        (["A", "none.parquet", "-o", "e.csv"], "none.parquet: no such file"),
        (["R", "-o", "e.csv"], "an ensemble of taggers is written as .safetensors, not .csv"),
        (["R", "-o", "e.safetensors", "--search", "--data", "D"], "--search is for score files"),
        (["R", "--agreement"], "--agreement is for score files"),
        (["R", "-o", "e.safetensors", "--metric", "foo"], "--metric is for a search of weights and figures of score files"),
        (["R", "-o", "e.safetensors", "--rounds", "30"], "--rounds is for a search of weights"),
        (["R", "-o", "e.safetensors", "--over", "tags"], "--over tags: says what --rule rank ranks, and the rule is arithmetic"),
        (["R", "-o", "e.safetensors", "--mean-weights", "--over", "tags"], "--over tags: says what --rule rank ranks"),
        (["R", "-o", "e.safetensors", "--dataset", "esc"], "--dataset is for the folder of a data set"),
        (["R", "-o", "e.safetensors", "--only", "common"], "--only common is for score files"),
        (["R", "-o", "e.safetensors", "--task", "one"], "--task is for score files"),
        (["R", "-o", "e.safetensors", "--over", "clips"], "it can rank tags only"),
        (["R", "-o", "e.safetensors", "--weights", "1"], "1 weight for 2 members"),
        (["R", "-o", "e.safetensors", "--mean-weights", "--rule", "rank"], "weights are averaged arithmetically"),
        (["P", "-o", "e.safetensors"], "is no run folder"),
        (["none", "R", "-o", "e.safetensors"], "none: no such file, and no shipped tagger"),
        (["--epochs", "P", "-o", "e.safetensors"], "has no epochs"),
    ],
)  # fmt: skip
def test_what_cannot_be(place, run, arguments, told):
    known = dict(zip("AB", both(place), strict=True)) | {"D": place / "clips.csv", "R": place / "run", "P": place}
    with pytest.raises(EarmarkError, match=told):
        run("ensemble", *(known.get(a, place / a if a.startswith("e.") else a) for a in arguments))
    assert not list(place.glob("e.*"))


@pytest.mark.parametrize(("given", "ending"), [("ab", "csv"), ("ab", "parquet"), ("run", "safetensors")])
def test_where_nothing_can_be_written(place, run, given, ending):
    files = both(place) if given == "ab" else [place / "run"]
    (place / f"x.{ending}").mkdir()
    for out in (place / f"x.{ending}", place / "clips.csv" / f"x.{ending}"):
        with pytest.raises(
            EarmarkError, match=rf"x\.{ending}: (is a folder\. Name a file|.*clips\.csv is a file, not a folder)"
        ):
            run("ensemble", *files, "-o", out)
    assert not list(place.glob("*.part"))


def test_a_member_may_be_given_twice(place, run):
    _, _, said = run("ensemble", both(place)[0], both(place)[0], "-o", place / "e.csv")
    assert "2 members (a (1) 0.5, a (2) 0.5)" in said


def test_clips_without_truth(place, run):
    rows = (place / "clips.csv").read_text().splitlines()
    (place / "less.csv").write_text("\n".join(rows[:-1]) + "\n")
    with pytest.raises(EarmarkError, match="1 of 6 scored clips is not in .*less.csv, such as rain-3"):
        run("ensemble", *both(place), "--search", "--data", place / "less.csv")
    windows = Scores.load(both(place)[0])
    windows = Scores(windows.values, np.full(6, "dog-1"), np.arange(6.0), np.arange(6.0) + 1, TAGS)
    windows.save(place / "w.parquet")
    windows.save(place / "v.parquet")
    with pytest.raises(EarmarkError, match="dog-1 has 6 rows: the clips' tags say nothing of single windows"):
        run("ensemble", place / "w.parquet", place / "v.parquet", "--search", "--data", place / "clips.csv")


# Taggers


def test_a_run_over_folds_becomes_one_tagger(place, run):
    out = place / "deep" / "e.safetensors"
    _, _, said = run("ensemble", place / "run", "-o", out, "--rule", "geometric", "--weights", "2:1")
    assert f"{out}: 2 tags; geometric mean of 2 members (fold-1 0.667, fold-2 0.333)" in said
    whole = earmark.load(out)
    assert isinstance(whole, Ensemble)
    expected = Ensemble([made(0), made(1)], "geometric", [2, 1]).tag(place / "dog-1.wav", None)
    assert whole.tag(place / "dog-1.wav", None) == expected


@pytest.mark.parametrize("more", [(), ("--mean-weights",)])
@pytest.mark.parametrize("kinds", [("tags",), ("events",), ("tags", "events"), ()])
def test_what_members_were_calibrated_to_is_told_to_be_left_out(place, run, kinds, more):
    """Whatever decisions a tagger's facts may hold: those of one member of two."""
    rules = {"tags": TagTuning(dict.fromkeys(TAGS, 0.3)), "events": EventTuning(EventRules.alike(TAGS))}
    tagger = made(0)
    tagger.facts = replace(tagger.facts, **{kind: rules[kind] for kind in kinds})
    tagger.save(place / "tuned.safetensors")
    made(1).save(place / "plain.safetensors")
    files, out = [place / "tuned.safetensors", place / "plain.safetensors"], place / "e.safetensors"
    _, _, said = run("ensemble", *files, "-o", out, *more)
    told = {"tags": "thresholds of tags", "events": "rules for events"}
    lines = [line for line in said.splitlines() if "earmark calibrate" in line]
    assert [line.split(" that were")[0] for line in lines] == [told[kind] for kind in kinds]
    assert all("for the scores of tuned are left out: choose some" in line for line in lines)
    facts = earmark.load(out).facts
    assert facts.tags is None and facts.events is None


def test_the_ensemble_is_shown_tags_and_is_evaluated(place, run):
    out = place / "e.safetensors"
    run("ensemble", place / "run" / "fold-1", place / "run" / "fold-2" / "tagger.safetensors", "-o", out)
    _, shown, _ = run("show", out)
    assert "an ensemble of 2 taggers" in shown
    assert "member 2    weight 0.5: Net number 1" in shown
    assert "at 8,000 Hz, in windows of 0.5 s every 0.25 s" in shown
    assert "test        2 clips, fold 3" in shown
    assert "train       at least 2 clips, fold 1, 2" in shown
    assert json.loads(run("show", out, "--json")[1])["rule"] == "arithmetic"
    _, tagged, _ = run(
        "tag", place / "dog-1.wav", "--tagger", out, "--format", "jsonl", "--windows", place / "windows.csv"
    )
    record = json.loads(tagged)
    own = [
        earmark.load(place / "run" / f"fold-{n}" / "tagger.safetensors").tag(place / "dog-1.wav", None) for n in (1, 2)
    ]
    means = {tag: np.mean([t.score for one in own for t in one if t.label == tag]) for tag in TAGS}
    assert {t["label"]: t["score"] for t in record["tags"]} == pytest.approx(means, abs=1e-5)
    assert len(Scores.load(place / "windows.csv")) == 3
    _, judged, _ = run(
        "evaluate", out, "--data", place / "clips.csv", "--json", "--resamples", 20, "--out", place / "report"
    )
    report = json.loads(judged)
    assert report["clips"] == 2
    assert report["protocol"]["folds"] == ["3"]
    for fold in ("1", "2"):
        with pytest.raises(EarmarkError, match=f"trained, or its epoch or its rules chosen, on fold {fold}"):
            run("evaluate", out, "--data", place / "clips.csv", "--fold", fold)


def test_figures_are_kept_in_the_file(place, run):
    out = place / "e.safetensors"
    run("ensemble", place / "run", "-o", out)
    before = earmark.load(out).identity()
    run("evaluate", out, "--data", place / "clips.csv", "--record", "--resamples", 20, "--out", place / "report")
    again = earmark.load(out)
    assert again.identity() == before
    assert again.facts.test.clips.folds == ("3",)
    assert "test accuracy" in run("show", out)[1]


def test_members_with_other_windows(place, run):
    made(5, windows={"length": 0.6, "hop": 0.3}).save(place / "other.safetensors")
    out = place / "e.safetensors"
    _, _, said = run("ensemble", place / "run", place / "other.safetensors", "-o", out)
    assert "the members hear different windows" in said
    assert run("tag", place / "dog-1.wav", "--tagger", out)[1]
    with pytest.raises(EarmarkError, match="no --windows, no --pictures"):
        run("tag", place / "dog-1.wav", "--tagger", out, "--windows", place / "w.csv")


def test_epochs_and_the_mean_of_weights(place, run):
    epochs = place / "long" / "epochs"
    epochs.mkdir(parents=True)
    for number in (1, 2, 10):
        made(number, {"chosen": {"epoch": number, "of": 10, "by": "one of every epoch"}}).save(
            epochs / f"{number:03d}.safetensors"
        )
    shutil.copy(epochs / "010.safetensors", place / "long" / "tagger.safetensors")
    for given in (epochs, place / "long"):
        _, _, said = run("ensemble", "--epochs", given, "-o", place / "e.safetensors")
        assert "arithmetic mean of 3 members (001 0.333, 002 0.333, 010 0.333)" in said
    assert [m.recipe.name for m in earmark.load(place / "e.safetensors").members] == ["net 1", "net 2", "net 10"]
    _, _, said = run(
        "ensemble", "--epochs", epochs, "-o", place / "m.safetensors", "--mean-weights", "--weights", "1:1:2"
    )
    assert "running statistics are averaged like weights" in said
    mixed = earmark.load(place / "m.safetensors")
    assert isinstance(mixed, taggers.Tagger)
    assert mixed.identity() == average([made(1), made(2), made(10)], [1, 1, 2]).identity()
    assert "the mean of those of 3 taggers" in run("show", place / "m.safetensors")[1]
    with pytest.raises(EarmarkError, match="is no run folder.*members with --epochs"):
        run("ensemble", epochs, "-o", place / "x.safetensors")


def test_the_mean_of_weights_has_statistics_of_its_own(place, run):
    """With the clips of the training: by hand, of the windows of fold 1 through the first convolution."""
    clips = manifest.read(place / "clips.csv")
    data = {"dataset": "folder", "validation": ["2"], "test": ["3"]}
    facts = {"split": splits.divide(clips, ["3"], ["2"]).as_dict()}
    epochs = place / "long" / "epochs"
    epochs.mkdir(parents=True)
    for number in (1, 2):
        made(number, facts, data=data).save(epochs / f"{number:03d}.safetensors")
    out = place / "m.safetensors"
    asked = ("ensemble", "--epochs", epochs, "-o", out, "--mean-weights")
    _, _, said = run(*asked, "--data", place / "clips.csv")
    assert "measured anew on 2 clips" in said
    assert "averaged like weights" not in said
    mixed = earmark.load(out)
    waves = [torch.from_numpy(soundfile.read(place / f"{tag}-1.wav", dtype="float32")[0]) for tag in TAGS]
    windows = torch.stack([wave[at : at + RATE // 2] for wave in waves for at in (0, RATE // 4, RATE // 2)])
    norms = [layer for layer in mixed.modules() if isinstance(layer, torch.nn.BatchNorm1d)]
    heard: list[torch.Tensor] = []
    norms[0].register_forward_hook(lambda _, inputs, __: heard.append(inputs[0]))
    mixed.hear(windows.numpy())
    torch.testing.assert_close(norms[0].running_mean, heard[0].mean((0, 2)), rtol=1e-4, atol=1e-5)
    other = manifest.read(place / "clips.csv")
    manifest.write(other.select(other.ids != "dog-1"), place / "fewer.csv")
    with pytest.raises(EarmarkError, match="on the clips that the taggers learnt from .*2, folds 1.*these are others"):
        run(*asked, "--data", place / "fewer.csv")


def test_json_of_taggers(place, run):
    told = json.loads(run("ensemble", place / "run", "-o", place / "e.safetensors", "--json")[1])
    assert told["tagger"] == earmark.load(place / "e.safetensors").identity()
    assert told["weights"] == [0.5, 0.5]
    assert len(told["members"]) == 2
