"""Recipes: the shipped ones are built, and files with known mistakes are compared with the lines that they must give."""

import copy
import json

import pytest
import torch
import yaml

from earmark import recipe
from earmark.errors import RecipeError
from earmark.models import tagger
from earmark.models.layers.blocks import count
from earmark.registry import AUGMENTATIONS, NETS
from earmark.train import augment

GOOD = """
task: one
sample_rate: 16000
data: {dataset: esc, test: [5], validation: 0.2}
windows: {length: 1.0, hop: 0.5}
features: {name: logmel, window: 512/16000, hop: 256/16000, bands: 64}
net: {name: cnnspec, widths: [4, 4, 4, 4, 4, 4], frame_pools: [2, 1, 1, 1, 1, 1], hidden: 8}
augment: [crop, {name: mixup, share: 0.5}]
train: {epochs: 2}
"""
DELETE = object()


def good(**changes):
    """The good recipe as plain values; changes are named by the path of their key with __ for the points."""
    raw = yaml.safe_load(GOOD)
    for path, value in changes.items():
        *above, last = [int(step) if step.isdecimal() else step for step in path.split("__")]
        place = raw
        for step in above:
            place = place[step]
        if value is DELETE:
            del place[last]
        else:
            place[last] = value
    return raw


def mistakes(raw, name="test"):
    with pytest.raises(RecipeError) as caught:
        recipe.parse(raw, name)
    return caught.value.mistakes


@pytest.fixture
def write(tmp_path):
    def to_file(text, name="mine.yaml"):
        path = tmp_path / name
        path.write_bytes(text) if isinstance(text, bytes) else path.write_text(text, encoding="utf-8")
        return path

    return to_file


def file_mistakes(path, *settings):
    with pytest.raises(RecipeError) as caught:
        recipe.load(path, settings)
    assert str(caught.value).startswith(f"recipe {path}: ")
    return caught.value.mistakes


# The shipped recipes


@pytest.mark.parametrize("name", recipe.shipped())
def test_a_shipped_recipe_can_be_built(name):
    loaded = recipe.load(name)
    assert loaded.name == name
    assert len(loaded.summary) > 20
    with torch.device("meta"):
        parameters, _ = count(tagger.build(loaded, [str(i) for i in range(10)]))
    assert parameters > 1000
    assert [augment.build(part.name, part.arguments, loaded.sample_rate) for part in loaded.augment]


@pytest.mark.parametrize("name", recipe.shipped())
def test_what_a_tagger_stores_is_the_recipe(name):
    loaded = recipe.load(name)
    stored = json.loads(json.dumps(loaded.as_dict()))
    assert recipe.parse(stored) == loaded
    assert recipe.parse(stored).as_dict() == stored


def test_there_are_shipped_recipes():
    assert "esc10-cnnspec" in recipe.shipped()


# Reading


def test_a_good_recipe(write):
    loaded = recipe.load(write(GOOD))
    assert loaded.name == "mine"
    assert loaded.data.test == ["5"]
    assert loaded.net.arguments["hidden"] == 8
    assert loaded.features.arguments == {"window": 0.032, "hop": 0.016, "bands": 64}
    assert [part.name for part in loaded.augment] == ["crop", "mixup"]
    assert loaded.train.optimiser.lr == 1e-3
    assert loaded.windows.build().samples(16000) == (16000, 8000)


def test_fractions_are_read_where_numbers_are():
    loaded = recipe.parse(
        good(
            windows__length="2048/44100",
            windows__hop=" 1.5 / 3 ",
            data__validation="1/4",
            train__optimiser={"betas": ["9/10", 0.99]},
            summary="1/2",
            name="3/4",
            data__test=["1/5", "2/5"],
        )
    )
    assert loaded.windows.length == 2048 / 44100
    assert loaded.windows.hop == 0.5
    assert loaded.data.validation == 0.25
    assert loaded.train.optimiser.betas == (0.9, 0.99)
    assert (loaded.summary, loaded.name) == ("1/2", "3/4")  # text stays text
    assert loaded.data.test == ["1/5", "2/5"]


