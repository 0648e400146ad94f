"""Plug-ins that are wrong at work: `check` and `train` tell each in one sentence, before a folder is made."""

from __future__ import annotations

import re
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import yaml
from tests.program import earmark
from tests.small import SAME
from tests.small import tagger as small
from tests.test_train import recipe

from earmark import plugins
from earmark import recipe as recipes
from earmark.errors import EarmarkError, RecipeError
from earmark.registry import AUGMENTATIONS as AUGMENTATIONS_OF_ALL
from earmark.registry import NETS as NETS_OF_ALL
from earmark.registry import Entry

training = pytest.importorskip("earmark.train")
trial = pytest.importorskip("earmark.train.trial")

NET = """
import torch
from torch import nn
from earmark.models.nets import net
from earmark.models.prediction import Grid, Prediction

class Mine(nn.Module):
    shortest = 1

    def __init__(self, tags):
        super().__init__()
        self.head = nn.Linear(2, tags)

    def forward(self, maps):
        embedding = torch.stack([maps.mean((1, 2, 3)), maps.amax((1, 2, 3))], 1)
        levels = self.head(embedding)[:, None]
        return Prediction(levels, embedding)

@net(paper="our own", input="maps")
def mine(tags: int = 3, channels: int = 1, bands: int = 1, width: int = 1):
    return Mine(tags)
"""
FEATURE = """
import torch
from torch import nn
from earmark.registry import FEATURES

@FEATURES.register()
class louds(nn.Module):
    channels = bands = 1
    shortest = 100

    def __init__(self, sample_rate, size: int = 100):
        super().__init__()
        self.size = size

    def frames(self, samples):
        return samples // self.size

    def middles(self, places, samples):
        return (places + 0.5) * self.size

    def forward(self, waves):
        cut = waves[:, : waves.shape[1] // self.size * self.size].unflatten(1, (-1, self.size))
        maps = (cut.square().mean(-1) + 1e-4).log()[:, None, None]
        return maps
"""
AUGMENTATION = """
from earmark.registry import AUGMENTATIONS

@AUGMENTATIONS.register("changed", stage="STAGE")
class Changed:
    def draw(self, generator, first, second=None):
        return PLAN

    def apply(self, plan, values, *targets):
        return GIVES
"""
SAYS = "Prediction(levels, embedding)"
# old, new, what is told of the net
NETS = [
    ("shortest = 1", "short = 1", r"what it makes has no `shortest`, the fewest inputs that it takes"),
    ("return Mine(tags)", "return None", r"what it makes has no `\w+`, "),
    ("nn.Linear(2, tags)", "lambda e: e.repeat(1, 9)[:, :tags]", r"what it makes has no parameters, so that nothing would be learnt"),
    ("return Mine(tags)", "return Mine(**{})", r"its making fails \(line 21\): TypeError: .*'tags'"),
    ("super().__init__()", "pass", r"its making fails \(line 12\): AttributeError: cannot assign module"),
    (SAYS, "levels", r"its forward gives a tensor of float32 \(2, 1, 3\), not a Prediction of earmark\.models\.prediction"),
    (SAYS, "None", r"its forward gives nothing \(None\), not a Prediction"),
    (SAYS, "Prediction(levels[:, 0], embedding)", r"its `levels` is a tensor of float32 \(2, 3\), where .*: \(2, …, 3\)"),
    (SAYS, "Prediction(levels[..., :2], embedding)", r"its `levels` is a tensor of float32 \(2, 1, 2\), .*: \(2, …, 3\)"),
    (SAYS, "Prediction(levels[:1], embedding)", r"its `levels` is a tensor of float32 \(1, 1, 3\), "),
    (SAYS, "Prediction(levels[:, :0], embedding)", r"its `levels` is a tensor of float32 \(2, 0, 3\), "),
    (SAYS, "Prediction(levels.int(), embedding)", r"its `levels` is a tensor of int32 \(2, 1, 3\), where floats"),
    (SAYS, "Prediction(levels * torch.nan, embedding)", r"its `levels` of noise has values that are no finite numbers"),
    (SAYS, "Prediction(levels, embedding[0])", r"its `embedding` is a tensor of float32 \(2,\), where .* \(batch, width\)"),
    (SAYS, "Prediction(levels, None)", r"its `embedding` is nothing \(None\), where floats"),
    (SAYS, "Prediction(levels, embedding, levels[0])", r"its `frames` is a tensor of float32 \(1, 3\), where floats"),
    (SAYS, "Prediction(levels, embedding, levels)", r"gives frames, and has no `grid`, an earmark\.models\.prediction\.Grid"),
    (SAYS, "{}['x']", r"its forward fails \(line 17\): KeyError: 'x'"),
    (SAYS, "Prediction(levels.detach(), embedding)", r"its levels have no gradient, so that nothing would be learnt"),
    (SAYS, "Prediction(levels * 0, embedding)", r"its levels are the same of two different sounds, whatever its weights are"),
    (SAYS, "Prediction(levels * 0 + self.head.bias, embedding)", r"its levels are the same of two different sounds"),
    (SAYS, "Prediction(levels.round().detach() + levels * 0, embedding)", r"the gradient of its levels is 0 for each of its weights"),
    (SAYS, "Prediction(levels.softmax(-1), embedding)", r"its levels add up to 1 over the tags, as after a softmax, whatever"),
    (SAYS, "Prediction(levels.sigmoid(), embedding)", r"its levels lie between 0 and 1, as after a sigmoid, whatever its weights"),
    ("return Mine(tags)", "return Mine(tags).requires_grad_(False)", r"all its weights are frozen \(requires_grad is False\)"),
    (SAYS, "Prediction(levels + torch.rand(1), embedding)", r"answers the same windows differently the second time"),
    (SAYS, "Prediction(levels - levels.mean(0), embedding)", r"its values of `levels` for a window differ by .* alone and in a batch"),
    (SAYS, "Prediction(levels, embedding / len(maps))", r"its values of `embedding` for a window differ by .* alone and in a batch"),
    ("embedding = ", "maps *= 0.5; embedding = ", r"its forward writes into what it is given: make new tensors"),
]  # fmt: skip
FEATURES = [
    ("channels = bands = 1", "channels = 1", r"what it makes has no `bands`, which all of its kind have"),
    ("def frames", "def count", r"what it makes has no `frames`, which all of its kind have"),
    ("shortest = 100", "shortest = bands = 7", r"its forward gives a tensor of float32 \(2, 1, 1, 20\), .*: \(2, 1, 7, 20\)"),
    ("return maps", "return maps[..., 1:]", r"its forward gives a tensor of float32 \(2, 1, 1, 19\), .*: \(2, 1, 1, 20\)"),
    ("return maps", "return maps.numpy()", r"its forward gives an array of float32"),
    ("return maps", "return maps / 0", r"its forward gives values of noise that are no finite numbers"),
    ("return maps", "return maps - maps.mean(0)", r"its maps for a window differ by .* alone and in a batch of two"),
    ("return maps", "waves *= 2; return maps", r"its forward writes into the waves that it is given"),
    ("return maps", "return {}['x']", r"its forward fails \(line 24\): KeyError: 'x'"),
    ("self.size = size", "self.size = {}['x']", r"features: 'x'"),  # of arguments that do not go together
    ("self.size = size", "self.size = None + size", r"its making fails \(line 13\): TypeError: "),
]  # fmt: skip
AUGMENTATIONS = [
    ("clip", "None", "values[:0]", r"its apply leaves nothing of a wave"),
    ("clip", "{}['x']", "values", r"its draw fails \(line 7\): KeyError: 'x'"),
    ("pair", "None", "values[0]", r"its draw gives nothing \(None\), and a plan has `rows`"),
    ("batch", "None", "(values[1:], targets[0][1:])", r"its apply gives a tensor of float32 \(3, 2000\) for waves"),
    ("batch", "None", "(values, targets[0] * 2 - 3)", r"its apply gives targets from -3 to -1"),
    ("maps", "None", "(values[..., 1:], targets[0])", r"its apply gives a tensor of float32 \(4, 1, 1, 19\) for maps"),
]


