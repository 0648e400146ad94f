"""A setting that names another feature, net or data set: over every kind of recipe, and what goes away is said."""

from __future__ import annotations

import inspect

import pytest
import torch
from tests.program import earmark

from earmark import recipe
from earmark.errors import RecipeError
from earmark.models import tagger
from earmark.registry import DATASETS, FEATURES, NETS

SHIPPED = {name: recipe.load(name) for name in recipe.shipped()}
HEARS_MAPS = [name for name, plan in SHIPPED.items() if plan.features is not None]


def of_each(kind) -> list[str]:
    """The recipe of each kind that sets most: others of it are renamed by the same steps."""
    most: dict[object, str] = {}
    for name, plan in sorted(SHIPPED.items(), key=lambda each: -len(each[1].net.arguments)):
        most.setdefault(kind(plan), name)
    return sorted(most.values())


# What renaming a part looks at: what is set there, and for a net, which other parts hang on what it hears
FEATURE = of_each(lambda plan: plan.features and (plan.features.name, *sorted(plan.features.arguments), plan.net.name))
NET = of_each(lambda plan: (plan.net.name, plan.features is None, plan.resize is None, *plan.phases))
DATA = of_each(lambda plan: (plan.data.dataset, *sorted(plan.data.options), plan.data.tags is None))
ONE_OF_EACH = {plan.net.name: name for name, plan in SHIPPED.items()}.values()  # building takes its time
POOLED = {"cnnspec", "cnncomb"}  # six pools of two: 40 coefficients are too few for them


def takes(registry, name) -> set[str]:
    function = registry[name].function
    return set(inspect.signature(function.__init__ if inspect.isclass(function) else function).parameters)


def load(name, *settings):
    said: list[str] = []
    return recipe.load(name, settings, said.append), said


def build(plan) -> None:
    with torch.device("meta"):
        tagger.build(plan, [str(number) for number in range(10)])


@pytest.mark.parametrize("feature", FEATURES.names())
@pytest.mark.parametrize("name", [name for name in FEATURE if SHIPPED[name].features])
def test_every_feature_under_every_kind_of_recipe(name, feature):
    before = SHIPPED[name]
    plan, said = load(name, f"features.name={feature}")
    assert plan.features.name == feature
    told, kept = before.features.arguments, plan.features.arguments
    calls = {"bands": "mel_bands"} if feature == "mfcc" else {}
    gone = {key for key in told if calls.get(key, key) not in kept}
    assert kept == {calls.get(key, key): value for key, value in told.items() if key not in gone}
    assert gone == {key for key in told if calls.get(key, key) not in takes(FEATURES, feature)} | (
        {"mean", "deviation"} & told.keys() if feature == "mfcc" else set()
    )
    words = {word.strip(",") for line in said for word in line.split()}
    assert gone <= words and bool(gone) == bool(said)
    if name in ONE_OF_EACH:
        if feature == "mfcc" and before.net.name in POOLED:
            with pytest.raises(RecipeError, match="40 bands are pooled to nothing"):
                build(plan)
            plan, _ = load(name, "features.name=mfcc", "features.coefficients=64")
        build(plan)


@pytest.mark.parametrize("net", NETS.names())
@pytest.mark.parametrize("name", NET)
def test_every_net_under_every_kind_of_recipe(name, net):
    """Its own keys are at their defaults, and what the recipe is refused for are no keys of the other net."""
    before = SHIPPED[name]
    said: list[str] = []
    try:
        plan = recipe.load(name, [f"net.name={net}"], said.append)
    except RecipeError as error:
        wrong = [
            each for each in error.mistakes if each.startswith(("net", "resize", "features.")) or "features: " in each
        ]
        hears = NETS[net].facts["input"]
        assert all("features: is missing: " in each for each in wrong), wrong
        assert not wrong or hears != "waves" or before.phases
        return
    kept = plan.net.arguments
    assert kept.items() <= before.net.arguments.items()
    gone = before.net.arguments.keys() - kept.keys()
    assert gone <= {word.strip(",") for line in said for word in line.split()}
    if NETS[net].facts["input"] == "waves" and before.features is not None:
        assert plan.features is None and plan.resize is None
        assert any(line.startswith("features") and f"as {net} hears the raw waveform" in line for line in said)


@pytest.mark.parametrize("dataset", DATASETS.names())
@pytest.mark.parametrize("name", DATA)
def test_every_data_set_under_every_kind_of_recipe(name, dataset):
    before = SHIPPED[name].data
    plan, said = load(name, f"data.dataset={dataset}")
    known = takes(DATASETS, dataset)
    assert plan.data.options == {key: value for key, value in before.options.items() if key in known}
    counted = dataset != before.dataset and getattr(before, "tags", None) is not None
    assert bool(said) == (plan.data.options != before.options or counted)
    assert getattr(plan.data, "tags", None) == (None if dataset != before.dataset else getattr(before, "tags", None))


def test_what_is_said(tmp_path):
    done = earmark("check", "audioset-resnet-b", "--set", "features.name=mfcc", "--set", "data.dataset=esc")
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines()[:2] == [
        "features: frame, magnitude and log are left out: set for logmel, not for mfcc",
        "data.options: part and missing are left out: set for audioset, not for esc",
    ]


@pytest.mark.parametrize("settings", [
    ["features.name=mfcc", "features.log=ln"], ["features.log=ln", "features.name=mfcc"],
])  # fmt: skip
def test_what_is_set_of_the_new_one_stays(settings):
    """In any order: a slip is told, not taken out."""
    with pytest.raises(RecipeError, match=r"features\.log: mfcc takes no such argument"):
        recipe.load("fsdkaggle2018-convnet2d", settings)
    plan = recipe.load("fsdkaggle2018-convnet2d", ["features.deviation=50", "features.name=mfcc"])
    assert plan.features.arguments["deviation"] == 50


def test_the_same_name_changes_nothing():
    for name in HEARS_MAPS:
        plan, said = load(name, "features.name=logmel", f"net.name={SHIPPED[name].net.name}")
        assert plan == SHIPPED[name] and said == []


def test_there_and_back():
    """The number of bands goes along, by whatever name."""
    plan, _ = load("fsdd-resnet-c-att", "features.name=mfcc")
    assert plan.features.arguments["mel_bands"] == 40
    raw = plan.as_dict()
    assert recipe.renaming.clear(raw, "features.name=logmel") == []
    assert raw["features"]["bands"] == 40


def test_phases_and_augmentations():
    plan, said = load("fsdkaggle2018-convnet2d", "augment.2.name=mixup_maps", "augment.2.alpha=0.5")
    assert plan.augment[2].arguments == {"alpha": 0.5} and said == []
    plan, said = load("esc10-bankresnet", "augment.1.name=shift")
    before = SHIPPED["esc10-bankresnet"].augment[1]
    assert said == [f"augment.1: {key} is left out: set for {before.name}, not for shift" for key in before.arguments]
    plan, said = load("esc10-cnncomb", "phases.spec.net.name=resnet_b")
    assert plan.phases["spec"].net.name == "resnet_b"
    for setting in (
        "features.name=[",
        "features.name=",
        "features.name=nothing",
        "nothing.name=mfcc",
        "augment.99.name=erase",
    ):
        with pytest.raises(RecipeError):
            recipe.load("fsdkaggle2018-convnet2d", [setting])