def test_an_exponent_without_a_point_is_a_number_everywhere():
    """YAML 1.1 reads 1e-3 as text, also among the arguments of a component, which are passed on as they are."""
    raw = yaml.safe_load("{lr: 1e-3}")
    assert raw == {"lr": "1e-3"}
    loaded = recipe.parse(good(augment__1={"name": "mixup", "alpha": "1e-3"}, train__optimiser={"lr": "+2.E-4"}))
    assert loaded.augment[1].arguments["alpha"] == 0.001
    assert loaded.train.optimiser.lr == 2e-4


@pytest.mark.parametrize("value", ["1/0", "1/2/3", "a/b", "1//2", "-1/2"])
def test_what_is_no_fraction(value):
    assert mistakes(good(windows__length=value)) == [f"windows.length: should be a number (it is {value!r})"]


def test_folds_are_names():
    loaded = recipe.parse(good(data__test=[1, "two"], data__validation=[3], data__train=[4, 5]))
    assert (loaded.data.test, loaded.data.validation, loaded.data.train) == (["1", "two"], ["3"], ["4", "5"])
    assert mistakes(good(data__test=[True])) == ["data.test.0: should be text (it is True)"]
    assert mistakes(good(data__test=5)) == ["data.test: should be a list (it is 5)"]


def test_parse_leaves_its_input_alone():
    raw = good()
    before = copy.deepcopy(raw)
    recipe.parse(raw)
    assert raw == before


# Mistakes


def test_all_mistakes_at_once(write):
    path = write(
        """
        task: two
        sample_rate: 44.1
        colour: blue
        data: {datset: esc, validation: 1.5}
        windows: {length: -2, hop: often, last: algn}
        features: {name: logmell}
        net: {name: cnnspec, widhts: [4], tags: 3}
        augment:
          - trimm
          - {name: mixup, alpha: big}
          - {share: 0.5}
        train:
        """
    )
    assert file_mistakes(path) == [
        "augment.0.name: no augmentation is called 'trimm', did you mean 'trim'? "
        f"Known: {', '.join(AUGMENTATIONS.names())}",
        "augment.1.alpha: should be a number (it is 'big')",
        "augment.2.name: is missing",
        "colour: no such key. Known here: name, summary, seed, task, sample_rate, data, windows, normalise, features, resize, net, head, "
        "augment, train, load, phases, run, epochs, distil",
        "data.dataset: is missing",
        "data.datset: no such key, did you mean 'dataset'? "
        "Known here: dataset, options, test, validation, train, folds, deal, rotate, shared_groups, tags, reserved",
        "data.validation: should be a list of folds, or a fraction between 0 and 1 (it is 1.5)",
        "features.name: no feature is called 'logmell', did you mean 'logmel'? Known: logmel, mfcc, multires, spectrogram",
        "net.tags: is filled in by the tagger and cannot be set",
        "net.widhts: cnnspec takes no such argument, did you mean 'widths'? "
        f"It takes {', '.join(k for k in NETS['cnnspec'].arguments() if k not in ('tags', 'channels', 'bands'))}",
        "sample_rate: should be a whole number (it is 44.1)",
        "task: should be 'one' or 'many' (it is 'two')",
        "train: should be keys and values (it is empty)",
        "windows.hop: should be a number (it is 'often')",
        "windows.last: should be 'align', 'pad' or 'drop' (it is 'algn')",
        "windows.length: should be greater than 0 (it is -2)",
    ]


def test_the_message_counts_and_lists():
    error = RecipeError("mine", mistakes(good(task="two", sample_rate=1)))
    assert str(error) == (
        "recipe mine: 2 mistakes\n"
        "  sample_rate: should be greater than or equal to 1000 (it is 1)\n"
        "  task: should be 'one' or 'many' (it is 'two')"
    )