CHANCE = r"gives something else of the same sound and the same generator the second time, .* draw all chance in `draw`"
PLACES = r"its apply gives clip \d of a batch the sound of clip \d, and leaves it its own target"
ROW = "__import__('types').SimpleNamespace(rows=[first, (first + 1) % 4])"
# stage, what is drawn, what is given, what is told: what one answer alone does not show
HEARD = [
    ("clip", "None", "values * 0", r"its apply gives silence: .* the loudest sample is 0, where 0\.5 went in, in each of 4 draws"),
    ("clip", "None", "values / 32768", r"its apply gives silence: .* the loudest sample is 2e-05"),
    ("clip", "None", "values * 1e6", r"its apply gives a wave of which the largest value is 5e\+05, where 0\.5 went in; more than 1,000"),
    ("clip", "None", "values * 32768", r"its apply gives a wave of which the largest value is 1\.64e\+04, .* full scale is from -1 to 1"),
    ("clip", "None", "values * __import__('numpy').random.rand()", CHANCE),
    ("clip", "None", "values * __import__('random').random()", CHANCE),
    ("pair", ROW, "(values[0] * 0, targets[0][0])", r"its apply gives silence"),
    ("pair", ROW, "(values[0] * 32768, targets[0][0])", r"its apply gives a wave of which the largest"),
    ("pair", ROW, "(values[0] * __import__('numpy').random.rand(), targets[0][0])", CHANCE),
    ("pair", ROW, "(values[1], targets[0][0])", PLACES),
    ("batch", "None", "(values * 0, targets[0])", r"its apply gives silence"),
    ("batch", "None", "(values * 32768, targets[0])", r"its apply gives waves of which the largest"),
    ("batch", "None", "(values[__import__('torch').randperm(4)], targets[0])", rf"{CHANCE}|{PLACES}"),
    ("batch", "None", "(values * __import__('torch').rand(1), targets[0])", CHANCE),
    ("batch", "generator.permutation(4)", "(values[plan], targets[0])", PLACES),
    ("maps", "None", "(values * 0 + 3, targets[0])", r"its apply leaves nothing on a map: its values differ by 0, where"),
    ("maps", "None", "(values * 1e9, targets[0])", r"its apply gives maps of which the largest value is .* give maps of the same unit"),
    ("maps", "None", "(values * __import__('torch').rand(1), targets[0])", CHANCE),
    ("maps", "generator.permutation(4)", "(values[plan], targets[0])", PLACES),
]  # fmt: skip
# stage, what is drawn, what is given: as unusual as may be
TAKEN = [
    ("clip", "generator.random() < 0.5", "values * plan"),  # silence at times
    ("clip", "None", "values * 0.001"),
    ("clip", "None", "values * 900"),
    ("clip", "None", "values * (values[-1] == 0)"),  # takes noise away, and leaves tones
    ("batch", "generator.permutation(4)", "(values[plan], targets[0][plan])"),
    ("maps", "generator.permutation(4)", "(values[plan], targets[0][plan])"),
    ("maps", "generator.random() < 0.5", "(values * plan, targets[0])"),
]


