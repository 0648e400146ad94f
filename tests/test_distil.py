"""A student learns what teachers say of what it hears: the loss by hand, the same waves, leaks, going on, and the report."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from tests.program import earmark

import earmark as library
from earmark.data import manifest as manifests
from earmark.data import splits
from earmark.errors import EarmarkError, ManifestError, RecipeError, TaggerError
from earmark.evaluation import leakage
from earmark.evaluation.vocabulary import Vocabulary
from earmark.models import tagger as taggers
from earmark.models.ensemble import Ensemble
from earmark.models.facts import DataSet, Facts, Split
from earmark.models.origin import Origin
from earmark.models.prediction import Prediction, loss
from earmark.recipe import parse
from earmark.recipe.schema import Distil

training = pytest.importorskip("earmark.train")
from earmark.train import teaching  # noqa: E402 (after the skip)
from earmark.train.phase import PhaseModule  # noqa: E402
from earmark.train.teaching import Teachers, Teaching, softened  # noqa: E402

pytestmark = pytest.mark.usefixtures("sketched")

RATE = 4000
ORIGIN = Origin("a layout", "net.x", "0" * 64, 9, "float32", "Apache-2.0", "elsewhere", "l.csv", "1" * 64)


def plan(**changes):
    return parse({
        "task": "one", "sample_rate": RATE, "seed": 3,
        "data": {"dataset": "folder", "test": ["5"], "validation": ["4"]},
        "windows": {"length": 0.5, "hop": 0.25},
        "net": {"name": "convnet1d", "widths": [8, 8, 16, 16], "blocks": [1, 1, 1, 1], "momentum": 0.1},
        "augment": ["crop", {"name": "mixup", "share": 1.0}],
        "train": {"epochs": 2, "batch": 8, "optimiser": {"lr": 3e-3}, "precision": "float32"},
        **changes,
    })  # fmt: skip


def teacher(clips, test="5", seed=0, tags=None, **facts):
    """Untrained, which says that it learnt from all folds but one."""
    torch.manual_seed(seed)
    tagger = taggers.build(plan(augment=["crop"]), tags or clips.vocabulary).eval().requires_grad_(False)
    told = {"data": DataSet("folder"), "split": Split.of(splits.divide(clips, [test], []))} if test else {}
    tagger.facts = Facts(**told, **facts)
    return tagger


def taught(*members, merge=None):
    return Teachers(members, [f"t{number}" for number in range(len(members))], merge)


def test_with_its_teacher_s_logits_the_loss_is_least_and_its_gradient_nought():
    """Cross-entropy is least where both are the same; then it is the entropy of what the teacher says, softened."""
    logits = torch.tensor([[[2.0, -1.0, 0.5]]], requires_grad=True)
    said = logits[0].detach().double().softmax(-1).numpy()
    for task in ("one", "many"):
        if task == "many":
            said = logits[0].detach().double().sigmoid().numpy()
        own = Teaching.__new__(Teaching)
        own.task, own.how = task, Distil(temperature=3.0, share=0.0)
        soft = torch.from_numpy(softened(said, task, 3.0))
        value = own.loss(Prediction(logits, logits[:, 0]), torch.zeros(1, 3), soft)
        (gradient,) = torch.autograd.grad(value, logits)
        assert gradient.abs().max() < 1e-5
        q = soft[0].double()
        entropy = -(q * q.log()).sum() if task == "one" else -(q * q.log() + (1 - q) * (1 - q).log()).mean()
        assert value.item() == pytest.approx(9 * entropy.item(), rel=1e-4)


def test_labels_and_teachers_count_by_their_shares():
    """At temperature 1, with the labels for the teacher's answer, both parts are the loss that training has without any."""
    logits, targets = torch.randn(4, 1, 3, generator=torch.Generator().manual_seed(0)), torch.eye(3)[[0, 1, 2, 0]]
    prediction = Prediction(logits, logits[:, 0])
    for share in (0.0, 0.3):
        own = Teaching.__new__(Teaching)
        own.task, own.how = "one", Distil(temperature=1.0, share=share)
        assert own.loss(prediction, targets, targets).item() == pytest.approx(loss(prediction, targets, "one").item())
        half = own.loss(prediction, torch.ones(4, 3) / 3, targets).item()
        flat = -logits.log_softmax(-1).mean().item()
        assert half == pytest.approx(share * flat + (1 - share) * loss(prediction, targets, "one").item(), rel=1e-5)