PART = "data.validation: should be a list of folds, or a fraction between 0 and 1"
MADE = "should be a name, or a name and arguments"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        # structure
        ({"train": None}, "train: should be keys and values (it is empty)"),
        ({"train": DELETE}, "train: is missing"),
        ({"data": [1]}, "data: should be keys and values (it is a list)"),
        ({"train__optimiser": "adam"}, "train.optimiser: should be keys and values (it is 'adam')"),
        ({"train__optimiser": {"betas": [0.9]}}, "train.optimiser.betas.1: is missing"),
        ({"name": None}, "name: should be text (it is empty)"),
        ({"train__batch": 1}, "train.batch: should be greater than or equal to 2 (it is 1)"),
        ({"train__epochs": "ten"}, "train.epochs: should be a whole number (it is 'ten')"),
        ({"seed": -1}, "seed: should be greater than or equal to 0 (it is -1)"),
        ({"windows__length": float("inf")}, "windows.length: should be a finite number (it is inf)"),
        ({"windows__hop": float("nan")}, "windows.hop: should be a finite number (it is nan)"),
        ({"train__lr": 0.1}, "train.lr: no such key. Known here: "),
        # components
        ({"net": None}, f"net: {MADE} (it is empty)"),
        ({"net": 5}, f"net: {MADE} (it is 5)"),
        ({"net": ["cnnspec"]}, f"net: {MADE} (it is a list)"),
        ({"net": {"widths": [4]}}, "net.name: is missing"),
        ({"net": {"name": 5}}, "net.name: should be text (it is 5)"),
        ({"net": "cnnspek"}, "net.name: no net is called 'cnnspek', did you mean 'cnnspec'? Known: "),
        ({"net__widths": "wide"}, "net.widths: should be a list (it is 'wide')"),
        ({"net__widths": [4, 4.5]}, "net.widths.1: should be a whole number (it is 4.5)"),
        ({"net__hidden": True}, "net.hidden: should be a whole number (it is True)"),
        ({"net__hidden": "8"}, "net.hidden: should be a whole number (it is '8')"),
        ({"features__log": "dB"}, "features.log: should be 'db' or 'ln' (it is 'dB')"),
        ({"features__sample_rate": 8000}, "features.sample_rate: is filled in by the tagger and cannot be set"),
        ({"augment": "crop"}, "augment: should be a list (it is 'crop')"),
        ({"augment": {"name": "crop"}}, "augment: should be a list"),
        ({"augment": None}, "augment: should be a list (it is empty)"),
        ({"augment__1__alpha": "0.5"}, "augment.1.alpha: should be a number (it is '0.5')"),
        ({"augment__1__alpha": float("nan")}, "augment.1.alpha: should be a finite number (it is nan)"),
        ({"augment__1__share": 3}, "augment.1: share is 3: it lies between 0 and 1"),
        ({"augment__0": {"name": "crop", "short": "pat"}}, "augment.0.short: should be 'pad', 'repeat' or 'replicate' (it is 'pat')"),
        # `on` is true in YAML 1.1, and 5 a number: neither is the name of a key
        ({"augment__1": {"name": "mixup", True: 1}}, "augment.1.1: keys should be strings (it is True)"),
        ({"5": 1}, "5: keys should be strings (it is 5)"),
        # data
        ({"data__dataset": "ecs"}, "data.dataset: no data set is called 'ecs', did you mean 'esc'? Known: "),
        ({"data__options": 3}, "data.options: should be keys and values (it is 3)"),
        ({"data__options": {"name": "x"}}, "data.options.name: the data set is named by data.dataset"),
        ({"data__options": {"root": "x"}}, "data.options.root: is filled in by the tagger and cannot be set"),
        ({"data__options": {"subst": 1}}, "data.options.subst: esc takes no such argument, did you mean 'subset'? It takes"),
        ({"data__options": {"subset": "esc9"}}, "data.options.subset: should be 'esc10' (it is 'esc9')"),
        ({"data__validation": 1}, f"{PART} (it is 1)"),
        ({"data__validation": 0}, f"{PART} (it is 0)"),
        ({"data__validation": 5}, f"{PART} (it is 5)"),
        ({"data__validation": -0.5}, f"{PART} (it is -0.5)"),
        ({"data__validation": 1.0}, f"{PART} (it is 1.0)"),
        ({"data__validation": True}, f"{PART} (it is True)"),
        ({"data__validation": float("nan")}, f"{PART} (it is nan)"),
        ({"data__validation": "5"}, f"{PART} (it is '5')"),
        ({"data__validation": None}, f"{PART} (it is empty)"),
        ({"data__train": [1, 5]}, "data: fold '5' is in both test and train: a figure on it would mean nothing"),
        ({"data__validation": ["5"]}, "data: fold '5' is in both test and validation: a figure on it would mean nothing"),
        ({"data__test": [5, "5"]}, "data: fold '5' is in test twice"),
        # between keys
        ({"features": DELETE}, "features: is missing: cnnspec listens to spectrograms"),
        ({"net": "convnet1d"}, "features: convnet1d listens to the raw waveform: leave `features` out"),
        ({"augment": []}, "augment: nothing makes clips of any length into windows of 1 s: add `crop`"),
        ({"augment": DELETE}, "augment: nothing makes clips of any length into windows of 1 s: add `crop`"),
        ({"augment": ["mixup", "crop"]}, "augment: augmentations of single clips come first, then sums with other clips (pair), "
                "then those of whole batches, then those of maps"),
        ({"augment": ["crop", "trim"]}, "augment.1: trim changes the length of the windows: put it before the crop"),
        ({"augment": ["crop", {"name": "shift", "ends": "zeros", "most": 1.0}]}, "augment.1: most is 1 s, and windows are 1 s long: "),
        ({"augment": ["crop", "crop"]}, "augment.1: crop has nothing left to do: augment.0 made the windows"),
        ({"augment": ["crop", "mixtrain"]}, "augment.1: mixtrain gives a clip several tags, and task is one: leave it out, "
                "or take mixup"),
        ({"run": ["mixed"]}, "run: there are no phases, so none can be picked (it is ['mixed'])"),
        ({"train__optimiser": {"lr": 1e-7}}, "train.schedule.lowest: 1e-06 is above train.optimiser.lr, 1e-07: "
                "the rate would rise where it should fall"),
        ({"task": "many", "train__choose": "accuracy"}, "train.choose: accuracy needs one tag a clip: take map or loss"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)  # fmt: skip