@pytest.fixture
def load(tmp_path):
    def run(source, name="p.py"):
        (tmp_path / name).write_text(source)
        return plugins.load(tmp_path / name)

    yield run
    for each in plugins.known():
        if each.sha256:
            each.forget()
            plugins._KNOWN.pop(each.root)


def plan(**changes):
    crop = ["crop", *changes.pop("augment", [])]
    return recipe(net="mine", features="louds", augment=crop, windows={"length": 0.5, "hop": 0.5}, **changes)


def told_by(checked):
    with pytest.raises(RecipeError) as error:
        trial.check_plugins(checked, ("a", "b", "c"))
    (mistake,) = error.value.mistakes
    return mistake


def test_what_is_as_it_should_be_is_taken_and_leaves_chance_as_it_was(load):
    load(NET), load(FEATURE, "f.py")
    load(AUGMENTATION.replace("STAGE", "clip").replace("PLAN", "None").replace("GIVES", "values * 0.5"), "a.py")
    torch.manual_seed(3)
    before = torch.get_rng_state()
    trial.check_plugins(plan(augment=[]), ("a", "b", "c"))
    trial.check_plugins(plan(augment=["changed"]), ("a",))  # fewer tags than clips
    assert torch.equal(before, torch.get_rng_state())


# what begins as a mistake does and is none: levels that are all 0, or lie between 0 and 1, before anything is learnt
BEGINS = ["self.head.weight.data.zero_()", "self.head.bias.data.fill_(0.5); self.head.weight.data.mul_(1e-3)"]


