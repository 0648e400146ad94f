"""Tags that are not known of a clip: a manifest says so, and no loss, figure or threshold counts them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.metrics import average_precision_score, f1_score, roc_auc_score
from torch.nn import functional as F

from earmark import metrics
from earmark.data.clipset import ClipSet
from earmark.data.manifest import build, read, write
from earmark.data.matching import match
from earmark.errors import ManifestError
from earmark.evaluation.clips import measure
from earmark.evaluation.thresholds import tags as thresholds
from earmark.evaluation.vocabulary import Vocabulary
from earmark.metrics.calibration import calibration_of
from earmark.models.prediction import Prediction, loss
from earmark.scores import Scores
from earmark.train.augment.batches import Mixture
from earmark.train.loader import targets_of
from earmark.train.plausible import say_unknown, say_untagged
from earmark.train.validation import clip_loss

NAMES = ["a", "b", "c"]
COLUMNS = {
    "id": NAMES,
    "path": NAMES,
    "tags": [["dog"], ["owl", "fox"], []],
    "unknown": [["owl"], None, ["dog", "fox"]],
}


def chance(rows: int = 60, tags: int = 4):
    generator = np.random.default_rng(0)
    truth = generator.random((rows, tags)) < 0.4
    known = generator.random((rows, tags)) < 0.7
    return generator.random((rows, tags)), truth & known, known


@pytest.mark.parametrize("ending", ["csv", "tsv", "parquet"])
def test_a_manifest_keeps_what_is_unknown(tmp_path, ending):
    clips = build(COLUMNS, tmp_path)
    assert clips.vocabulary == ("dog", "fox", "owl") and not clips.knows_all
    assert clips.known().tolist() == [[True, True, False], [True, True, True], [False, False, True]]
    write(clips, tmp_path / f"m.{ending}")
    assert read(tmp_path / f"m.{ending}").table.equals(clips.table)


def test_a_manifest_that_knows_all_is_written_as_ever(tmp_path):
    clips = build({**COLUMNS, "unknown": None}, tmp_path)
    assert clips.knows_all and not np.ma.isMaskedArray(clips.judged())
    write(clips, tmp_path / "m.csv")
    assert (tmp_path / "m.csv").read_text().splitlines()[
        0
    ] == '"id","path","start","end","tags","events","fold","group","source"'


def test_a_tag_cannot_be_there_and_unknown():
    wrong = {**COLUMNS, "unknown": [["dog"], None, None]}
    with pytest.raises(
        ManifestError, match=r"a tag is among the clip's tags and among those that are unknown: row 1 \(id a\)"
    ):
        build(wrong, ".")


def test_other_unknown_tags_are_other_labels():
    digests = {ClipSet.of(build({**COLUMNS, "unknown": unknown}, ".")).labels for unknown in (None, COLUMNS["unknown"])}
    assert len(digests) == 2


def test_each_figure_is_that_of_the_known_cells():
    values, truth, known = chance()
    masked = np.ma.masked_array(truth, ~known)
    table = metrics.per_tag(values, masked, "many", 0.5)
    for tag in range(4):
        rows = known[:, tag]
        right, scores = truth[rows, tag], values[rows, tag]
        assert table["average_precision"][tag] == pytest.approx(average_precision_score(right, scores))
        assert table["auc"][tag] == pytest.approx(roc_auc_score(right, scores))
        assert table["f1"][tag] == pytest.approx(f1_score(right, scores >= 0.5))
    told = metrics.evaluate(values, masked, np.arange(60), "many", resamples=50)
    assert told["map"].value == pytest.approx(np.mean(table["average_precision"]))
    assert told["f1_micro"].value == pytest.approx(f1_score(truth[known], values[known] >= 0.5))
    # whatever the scores of what is not known are
    other = metrics.evaluate(np.where(known, values, 1 - values), masked, np.arange(60), "many", resamples=50)
    assert told == other
    assert (
        calibration_of(values, masked, "many").error
        == calibration_of(values[known][:, None], truth[known][:, None], "many").error
    )


def test_a_draw_counts_known_cells_only():
    values, truth, known = chance()
    weights = np.random.default_rng(1).integers(0, 3, (60, 5)).astype(np.int32)
    average, _ = metrics.Draw(metrics.Clips(values, np.ma.masked_array(truth, ~known)), weights).by_tag
    for draw, tag in np.ndindex(5, 4):
        rows = np.flatnonzero(known[:, tag]).repeat(weights[known[:, tag], draw])
        assert average[tag, draw] == pytest.approx(average_precision_score(truth[rows, tag], values[rows, tag]))


def test_comparisons_do_not_see_what_is_unknown():
    values, truth, known = chance()
    masked, other = np.ma.masked_array(truth, ~known), np.random.default_rng(5).random(values.shape)
    asked = {
        "task": "many",
        "groups": np.arange(60),
        "resamples": 20,
        "permutations": 50,
        "metrics": ["map", "f1_macro", "lwlrap"],
    }
    first = metrics.compare([values, other], masked, **asked)
    again = metrics.compare([np.where(known, values, 0.9), np.where(known, other, 0.1)], masked, **asked)
    assert first == again


def test_lwlrap_and_map_at_3_rank_known_tags_only():
    values = np.array([[0.9, 0.5, 0.1]])
    truth = np.ma.masked_array([[False, True, False]], [[True, False, False]])
    assert metrics.lwlrap(values, truth) == 1 and metrics.map_at_k(values, truth) == 1
    assert metrics.lwlrap(values, np.ma.getdata(truth)) == 0.5


def test_tags_that_no_known_clip_lacks():
    truth = np.ma.masked_array([[True, True], [False, False]], [[False, False], [True, False]])
    assert metrics.undefined(truth) == [] and metrics.undefined(truth, negatives=True) == [0]


def test_thresholds_are_chosen_on_what_is_known():
    values, truth, known = chance()
    masked = np.ma.masked_array(truth, ~known)
    chosen = thresholds.choose(values, masked, "abcd", np.arange(60), resamples=0)
    for tag, name in enumerate("abcd"):
        rows = known[:, tag]
        assert chosen.thresholds[name] == thresholds.best_threshold(values[rows, tag], truth[rows, tag])


def test_a_report_says_how_much_is_unknown():
    clips = build(COLUMNS, ".")
    scores = Scores(np.full((3, 3), 0.25, np.float32), np.array(NAMES), np.zeros(3), np.ones(3), ("dog", "fox", "owl"))
    note = "Of 3 of 9 pairs of a clip and a tag it is not known whether the clip has the tag: no figure counts them."
    assert note in measure(scores, clips, "many", resamples=0).notes
    assert match(scores, clips).judged.mask.sum() == 3


def test_merged_tags_are_unknown_where_none_of_theirs_is_there():
    merged = Vocabulary("t", {"owl": "animal", "dog": "animal", "fox": None}).manifest(build(COLUMNS, "."))
    assert merged.table["tags"].to_pylist() == [["animal"], ["animal"], []]
    assert merged.table["unknown"].to_pylist() == [[], [], ["animal"]]


def test_the_loss_is_that_of_the_known_cells():
    clips = build(COLUMNS, ".")
    targets = torch.from_numpy(targets_of(clips, clips.vocabulary, "many")[:])
    assert targets.isnan().sum() == 3 and not np.isnan(targets_of(clips, clips.vocabulary, "one")).any()
    logits = torch.randn(3, 2, 3, generator=torch.Generator().manual_seed(0), requires_grad=True)
    value = loss(Prediction(logits, torch.zeros(3, 1)), targets, "many")
    known = ~targets.isnan()[:, None].expand(3, 2, 3)
    by_hand = F.binary_cross_entropy_with_logits(logits[known], targets[:, None].expand(3, 2, 3)[known])
    torch.testing.assert_close(value, by_hand)
    value.backward()
    assert logits.grad[~known].abs().max() == 0 and logits.grad.isfinite().all()
    nothing = loss(Prediction(logits, torch.zeros(3, 1)), torch.full((3, 3), float("nan")), "many")
    assert nothing.item() == 0


def test_the_loss_of_validation_is_the_same():
    values, truth, known = chance(7, 3)
    masked = np.ma.masked_array(truth, ~known)
    rows = [-np.log(np.where(t, v, 1 - v))[k].mean() for v, t, k in zip(values, truth, known, strict=True) if k.any()]
    assert clip_loss(values.astype(np.float32), masked, "many") == pytest.approx(np.mean(rows), rel=1e-6)


def test_a_mixture_with_what_is_unknown_is_unknown():
    targets = torch.tensor([[1.0, 0.0], [float("nan"), 1.0]])
    mixture = Mixture(np.array([1, 0]), np.float32([0.75, 1.0]))
    mixed = mixture.mix_targets(targets)
    assert mixed[0, 0].isnan() and mixed[0, 1] == 0.25
    assert mixed[1, 0].isnan() and mixed[1, 1] == 1
    alone = Mixture(np.array([1, 0]), np.float32([1.0, 1.0])).mix_targets(targets)
    assert alone[0].tolist() == [1.0, 0.0]


def test_training_says_what_is_unknown():
    from types import SimpleNamespace

    said = []
    clips = build({**COLUMNS, "tags": [["dog"], ["owl", "fox", "dog"], []]}, ".")
    say_unknown(clips, clips.vocabulary, SimpleNamespace(task="many"), said.append)
    assert said == [
        "3 of 9 pairs of a training clip and a tag are not known: the loss leaves them out",
        "1 tag has no training clip that is known to lack it, so that it is learnt to be everywhere: dog",
    ]
    say_unknown(clips, clips.vocabulary, SimpleNamespace(task="one"), said.append)
    assert said[-1].endswith("with one tag a clip (task: one) they are taken as absent")


def test_training_says_what_balanced_draws_make_of_clips_without_tags():
    from earmark.recipe import load

    def said_of(tags, unknown, *settings):
        said = []
        clips = build({"id": NAMES, "path": NAMES, "tags": tags, "unknown": unknown}, ".", vocabulary=("dog", "owl"))
        say_untagged(clips, clips.vocabulary, load("audioset-mn10", list(settings)), said.append)
        return said

    tags, unknown = [["dog", "owl"], [], []], [None, ["dog"], ["dog", "owl"]]
    none, nothing = said_of(tags, unknown)
    assert none == (
        "1 of 3 training clips has none of the 2 tags, such as 'b': it is drawn as often as the clips of a tag, taking turns with "
        "the tags (train.balance: classes)"
    )
    assert nothing == (
        "1 of 3 training clips, of whose tags nothing is known, is never drawn, such as 'c' (train.balance: classes)"
    )
    assert said_of(tags, unknown, "distil.teachers=[a]")[1].endswith("answers for it are learnt, take none")
    # a phase is enough, one that is not run is none; nothing is said where all have tags or come once
    assert said_of(tags, unknown, "train.balance=none") == []
    phases = ["train.balance=none", "phases={a: {}, b: {train: {balance: classes}}}"]
    assert len(said_of(tags, unknown, *phases)) == 2 and said_of(tags, unknown, *phases, "run=[a]") == []
    assert said_of([["dog"], ["owl"], ["dog"]], [None, ["dog"], ["owl"]]) == []


def test_training_says_which_unknown_tags_no_clip_has_and_counts_none_of_them():
    from types import SimpleNamespace

    said = []
    clips = build({**COLUMNS, "unknown": [["wolf"], ["yak", "wolf"], None]}, ".")
    for task in ("many", "one"):
        say_unknown(clips, clips.vocabulary, SimpleNamespace(task=task), said.append)
    assert said == 2 * [
        "2 tags are unknown of training clips, and no clip has them, so that they are not learnt: wolf, yak"
    ]
    said.clear()
    clips = build({**COLUMNS, "unknown": [["wolf"], None, ["dog"]]}, ".")
    say_unknown(clips, clips.vocabulary, SimpleNamespace(task="many"), said.append)
    assert said[1:] == ["1 of 9 pairs of a training clip and a tag is not known: the loss leaves it out"]