def test_one_mistake(changes, expected):
    raw = good(**{path: value for path, value in changes.items() if path != "5"})
    if "5" in changes:
        raw[5] = 1
    (line,) = mistakes(raw)
    assert line.startswith(expected) if expected.endswith((": ", "takes")) else line == expected


def test_an_argument_that_is_needed(monkeypatch):
    from earmark.registry import Entry

    monkeypatch.setitem(AUGMENTATIONS._entries, "shift", Entry("shift", lambda seconds, db=1: None, {"stage": "clip"}))
    assert mistakes(good(augment=["crop", "shift"])) == ["augment.1.seconds: is missing (shift needs it)"]


# Files


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "holds nothing, not keys and values"),
        ("# only a comment\n", "holds nothing, not keys and values"),
        ("- crop\n- mixup\n", "holds a list, not keys and values"),
        ("just text", "holds 'just text', not keys and values"),
        ("task: [one", "is not YAML: while parsing a flow sequence"),
        ("task: one\n\ttrain: 3", "is not YAML: while scanning"),
        ("task: !!python/object/apply:os.system [ls]", "is not YAML: could not determine a constructor"),
        ("summary: Gru\xdf".encode("latin-1"), "line 1 is not UTF-8"),
        (b"\x89PNG\r\n\x1a\n\x00\x00", "line 1 is not UTF-8"),
        ("seed: 2024-13-45", "is not YAML: month must be in 1..12"),
        ("a: &a [*a]", "holds itself, by an alias, or is nested too deeply"),
        ("[" * 5000, "holds itself, by an alias, or is nested too deeply"),
    ],
    ids=lambda value: repr(value)[:20],
)
def test_files_that_hold_no_recipe(write, text, expected):
    (line,) = file_mistakes(write(text))
    assert line.startswith(expected)