@pytest.mark.parametrize("begins", [*BEGINS, f"{BEGINS[0]}; self.head.bias.data.zero_()"])
@pytest.mark.parametrize("tags", ["a", "abc"])
def test_a_net_that_begins_with_levels_of_nought_or_near_one_half_is_taken_and_left_as_it_is(load, begins, tags):
    (
        load(NET.replace("self.head = nn.Linear(2, tags)", f"self.head = nn.Linear(2, tags); {begins}")),
        load(FEATURE, "f.py"),
    )
    trial.check_plugins(plan(), tuple(tags))
    made = trial._built(plan(), tuple(tags))
    before = {name: value.clone() for name, value in made.state_dict().items()}
    trial._check_tagger(made, len(tags))
    assert all(torch.equal(before[name], value) for name, value in made.state_dict().items())


@pytest.mark.parametrize("dtype", ["double", "half"])
def test_other_floats_are_taken(load, dtype):
    load(NET.replace(SAYS, f"Prediction(levels.{dtype}(), embedding.{dtype}())")), load(FEATURE, "f.py")
    trial.check_plugins(plan(), ("a", "b", "c"))


@pytest.mark.parametrize(("old", "new", "told"), NETS, ids=[new for _, new, _ in NETS])
def test_a_net(load, old, new, told):
    assert NET.count(old) == 1
    load(NET.replace(old, new)), load(FEATURE, "f.py")
    mistake = told_by(plan())
    assert re.match(rf"the net 'mine' of \S+p\.py: {told}", mistake), mistake


@pytest.mark.parametrize(("old", "new", "told"), FEATURES, ids=[new for _, new, _ in FEATURES])
def test_a_feature(load, old, new, told):
    assert FEATURE.count(old) == 1
    load(NET), load(FEATURE.replace(old, new), "f.py")
    mistake = told_by(plan())
    assert re.match(rf"(the feature 'louds' of \S+f\.py: )?{told}", mistake), mistake


@pytest.mark.parametrize(("stage", "drawn", "gives", "told"), AUGMENTATIONS)
def test_an_augmentation(load, stage, drawn, gives, told):
    source = AUGMENTATION.replace("STAGE", stage).replace("PLAN", drawn).replace("GIVES", gives)
    load(NET), load(FEATURE, "f.py"), load(source, "a.py")
    checked = plan()
    raw = checked.as_dict()
    raw["augment"] = ["changed", "crop"] if stage == "clip" else ["crop", "changed"]
    mistake = told_by(recipes.parse(raw))
    assert re.match(rf"the augmentation 'changed' of \S+a\.py: {told}", mistake), mistake


def with_it(stage):
    return recipes.parse(
        plan().as_dict() | {"augment": ["changed", "crop"] if stage == "clip" else ["crop", "changed"]}
    )


@pytest.mark.parametrize(("stage", "drawn", "gives", "told"), HEARD)
def test_what_an_augmentation_leaves_of_sounds(load, stage, drawn, gives, told):
    source = AUGMENTATION.replace("STAGE", stage).replace("PLAN", drawn).replace("GIVES", gives)
    load(NET), load(FEATURE, "f.py"), load(source, "a.py")
    mistake = told_by(with_it(stage))
    assert re.match(rf"the augmentation 'changed' of \S+a\.py: ({told})", mistake), mistake