def test_teachers_hear_the_waves_that_the_student_hears(clips, tmp_path, monkeypatch):
    """Mixed and cropped: what its raw net is given is what the teachers were asked of, sample by sample."""
    heard, asked = [], []
    real, score = taggers.Tagger.predict, Teachers.answers

    def predict(self, waves, maps):
        if self.training:
            heard.append(waves.detach().numpy().copy())
        return real(self, waves, maps)

    def answers(self, tagger, waves, rate):
        asked.append(np.stack(waves))
        return score(self, tagger, waves, rate)

    monkeypatch.setattr(taggers.Tagger, "predict", predict)
    monkeypatch.setattr(Teachers, "answers", answers)
    both = taught(teacher(clips))
    recipe = both.recipe(plan(train={"epochs": 1, "batch": 8, "precision": "float32"}), 2.0, 0.1)
    training.train(recipe, clips, tmp_path / "run", teachers=both)
    assert len(asked) == len(heard) > 1
    for one, other in zip(asked, heard, strict=True):
        np.testing.assert_array_equal(one, other)


def test_what_a_teacher_says_is_what_it_tags(clips):
    """Of several their mean, each in its own order of tags; of a table's tags the merged ones; of an ensemble its answer."""
    tags = clips.vocabulary
    one, two = teacher(clips), teacher(clips, seed=1, tags=tuple(reversed(tags)))
    waves = np.random.default_rng(0).normal(0, 0.1, (3, RATE // 2)).astype("f4")
    own = Teaching(taught(one, two), tags, "one", RATE, Distil(temperature=1.0))
    wanted = (one.score_windows(waves) + two.score_windows(waves)[:, ::-1]) / 2
    np.testing.assert_allclose(own.targets(torch.from_numpy(waves)).numpy(), wanted, atol=1e-5)
    both = Ensemble([one, teacher(clips, seed=1)], "geometric", [1, 1])
    own = Teaching(taught(both), tags, "one", RATE, Distil(temperature=1.0))
    scored = both.combine([member.score_windows(waves) for member in both.members])
    np.testing.assert_allclose(own.targets(torch.from_numpy(waves)).numpy(), scored, atol=1e-5)
    other = teacher(clips, tags=("x", "y", "z"))
    table = Vocabulary("t", {"x": tags[0], "y": tags[1], "z": tags[2]})
    own = Teaching(taught(other, merge=table), tags, "one", RATE, Distil(temperature=1.0))
    np.testing.assert_allclose(own.targets(torch.from_numpy(waves)).numpy(), other.score_windows(waves), atol=1e-5)


def test_a_student_learns_what_no_label_says(clips, tmp_path):
    """Labels have no share: what it learns is the teacher's, which has other names in mind. The last epoch is kept, for the
    best by the labels would be the one that learnt least."""
    steps = {"epochs": 10, "batch": 8, "optimiser": {"lr": 6e-3}, "precision": "float32", "keep": "last"}
    recipe = plan(augment=["crop"], train={**steps, "schedule": {"name": "constant"}})
    learnt = library.load(training.train(recipe, clips, tmp_path / "t"))
    tags = clips.vocabulary
    turned = Vocabulary("turned", dict(zip(tags, (*tags[1:], tags[0]), strict=True)))
    teachers = Teachers([learnt], ["t"], turned)
    student = library.load(training.train(teachers.recipe(recipe, 1.0, 0.0), clips, tmp_path / "s", teachers=teachers))
    held = clips.in_folds(["5"])
    said = [student.vocabulary[student.score(path).values.argmax()] for path in held.paths()]
    wanted = [turned.mapping[row[0]] for row in held.table["tags"].to_pylist()]
    assert np.mean([a == b for a, b in zip(said, wanted, strict=True)]) > 0.7  # by its labels none would be right


def test_a_run_that_is_stopped_ends_with_the_same_bytes(clips, tmp_path, monkeypatch):
    teachers = taught(teacher(clips))
    recipe = teachers.recipe(plan(), 2.0, 0.1)
    whole = training.train(recipe, clips, tmp_path / "a", teachers=teachers).read_bytes()
    end = PhaseModule.end_epoch

    def stop(self):
        end(self)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(PhaseModule, "end_epoch", stop)
        with pytest.raises(KeyboardInterrupt):
            training.train(recipe, clips, tmp_path / "b", teachers=teachers)
    again = training.train(recipe, clips, tmp_path / "b", teachers=teachers, resume=True)
    assert again.read_bytes() == whole
    other = taught(teacher(clips, seed=1))
    with pytest.raises(EarmarkError, match="was started with another recipe or other settings"):
        training.train(other.recipe(plan(), 2.0, 0.1), clips, tmp_path / "b", teachers=other, resume=True)


def test_a_teacher_that_learnt_from_the_reported_fold_is_refused(clips, tmp_path):
    teachers = taught(teacher(clips, test="1"))
    with pytest.raises(
        ManifestError, match=r"teacher: t0, which learnt from .*learnt from \d+ of the \d+ test clips.*another teacher"
    ):
        training.train(teachers.recipe(plan(), 2.0, 0.1), clips, tmp_path / "run", teachers=teachers)
    assert not (tmp_path / "run").exists()


def test_a_student_tells_who_taught_it_and_what_these_knew(clips, tmp_path):
    """Clips that a teacher learnt from are no test clips of the student; whose weights a teacher has stays with it."""
    teachers = taught(teacher(clips), teacher(clips, test=None, seed=1, adopted=ORIGIN))
    said: list[str] = []
    path = training.train(
        teachers.recipe(plan(), 2.0, 0.1), clips, tmp_path / "run", teachers=teachers, say=said.append
    )
    facts = library.load(path).facts
    assert [(base.source, base.taught, base.origin) for base in facts.bases] == [
        ("t0", True, None),
        ("t1", True, ORIGIN),
    ]
    assert any(line.startswith("is taught by t0, which learnt from") for line in said)
    learnt = leakage.learnt_folds(leakage.learnt(facts, "folder", clips))
    assert learnt == {"1", "2", "3", "4"}
    assert facts.adopted is None and library.load(path).recipe.distil.teachers == teachers.identities()
    shown = earmark("show", str(path)).stdout
    assert "taught by   t1, weights that others trained" in shown and "licence Apache-2.0" in shown


def test_what_cannot_teach_is_refused(clips, tmp_path):
    others = taught(teacher(clips, tags=("x", "y", "z")))
    recipe = others.recipe(plan(), 2.0, 0.1)
    with pytest.raises(TaggerError, match="teacher t0: does not know 3 of the student's 3 tags.*Say with --merge"):
        training.train(recipe, clips, tmp_path / "run", teachers=others)
    recipe = plan(distil={"teachers": ["abc"]})
    with pytest.raises(RecipeError, match="distil: it is taught by abc: use `earmark distil"):
        training.train(recipe, clips, tmp_path / "run")
    with pytest.raises(EarmarkError, match="a student needs a teacher"):
        Teachers.load([], None, None, "cpu")
    with pytest.raises(RecipeError, match="distil.share"):
        taught(teacher(clips)).recipe(plan(), 2.0, 1.0)
    told = taught(teacher(clips)).recipe(plan(distil={"share": 0.3}), 4.0).distil
    assert (told.share, told.temperature) == (0.3, 4.0)


def by(rule):
    return Vocabulary("mine", {"high": "high"}, rule)


# what the recipe says of its teachers, by which table the command merges, and what is told
OTHERS = {
    "teachers": ({"teachers": ["abc"]}, None, "distil.teachers: the recipe names abc, and t0 are "),
    "no table": ({"merge": "mine"}, None, "distil.merge: the recipe merges the teachers' tags by 'mine', and no --merge is given"),
    "a table": ({"merge": "other"}, by("highest"), "distil.merge: the recipe merges the teachers' tags by 'other', and --merge gives"),
    "a rule": (
        {"merge": "mine", "merge_by": "sum"}, by("highest"),
        "distil.merge_by: the recipe says sum, and the command highest: give --merge-by sum",
    ),
    "a rule alone": ({"merge_by": "sum"}, by("highest"), "distil.merge_by: the recipe says sum, and the command highest"),
    "its rule": ({"merge": "mine"}, by("sum"), "distil.merge_by: the recipe says highest, and the command sum"),
}  # fmt: skip


@pytest.mark.parametrize("what", OTHERS)
def test_what_a_recipe_says_of_its_teachers_is_not_replaced(clips, what):
    says, merge, told = OTHERS[what]
    with pytest.raises(RecipeError) as caught:
        taught(teacher(clips), merge=merge).recipe(plan(distil=says))
    (line,) = caught.value.mistakes
    assert line.startswith(told)


@pytest.mark.parametrize("merge", [None, by("highest"), by("sum")])
def test_a_student_s_own_recipe_is_taken_again(clips, merge):
    """That of its run folder, as it was written."""
    teachers = taught(teacher(clips), merge=merge)
    student = teachers.recipe(plan(distil={"share": 0.3}), 4.0)
    assert teachers.recipe(student) == student
    assert (student.distil.teachers, student.distil.share) == (teachers.identities(), 0.3)
    assert student.distil.merge == (merge and "mine")


def test_a_recipe_without_teachers_is_as_it_was(clips):
    assert "distil" not in plan().as_dict()


def test_folds_have_teachers_of_their_own(clips, tmp_path):
    for fold in "45":
        (tmp_path / f"big/fold-{fold}").mkdir(parents=True)
        teacher(clips, test=fold, seed=int(fold)).save(tmp_path / f"big/fold-{fold}/tagger.safetensors")
    (own,) = Teachers.load([tmp_path / "big"], None, "4", "cpu").taggers
    assert own.identity() == teacher(clips, test="4", seed=4).identity()
    with pytest.raises(EarmarkError, match="holds a tagger for each fold: say --fold"):
        Teachers.load([tmp_path / "big"], None, None, "cpu")
    with pytest.raises(EarmarkError, match="has no tagger of fold 2, but of 4, 5"):
        Teachers.load([tmp_path / "big"], None, "2", "cpu")


def test_the_verb_trains_both_and_compares_them_in_pairs(clips, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    manifests.write(clips, tmp_path / "clips.csv")
    recipe = plan(data={"dataset": "table", "validation": 0.2}).as_dict()
    (tmp_path / "small.yaml").write_text(json.dumps(recipe))
    for fold in "12345":
        (tmp_path / f"big/fold-{fold}").mkdir(parents=True)
        own = teacher(clips, test=fold, seed=int(fold))
        own.facts = replace(own.facts, data=DataSet("table"))
        own.save(tmp_path / f"big/fold-{fold}/tagger.safetensors")
    words = ("distil", "big", "--into", "small.yaml", "--data", "clips.csv", "--out", "d", "--fold", "4", "--fold", "5")
    done = earmark(*words, "--resamples", "20")
    assert done.returncode == 0, done.stderr
    told = json.loads((tmp_path / "d/report/comparison.json").read_text())
    assert [system["name"] for system in told["systems"]] == ["student", "alone", "big"]
    assert told["clips"] == len(clips.in_folds(["4", "5"]))
    student, alone = (library.load(tmp_path / f"d/{name}/fold-5/tagger.safetensors") for name in ("student", "alone"))
    assert student.recipe.seed == alone.recipe.seed and alone.facts.bases is None
    assert student.facts.bases[0].tagger == teacher(clips, test="5", seed=5).identity()
    again = earmark(*words, "--resamples", "20", "--resume")
    assert again.returncode == 0, again.stderr
    # the recipe names the teacher of the first fold alone, and nothing is trained before that of the second is looked at
    own = ["--set", f"distil.teachers=[{teacher(clips, test='4', seed=4).identity()}]"]
    refused = earmark(*[word if word != "d" else "other" for word in words], *own)
    assert refused.returncode == 2 and "distil.teachers: the recipe names" in refused.stderr, refused.stderr
    assert not (tmp_path / "other").exists()
    assert teaching.TAGGER == "tagger.safetensors"


def test_teachers_are_compared_whatever_they_are_given_as(clips, tmp_path, monkeypatch):
    """By file, as the folder of a run or of a run over folds, as which they teach."""
    monkeypatch.chdir(tmp_path)
    manifests.write(clips, tmp_path / "clips.csv")
    recipe = plan(data={"dataset": "table", "validation": 0.2}, train={"epochs": 1, "batch": 8, "precision": "float32"})
    (tmp_path / "small.yaml").write_text(json.dumps(recipe.as_dict()))
    own = teacher(clips)
    own.facts = replace(own.facts, data=DataSet("table"))
    for place in ("file.safetensors", "single/tagger.safetensors", "big/fold-5/tagger.safetensors"):
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        own.save(tmp_path / place)
    words = ("distil", "file.safetensors", "single", "big", "--into", "small.yaml", "--data", "clips.csv", "--out", "d")
    done = earmark(*words, "--fold", "5", "--no-alone", "--resamples", "5")
    assert done.returncode == 0, done.stderr
    told = json.loads((tmp_path / "d/report/comparison.json").read_text())
    assert [system["name"] for system in told["systems"]] == ["student", "file", "single", "big"]
    words = ("distil", "single", *words[4:-1], "e", "--set", "data.test=[5]", "--no-alone", "--resamples", "5")
    done = earmark(*words)  # once, not over folds
    assert done.returncode == 0, done.stderr
    told = json.loads((tmp_path / "e/report/comparison.json").read_text())
    assert [system["name"] for system in told["systems"]] == ["student", "single"]