def test_a_key_given_twice(write):
    """PyYAML takes the last and says nothing: half of somebody's recipe would be gone."""
    (line,) = file_mistakes(write(GOOD + "augment: [crop]\n"))
    assert line.startswith("is not YAML: the key 'augment' is given twice")
    assert "line 10" in line


def test_aliases_are_copies(write):
    shared = GOOD.replace("[crop, {name: mixup, share: 0.5}]", "[crop, &m {name: mixup, share: 0.5}, *m]")
    loaded = recipe.load(write(shared), ["augment.1.share=0.25"])
    assert [part.arguments["share"] for part in loaded.augment[1:]] == [0.25, 0.5]


def test_merge_keys(write):
    text = GOOD.replace("[crop, {name: mixup, share: 0.5}]", "[crop, &m {name: mixup, share: 0.5}, {<<: *m, alpha: 2}]")
    assert recipe.load(write(text)).augment[2].arguments == {"share": 0.5, "alpha": 2}


def test_a_merged_key_that_is_overridden_is_given_once(write):
    """Wherever the mapping is merged again: PyYAML puts the merged keys into it before it is read itself."""
    phases = "phases: {a: {train: &a {<<: &z {epochs: 3}, epochs: 2}}}\n"
    loaded = recipe.load(write(GOOD.replace("train: {epochs: 2}", phases + "train: {<<: *a}")))
    assert (loaded.train.epochs, loaded.phases["a"].train) == (2, {"epochs": 2})


def test_a_recipe_that_cannot_be_read(write, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    path = write(GOOD)
    monkeypatch.setattr(type(path), "open", refuse)
    assert file_mistakes(path) == ["cannot be read: Permission denied"]


def test_a_byte_order_mark(write):
    assert recipe.load(write(b"\xef\xbb\xbf" + GOOD.encode())).task == "one"


def test_unknown_recipes(tmp_path):
    assert file_mistakes("esc10-cnnspek") == [
        f"no such file, and no recipe of that name, did you mean 'esc10-cnnspec'? Known: {', '.join(recipe.shipped())}"
    ]
    assert file_mistakes(tmp_path) == ["is a folder: give the recipe's file"]
    (line,) = file_mistakes(tmp_path / "none.yaml")
    assert line.startswith("no such file, and no recipe of that name")


# Settings


def test_settings(write):
    loaded = recipe.load(
        write(GOOD.replace("net: {name: cnnspec, ", "net: {name: cnnspec, kernels: [3, 3, 3, 3, 3, 3], ")),
        [
            "train.epochs=7",
            "train.optimiser.lr=1e-4",
            "windows.length=2048/16000",
            "net.widths=[8, 8, 8, 8, 8, 8]",
            "net.kernels.0=5",
            "augment.0.short=repeat",  # augment.0 is just `crop` in the file
            "augment.1={name: mixup, alpha: 2e-1}",
            "data.test=[1, 2]",
            "summary=a=b",
            "train.stop_after=null",
        ],
    )
    assert loaded.train.epochs == 7
    assert loaded.train.optimiser.lr == 1e-4
    assert loaded.windows.length == 0.128
    assert loaded.net.arguments["widths"] == [8] * 6
    assert loaded.net.arguments["kernels"] == [5, 3, 3, 3, 3, 3]
    assert loaded.augment[0].arguments == {"short": "repeat"}
    assert loaded.augment[1].arguments == {"alpha": 0.2}
    assert loaded.data.test == ["1", "2"]
    assert loaded.summary == "a=b"
    assert loaded.train.stop_after is None


def test_a_setting_below_a_component_given_by_its_name(write):
    text = GOOD.replace("net: {name: cnnspec, widths: [4, 4, 4, 4, 4, 4],", "net: cnnspec #")
    loaded = recipe.load(write(text), ["net.hidden=16"])
    assert (loaded.net.name, loaded.net.arguments) == ("cnnspec", {"hidden": 16})


def test_a_setting_makes_the_section_that_it_lies_in(write):
    text = GOOD.replace("train: {epochs: 2}", "train:")
    assert recipe.load(write(text), ["train.epochs=3"]).train.epochs == 3
    assert recipe.load(write(GOOD), ["train.schedule.name=cosine"]).train.schedule.name == "cosine"


FORM = "has the form key.path=value, such as train.epochs=30"


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ("train.epochs", f"--set train.epochs: {FORM}"),
        ("=3", f"--set =3: {FORM}"),
        ("train..epochs=3", f"--set train..epochs=3: {FORM}"),
        (".=3", f"--set .=3: {FORM}"),
        ("sample_rate.hz=8000", "--set sample_rate.hz=8000: sample_rate is 16000 and has nothing below it"),
        ("task.x=1", "--set task.x=1: task is 'one' and has nothing below it"),
        ("net.hidden.x=1", "--set net.hidden.x=1: net.hidden is 8 and has nothing below it"),
        ("net.name.x=1", "--set net.name.x=1: net.name is 'cnnspec' and has nothing below it"),
        ("augment.2=crop", "--set augment.2=crop: augment has places 0 to 1, not '2'"),
        ("augment.-1.share=1", "--set augment.-1.share=1: augment has places 0 to 1, not '-1'"),
        ("augment.crop.short=pad", "--set augment.crop.short=pad: augment has places 0 to 1, not 'crop'"),
        ("augment.².share=1", "--set augment.².share=1: augment has places 0 to 1, not '²'"),
        ("net.widths.9=4", "--set net.widths.9=4: net.widths has places 0 to 5, not '9'"),
        ("net.widths=[4", "--set net.widths=[4: the value is not YAML (while parsing"),
        ("train.epochs=", "train.epochs: should be a whole number (it is empty)"),
        ("trian.epochs=3", "trian: no such key, did you mean 'train'? Known here: "),
        ("train.epoch=3", "train.epoch: no such key, did you mean 'epochs'? Known here: "),
        ("augment.0.below=-60", "augment.0.below: crop takes no such argument. It takes short, loud"),
    ],
)
def test_settings_that_do_not_fit(write, setting, expected):
    (line,) = file_mistakes(write(GOOD), setting)
    assert line == expected or (line.startswith(expected) and expected.endswith((": ", "parsing")))