@pytest.mark.parametrize(("stage", "drawn", "gives"), TAKEN)
def test_an_augmentation_that_is_unusual_is_taken(load, stage, drawn, gives):
    source = AUGMENTATION.replace("STAGE", stage).replace("PLAN", drawn).replace("GIVES", gives)
    load(NET), load(FEATURE, "f.py"), load(source, "a.py")
    trial.check_plugins(with_it(stage), ("a", "b", "c"))


@pytest.mark.parametrize("stage", ["clip", "batch"])
def test_a_sound_that_is_too_loud_now_and_then_is_told_in_training(load, stage):
    gives = "values * 1e6" if stage == "clip" else "(values * 1e6, targets[0])"
    load(AUGMENTATION.replace("STAGE", stage).replace("PLAN", "None").replace("GIVES", gives), "a.py")
    (applied,) = training.augment.staged([SimpleNamespace(name="changed", arguments={})], 8000)[stage]
    wave = np.full(100, 0.5, np.float32)
    given = (
        (applied.to_clip, np.random.default_rng(0), wave, 100)
        if stage == "clip"
        else (applied.to_batch, None, torch.from_numpy(wave[None]), torch.ones(1, 1))
    )
    with pytest.raises(EarmarkError, match=r"largest value is 5e\+05, where 0\.5 went in"):
        given[0](*given[1:])


@pytest.mark.parametrize("name", AUGMENTATIONS_OF_ALL.names())
def test_augmentations_of_earmarks_own_would_be_taken(name, monkeypatch):
    monkeypatch.setattr(Entry, "own", property(lambda entry: False))
    needed = {"shift": {"most": 0.2, "ends": "zeros"}, "gain": {"db": 60}}
    entry = AUGMENTATIONS_OF_ALL[name]
    changed = {"name": name, **needed.get(name, {})}
    augment = ["crop"] if name == "crop" else [changed, "crop"] if entry.facts["stage"] == "clip" else ["crop", changed]
    maps = (
        {"net": "cnnspec", "features": "logmel", "windows": {"length": 5, "hop": 5}}
        if entry.facts["stage"] == "maps"
        else {}
    )
    raw = recipe().as_dict() | {"augment": augment, "task": entry.facts.get("task", "one"), **maps}
    trial._check_augmentations(recipes.parse(raw), ("a", "b", "c"), None)


@pytest.mark.parametrize("name", sorted(set(NETS_OF_ALL.names()) - set(SAME)))
def test_nets_and_features_of_earmarks_own_would_be_taken(name, monkeypatch):
    monkeypatch.setattr(Entry, "own", property(lambda entry: False))
    made = small(name, 1.0, 0.5)
    trial._check_tagger(made, len(made.vocabulary))


def test_each_phase_is_tried(load):
    load(NET.replace(SAYS, "levels")), load(FEATURE, "f.py")
    raw = recipe().as_dict() | {"phases": {"first": {"net": "mine", "features": "louds"}, "last": {}}}
    assert told_by(recipes.parse(raw)).startswith("phases.first.the net 'mine' of ")


def test_check_and_train_tell_it_before_a_folder_is_made(tmp_path, clips, load):
    path = tmp_path / "p.py"
    path.write_text(NET.replace(SAYS, "levels") + FEATURE)
    (tmp_path / "plan.yaml").write_text(
        yaml.safe_dump(recipe().as_dict() | {"net": "mine", "features": "louds", "augment": ["crop"]})
    )
    del load
    plugins.load(path)
    with pytest.raises(EarmarkError, match=r"not a Prediction of earmark"):
        training.train(recipes.load(tmp_path / "plan.yaml"), clips, tmp_path / "run")
    assert not (tmp_path / "run").exists()
    done = earmark("check", tmp_path / "plan.yaml", "--plugin", path)
    assert done.returncode == 2 and "not a Prediction of earmark.models.prediction" in done.stderr
    assert "Traceback" not in done.stderr and done.stderr.count("\n") == 2