def test_mistakes_of_settings_and_of_the_file_come_together(write):
    settings = ["augment.7=crop", "sample_rate.x=1", "train.epochs=0"]
    assert file_mistakes(write(GOOD.replace("one", "two")), *settings) == [
        "--set augment.7=crop: augment has places 0 to 1, not '7'",
        "--set sample_rate.x=1: sample_rate is 16000 and has nothing below it",
        "task: should be 'one' or 'many' (it is 'two')",
        "train.epochs: should be greater than or equal to 1 (it is 0)",
    ]
    assert file_mistakes(write(GOOD), "augment.7=crop") == ["--set augment.7=crop: augment has places 0 to 1, not '7'"]


# Phases

PHASES = {"mixed": {"train": {"epochs": 5}}, "raw": {"train": {"optimiser": {"lr": 3e-5}}, "augment": ["crop"]}}


def test_a_phase_says_only_what_differs():
    told = recipe.parse(good(phases=PHASES, train__optimiser={"name": "sgd", "momentum": 0.5}))
    raw = recipe.during(told, "raw")
    assert raw.train.optimiser.lr == 3e-5
    assert raw.train.optimiser.momentum == 0.5
    assert [part.name for part in raw.augment] == ["crop"]
    mixed = recipe.during(told, "mixed")
    assert mixed.train.epochs == 5
    assert mixed.augment == told.augment
    assert told.running() == ["mixed", "raw"]
    again = recipe.parse(told.as_dict())
    assert again == told


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"run": ["mixed", "row"]}, "run: no phase is called 'row', did you mean 'raw'? The phases: mixed, raw"),
        ({"run": []}, "run: is empty, so nothing would be trained: name phases, or leave it out for all of them"),
        ({"run": ["raw", "raw"]}, "run: 'raw' is there twice"),
        ({"phases": {"a": {"train": {"epochz": 3}}}}, "phases.a.train.epochz: no such key, did you mean 'epochs'?"),
        ({"phases": {"a": {"train": {"epochs": 0}}}}, "phases.a.train.epochs: should be greater than or equal to 1 (it is 0)"),
        ({"phases": {"a": {"augment": ["mixup"]}}}, "phases.a.augment: nothing makes clips of any length into windows"),
        ({"phases": {"a": {"augment": ["crob"]}}}, "phases.a.augment.0.name: no augmentation is called 'crob', did you mean 'crop'?"),
        ({"phases": {"a": {"net": {"name": "cnnspec"}}}}, "phases.a.net: the last phase trains the recipe's own net"),
        ({"phases": {"a": {"load": {"net.stem": "b:net"}}}}, "phases.a.load.net.stem: 'b:net' is neither an earlier phase"),
        ({"phases": {"a": {"load": {"net.stem": "C:/b"}}}}, "phases.a.load.net.stem: 'C:/b' is neither an earlier phase"),
        ({"load": {"net": "x.safetensors"}}, "load: with phases, each says what it loads"),
    ],
)  # fmt: skip
def test_mistakes_in_phases(changes, expected):
    (line,) = mistakes(good(**{"phases": PHASES, **changes}))
    assert line.startswith(expected)


def test_settings_reach_into_phases(write):
    path = write(GOOD + "\nphases: {mixed: {augment: [crop, mixup]}, raw: {augment: [crop]}}\n")
    loaded = recipe.load(path, ["run=[mixed]", "phases.mixed.augment.1.share=0.5", "phases.raw.train.epochs=2"])
    assert loaded.running() == ["mixed"]
    assert recipe.during(loaded, "mixed").augment[1].arguments == {"share": 0.5}
    assert recipe.during(loaded, "raw").train.epochs == 2


PAIRS = [name for name in AUGMENTATIONS.names() if AUGMENTATIONS[name].facts["stage"] == "pair"]
CLIPS = [name for name in AUGMENTATIONS.names() if AUGMENTATIONS[name].facts["stage"] == "clip"]


@pytest.mark.parametrize("name", PAIRS)
def test_a_buffer_keeps_to_clips_that_come_near_each_other(name):
    task = AUGMENTATIONS[name].facts.get("task", "one")
    raw = good(task=task, train__buffer=10, augment=["crop", name], train__choose="loss")
    (line,) = mistakes(raw)
    assert line.startswith(
        f"train.buffer: reads a pack's shards in order, and {name} takes clips from anywhere in the pack"
    )
    recipe.parse(good(train__buffer=10, augment=["crop", "mixup"], train__choose="loss"))


@pytest.mark.parametrize("name", CLIPS)
def test_two_views_of_a_window_that_comes_once_need_something_that_differs(name):
    """Else they are one, and their divergence is nought."""
    more = {"below": -40.0} if name == "trim" else {}
    used = ["crop"] if name == "crop" else [{"name": name, **more}, "crop"]
    raw = good(augment=used, train__consistency=1.0, train__segments="every")
    if AUGMENTATIONS[name].facts.get("chance", True):
        recipe.parse(raw)
    else:
        (line,) = mistakes(raw)
        assert line.startswith(
            "train.consistency: compares two views of each clip, which with segments: every are the same window"
        )
    recipe.parse(raw | {"train": raw["train"] | {"segments": "random"}})


def test_a_shift_that_fills_with_zeros_leaves_some_of_the_window():
    for used in (
        ["crop", {"name": "shift", "ends": "zeros", "most": 0.99}],
        ["crop", {"name": "shift", "most": 5.0}],
        [{"name": "shift", "ends": "zeros", "most": 5.0}, "crop"],
    ):
        recipe.parse(good(augment=used))


def test_segments_that_come_once_are_not_balanced():
    told = recipe.load("dcase2017-samplecnn").as_dict()
    with pytest.raises(RecipeError, match="train.balance: is classes, but segments: every has each once: take none"):
        recipe.parse(told | {"train": told["train"] | {"balance": "classes"}})
    with pytest.raises(RecipeError, match="epochs: is of all phases together, and there are none: take train.epochs"):
        recipe.parse(told | {"phases": {}, "run": None})
