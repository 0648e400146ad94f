"""The recipes of the papers' systems on their data sets: layers, settings, and two steps on the smallest such data set.

The settings are those that the papers print, or the code that stands in for them, as the recipes' comments tell; the
numbers of parameters those of the layers that the papers name, or published.
"""

from __future__ import annotations

import csv
import functools
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from earmark import recipe as recipes
from earmark import windows as cutting
from earmark.data import datasets
from earmark.data.datasets import AUDIO, audioset, dcase2017task4, fsdkaggle2018, magnatagatune, speechcommands
from earmark.models import loading
from earmark.models import tagger as taggers
from earmark.models.layers.blocks import count
from earmark.registry import FEATURES, NETS

training = pytest.importorskip("earmark.train")

pytestmark = pytest.mark.usefixtures("sketched")

# Tags of the paper, then parameters, those of the net by itself where it has as many tags; with running statistics where
# Keras' count was published (papers 002 and 004)


def counted(net: str) -> int:
    """What its decorator says was counted by hand."""
    facts = NETS[net].facts
    return facts["parameters"] or facts["total"]


COUNTS = {
    "audioset-balanced-rawresnet": (527, counted("rawresnet"), False),
    "audioset-full-rawresnet": (527, counted("rawresnet"), False),
    "audioset-resnet-a": (527, counted("resnet_a"), False),
    "audioset-resnet-b": (527, counted("resnet_b"), False),
    "audioset-resnet-b-att": (527, counted("resnet_b_att"), False),
    "audioset-resnet-c-att": (527, counted("resnet_c_att"), False),
    "audioset-resnet-d-att": (527, counted("resnet_d_att"), False),
    "magnatagatune-samplecnn": (50, counted("samplecnn"), False),
    "magnatagatune-rese2multi": (50, counted("rese2multi"), False),
    "speechcommands-samplecnn": (31, 1_531_679, False),
    "speechcommands-rese2multi": (31, 24_071_199, False),
    "dcase2017-samplecnn": (17, 1_655_569, False),
    "dcase2017-rese2multi": (17, 24_450_065, False),
    "fsdkaggle2018-convnet1d": (41, counted("convnet1d"), True),
    "fsdkaggle2018-convnet2d": (41, counted("convnet2d"), True),
    "fsdkaggle2018-cnnaudio": (41, counted("cnnaudio"), True),
    "fsdkaggle2018-cnnspec": (41, counted("cnnspec"), True),
    "fsdkaggle2018-cnncomb": (41, counted("cnncomb"), True),
}
ADAM, KERAS_SGD = ("adam", (0.9, 0.999), 0.0), ("sgd", 0.9, 1e-6)
STAGES = [0.01, 0.002, 0.0004, 0.00008, 0.000016]  # a fifth each time
# Paper → Hz; clips of a step; the optimiser; the rates of the phases that run; the figure that chooses; epochs without
# a gain in it after which the rate falls, and those after which training ends. None: the paper does not tell
TOLD = {
    "rawresnet": (16_000, 256, ADAM, [3e-4, 3e-5], None, None, None),
    "resnet": (16_000, None, ("adam", (0.95, 0.999), 5e-7), [1e-4], "map", None, None),
    "samplecnn": (16_000, 23, KERAS_SGD, STAGES, "segment_loss", None, 3),
    "rese2multi": (16_000, 23, KERAS_SGD, STAGES, "segment_loss", None, 2),
    "convnet1d": (44_100, 128, ADAM, [1e-3], "accuracy", 3, 10),
    "convnet2d": (44_100, 16, ADAM, [1e-3], "accuracy", 4, 24),
    "cnnaudio": (44_100, None, None, None, None, None, None),
    "cnnspec": (44_100, None, None, None, None, None, None),
    "cnncomb": (44_100, None, None, None, None, None, None),
}
# Recipe → samples of a window, from one to the next, and how the windows' predictions become the clip's
WINDOWS = {
    "rawresnet": (160_000, 160_000, "mean"),
    "resnet": (160_000, 160_000, "mean"),
    "magnatagatune": (39_366, 39_366, "mean"),
    "speechcommands": (16_000, 16_000, "mean"),
    "dcase2017": (19_683, 19_683, "mean"),
    "convnet1d": (88_200, None, None),
    "convnet2d": (152_576, None, None),
    "cnnaudio": (88_200, 5120, "geometric"),
    "cnnspec": (88_200, 5120, "geometric"),
    "cnncomb": (88_200, 5120, "geometric"),
}
TASKS = {
    "audioset": "many",
    "magnatagatune": "many",
    "speechcommands": "one",
    "dcase2017": "many",
    "fsdkaggle2018": "one",
}
FOLDS = {"convnet1d": 5, "convnet2d": 7, "cnnaudio": 5, "cnnspec": 5, "cnncomb": 5}
STARTS = tuple(f"{dataset}-" for dataset in TASKS)


@pytest.fixture(params=COUNTS)
def name(request):
    return request.param


def system(name: str) -> str:
    """ "audioset-resnet-b-att" → "resnet"."""
    last = name.split("-", 1)[1]
    return "resnet" if last.startswith("resnet") else last.rpartition("-")[2]


def plans(name: str, *settings: str) -> list[recipes.Recipe]:
    """The recipe, or what it is in each phase that runs."""
    loaded = recipes.load(name, settings)
    return [recipes.during(loaded, phase) for phase in loaded.running()] or [loaded]


def test_every_recipe_of_these_data_sets_is_here():
    told = {name for name in recipes.shipped() if name.startswith(STARTS)} - {
        "audioset-yamnet",
        "audioset-cnn14",
        "audioset-mn10",
        "audioset-ced",
    }  # of no paper here
    assert told == set(COUNTS)


def test_parameters(name):
    tags, wanted, with_statistics = COUNTS[name]
    with torch.device("meta"):
        parameters, statistics = count(taggers.build(recipes.load(name), [str(i) for i in range(tags)]).net)
    assert parameters + statistics * with_statistics == wanted


def test_check_counts_for_the_recipe_s_own_tags(name, capsys):
    """So that a published count can be read off `earmark check`."""
    from earmark.cli.check import check

    tags, wanted, with_statistics = COUNTS[name]
    check(name, [])
    said = capsys.readouterr().err
    assert f"{wanted:,} parameters for {tags} tags" in said or with_statistics
    assert f" {wanted:,} with the batch normalisation's running statistics" in said or not with_statistics


def test_check_counts_for_other_tags_and_says_where_their_number_is_not_told(capsys):
    from earmark.cli.check import check

    check("speechcommands-samplecnn", ["data.tags=12"])
    assert "parameters for 12 tags, " in capsys.readouterr().err
    check("scenes-resnet-b-att", ["data.tags=null"])
    assert "for 10 tags (how many its data have is not told: --set data.tags=…)" in capsys.readouterr().err
    assert recipes.tags(recipes.load("esc10-cnnaudio")) == 10


def test_the_file_opens_with_command_cost_and_result(name):
    lines = recipes.find(name).read_text().splitlines()
    assert lines[0].startswith(f"# earmark train {name} --data ")
    assert lines[1].startswith("# Cost: not measured here")
    assert any(line.startswith("# Result: not trained here. Paper: ") for line in lines[2:4])
    shown = recipes.load(name)
    assert ("--fold all" in lines[0]) == (shown.data.rotate == "validation")


# What the papers tell


def test_settings(name):
    rate, step, optimiser, lrs, choose, patience, stop = TOLD[system(name)]
    phases = plans(name)
    assert [plan.sample_rate for plan in phases] == [rate] * len(phases)
    assert recipes.load(name).task == TASKS[name.partition("-")[0]]
    if lrs is not None:
        assert [plan.train.optimiser.lr for plan in phases] == pytest.approx(lrs)
    for plan in phases:
        train = plan.train
        if step is not None:
            assert train.batch * train.accumulate == step
        if optimiser is not None and optimiser[0] == "adam":
            assert (train.optimiser.name, train.optimiser.betas, train.optimiser.weight_decay) == optimiser
            assert train.optimiser.decay == 0
        if optimiser is not None and optimiser[0] == "sgd":
            assert (train.optimiser.name, train.optimiser.momentum, train.optimiser.decay) == optimiser
            assert train.optimiser.weight_decay == 0
        if patience is not None:
            schedule = train.schedule
            assert (schedule.name, schedule.patience) == ("plateau", patience)
            assert (schedule.factor, schedule.lowest, schedule.warm_up) == (0.5, 1e-6, 0)
        elif lrs is not None:
            assert train.schedule.name == "constant"
            assert train.schedule.warm_up == 0
        assert stop is None or train.stop_after == stop
        assert choose is None or train.choose == choose


def test_windows(name):
    length, hop, combine = WINDOWS.get(system(name)) or WINDOWS[name.partition("-")[0]]
    loaded = recipes.load(name)
    told = loaded.windows
    samples = told.build().samples(loaded.sample_rate)
    assert samples[0] == length
    assert hop is None or samples[1] == hop
    assert combine is None or told.combine == combine
    assert (told.weigh, told.last) == ("equal", "align")


@pytest.mark.parametrize(("name", "seconds", "segments"), [("magnatagatune", 29.1, 12), ("dcase2017", 10, 9)])
def test_segments_of_a_clip(name, seconds, segments):
    """Paper 001, table 1; an epoch has all of them, and all stages together at most a hundred."""
    for net in ("samplecnn", "rese2multi"):
        plan = recipes.load(f"{name}-{net}")
        length, hop = plan.windows.build().samples(16_000)
        total = round(seconds * 16_000)
        starts = cutting.starts(total, length, hop, plan.windows.last)
        assert len(starts) == segments
        assert starts[-1] + length == total
        assert plan.train.segments == "every" and plan.train.clips is None
        assert plan.epochs == 100


def test_frames():
    a = recipes.load("audioset-resnet-a")
    feature = FEATURES[a.features.name].function(a.sample_rate, **a.features.arguments)
    assert -(-feature.frames(160_000) // 96) == 11  # segments of 960 ms, paper 003's table 1
    inception = recipes.load("fsdkaggle2018-convnet2d")
    feature = FEATURES[inception.features.name].function(44_100, **inception.features.arguments)
    assert feature.frames(152_576) == 299
    assert inception.resize.model_dump() == {"bands": 299, "frames": 299, "channels": 3}


@pytest.mark.parametrize("net", ["a", "b", "b-att", "c-att", "d-att"])
def test_the_front_end_of_paper_003(net):
    """Hershey and others, ICASSP 2017, and VGGish's code: 25 ms, 10 ms, 64 bands from 125 to 7500 Hz, ln(x + 0.01)."""
    import librosa

    plan = recipes.load(f"audioset-resnet-{net}")
    assert plan.features.name == "logmel"
    feature = FEATURES["logmel"].function(16_000, **plan.features.arguments)
    wave = np.random.default_rng(0).normal(0, 0.1, 16_000).astype(np.float32)
    filters = librosa.filters.mel(sr=16_000, n_fft=512, n_mels=64, fmin=125, fmax=7500, htk=True, norm=None)
    # librosa lays the window of 400 samples into the middle of 512; VGGish's frames are the 400 samples themselves
    moved = np.pad(wave, 56)
    magnitudes = np.abs(librosa.stft(moved, n_fft=512, hop_length=160, win_length=400, window="hann", center=False))
    got = feature(torch.from_numpy(wave)[None])[0, 0]
    np.testing.assert_allclose(got, np.log(filters @ magnitudes + 0.01), atol=1e-3)
    assert feature.frames(160_000) == 998
    assert (plan.train.epochs, plan.train.keep) == (50, "every")
    assert [part.name for part in plan.augment] == ["crop"]


@pytest.mark.parametrize("part", ["balanced", "full"])
@pytest.mark.parametrize(
    ("run", "stages"),
    [
        ("[plain]", [[]]),
        ("[mixup]", [["mixup"]]),
        ("[mixtrain]", [["mixtrain"]]),
        (None, [["mixtrain"], []]),
    ],
)
def test_the_strategies_of_paper_000(part, run, stages):
    """The rows of table 2, a setting apart: in the last, fine-tuning at a tenth of the rate follows mix-training."""
    phases = plans(f"audioset-{part}-rawresnet", *([] if run is None else [f"run={run}"]))
    assert [[each.name for each in plan.augment[1:]] for plan in phases] == stages
    assert [plan.train.optimiser.lr for plan in phases] == [3e-4, 3e-5][: len(stages)]
    assert {plan.augment[0].name for plan in phases} == {"crop"}
    assert {plan.train.balance for plan in phases} == {"classes"}
    for plan in phases:
        for each in plan.augment:
            assert each.name != "mixtrain" or each.arguments == {"low": 0.4, "high": 0.6}


def test_the_training_parts_of_audioset():
    parts = {n: recipes.load(n).data.options["part"] for n in COUNTS if n.startswith("audioset")}
    assert parts.pop("audioset-balanced-rawresnet") == "balanced"
    assert parts.pop("audioset-full-rawresnet") == "unbalanced"
    assert set(parts.values()) == {"both"}
    assert all(recipes.load(n).data.test == ["eval"] for n in COUNTS if n.startswith("audioset"))


def test_the_parts_of_paper_001():
    """Table 1: official folds where there are any, and 5859 of the 51,172 training clips of DCASE 2017 to validate."""
    for net in ("samplecnn", "rese2multi"):
        music, scenes = (recipes.load(f"{dataset}-{net}").data for dataset in ("magnatagatune", "dcase2017"))
        assert (music.train, music.validation, music.test) == (["train"], ["validation"], ["test"])
        assert music.options["top"] == 50
        assert (scenes.train, scenes.test) == (["train"], ["test"])
        assert scenes.validation * 51_172 == pytest.approx(5859)


def test_augmentations_of_paper_002():
    assert [part.name for part in recipes.load("fsdkaggle2018-convnet1d").augment] == ["crop"]
    assert [part.name for part in recipes.load("fsdkaggle2018-convnet2d").augment] == ["crop", "mixup_maps", "erase"]


@pytest.mark.parametrize("net", ["cnnaudio", "cnnspec", "cnncomb"])
def test_paper_004(net):
    loaded = recipes.load(f"fsdkaggle2018-{net}")
    assert loaded.windows.short == "slide"
    for plan in plans(loaded.name):
        assert [part.name for part in plan.augment] == ["crop", "shift", "same_class", "other_class"]
        assert plan.augment[0].arguments["short"] == "replicate"
        if plan.features is not None:
            feature = FEATURES["logmel"].function(44_100, **plan.features.arguments)
            assert (feature.hop_samples, feature.bands, feature.log) == (256, 128, "db")
    if net == "cnncomb":
        assert [plan.net.name for plan in plans(loaded.name)] == ["cnnaudio", "cnnspec", "cnncomb"]
        last = loaded.phases["joined"]
        assert set(last.load) == set(last.freeze) == {"net.audio", "net.spec"}


# The smallest of each data set that trains, validates and tests


def more_of_audioset() -> dict[str, str]:
    layout, tags = dict(audioset.LAYOUT), ("/m/09x0r", "/m/03fwl", "/m/04rlf")
    layout["unbalanced_train_segments.csv"] = "# YTID, start_seconds, end_seconds, positive_labels\n"
    for part in ("balanced", "unbalanced"):
        for take in range(6):
            video = f"{part[:4]}{take:07d}"
            layout[f"{part}_train_segments.csv"] += f'{video}, 0.000, 10.000, "{tags[take % 3]}"\n'
            layout[f"{part}_train/{video}_0.000_10.000.wav"] = AUDIO
    return layout


def more_of_magnatagatune() -> dict[str, str]:
    layout = dict(magnatagatune.LAYOUT)
    for take, folder in enumerate("01234c"):
        name = f"{folder}/band-record-01-song{take}-0-29"
        layout["annotations_final.csv"] += f'"{take + 20}"\t"{take % 2}"\t"{1 - take % 2}"\t"{name}.mp3"\n'
        layout[f"{name}.wav"] = AUDIO
    return layout


def more_of_speechcommands() -> dict[str, str]:
    layout = dict(speechcommands.LAYOUT)
    for take in range(5):
        for word in ("yes", "bed"):
            layout[f"{word}/{take}{take}_nohash_0.wav"] = AUDIO
    layout["validation_list.txt"] += "bed/44_nohash_0.wav\nyes/44_nohash_0.wav\n"
    return layout


def more_of_dcase2017() -> dict[str, str]:
    layout = dict(dcase2017task4.LAYOUT)
    for take, (tag, mid) in enumerate([("Train horn", "/m/0284vy3"), ("Train", "/m/07jdr")] * 4):
        layout["training_set.csv"] += f'video{take},0.000,10.000,"{tag}","{mid}"\n'
        layout[f"training_set_audio_formatted_and_segmented_downloads/Yvideo{take}_0.000_10.000.wav"] = AUDIO
    return layout


def more_of_fsdkaggle2018() -> dict[str, str]:
    layout = dict(fsdkaggle2018.LAYOUT)
    for take in range(12):
        name = f"{take:08x}.wav"
        layout["FSDKaggle2018.meta/train_post_competition.csv"] += (
            f"{name},{['Hi-hat', 'Oboe'][take % 2]},1,{take},CC0\n"
        )
        layout[f"FSDKaggle2018.audio_train/{name}"] = AUDIO
    return layout


TREES = {
    "audioset": more_of_audioset,
    "magnatagatune": more_of_magnatagatune,
    "speechcommands": more_of_speechcommands,
    "dcase2017": more_of_dcase2017,
    "fsdkaggle2018": more_of_fsdkaggle2018,
}


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    """Data set → its folder: noise of 0.3 to 0.8 s, shorter and longer than the windows below."""
    made: dict[str, Path] = {}
    for dataset, tree in TREES.items():
        root = tmp_path_factory.mktemp(dataset)
        for seed, (path, contents) in enumerate(tree().items()):
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            if contents != AUDIO:
                (root / path).write_text(contents)
                continue
            generator = np.random.default_rng(seed)
            noise = generator.normal(0, 0.1, int(generator.uniform(4800, 12_800)))
            soundfile.write(root / path, noise, 16_000)
        made[dataset] = root
    return made


SMALL = ["net.widths=[8,8,8,8]"]
# Recipe → settings that only shrink it: the shortest windows of its net, and few channels where it takes their number
SHRUNK = {
    "rawresnet": [
        "windows.length=0.2",
        "windows.hop=0.2",
        "net.map_widths=[8,8,8,8]",
        "net.hidden=8",
        "data.validation=0.3",
    ],
    "resnet": ["windows.length=0.4", "windows.hop=0.4", "data.validation=0.3", *SMALL],
    "samplecnn": ["net.widths=[8,8,8,8,8,8,8,8{}]", "net.hidden=8"],
    "rese2multi": ["net.widths=[8,8,8,8,8,8,8,8{}]"],
    "convnet1d": ["windows.length=0.3", "windows.hop=0.3", *SMALL],
    "convnet2d": ["windows.length=0.6", "windows.hop=0.6", "resize.bands=43", "resize.frames=43"],
    "cnnaudio": ["windows.length=0.4", "windows.hop=0.2"],
    "cnnspec": ["windows.length=0.95", "windows.hop=0.5"],
    "cnncomb": ["windows.length=0.95", "windows.hop=0.5"],
}


def shrunk(name: str) -> list[str]:
    dataset, net = name.partition("-")[0], system(name)
    settings = [each.format(",8" * (dataset == "magnatagatune")) if "{}" in each else each for each in SHRUNK[net]]
    return ["train.batch=2", "train.clips=4", "train.epochs=1", "train.precision=float32", *settings]


# A recipe of each net and of each data set; the others go the same ways, and are run with the slow tests
QUICK = (
    "audioset-balanced-rawresnet",
    "audioset-resnet-c-att",
    "magnatagatune-samplecnn",
    "speechcommands-samplecnn",
    "dcase2017-rese2multi",
    *(f"fsdkaggle2018-{net}" for net in FOLDS),
)


@pytest.fixture(scope="module")
def taught(planted, tmp_path_factory):
    """Recipe → what it is here, its clips, and the tagger's file; each is trained once."""

    @functools.cache
    def of(name: str):
        plan = recipes.load(name, shrunk(name))
        clips = datasets.index(plan.data.dataset, planted[name.partition("-")[0]], **plan.data.options)
        return plan, clips, training.train(plan, clips, tmp_path_factory.mktemp(name) / "run", workers=1)

    return of


def test_each_net_and_each_data_set_is_run_among_the_quick_ones():
    assert {system(name) for name in QUICK} == {system(name) for name in COUNTS}
    assert {name.partition("-")[0] for name in QUICK} == set(TASKS)


@pytest.mark.parametrize(
    "name", [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in COUNTS]
)
def test_two_steps_and_a_tagger(name, planted, taught):
    """All phases run, for an epoch each, at the rates that the paper tells."""
    root = planted[name.partition("-")[0]]
    plan, clips, path = taught(name)
    tagger = loading.load(path)
    with (path.parent / "log.csv").open() as file:
        log = list(csv.DictReader(file))
    assert [row.get("phase") for row in log] == (plan.running() or [None])
    assert [float(row["lr"]) for row in log] == pytest.approx(TOLD[system(name)][3] or [1e-3] * len(log))
    assert tagger.recipe.name == name
    split = tagger.facts.as_dict()["split"]
    assert all(split[part]["clips"] for part in ("train", "validation"))
    assert split["test"]["folds"] == plan.data.test
    heard = tagger.tag(next(root.rglob("*.wav")), top=None)
    assert sorted(each.label for each in heard) == sorted(clips.vocabulary)
    assert all(0 <= each.score <= 1 for each in heard)
    if plan.train.keep == "every":
        assert [each.name for each in (path.parent / "epochs").iterdir()] == ["001.safetensors"]


def test_the_phases_of_cnncomb_share_their_branches(taught):
    """The frozen branches of the last phase are, statistics too, what the first two learnt; its head is not."""
    _, _, path = taught("fsdkaggle2018-cnncomb")
    joined = loading.load(path).net.state_dict()
    for phase, part in (("audio", "audio"), ("spec", "spec")):
        alone = loading.load(path.parent / phase / "tagger.safetensors").net.branch.state_dict()
        assert alone
        for key, value in alone.items():
            assert torch.equal(joined[f"{part}.{key}"], value)


@pytest.mark.parametrize(("net", "folds"), FOLDS.items())
def test_folds_of_fsdkaggle2018(net, folds, planted):
    """Each training fold validates once; the given test clips stay."""
    plan = recipes.load(f"fsdkaggle2018-{net}")
    manifest = datasets.index("fsdkaggle2018", planted["fsdkaggle2018"])
    turns = training.rotations(plan, manifest)
    assert list(turns) == [str(i + 1) for i in range(folds)]
    held: list[str] = []
    for turn in turns.values():
        _, parts = training.divide(turn, manifest)
        assert set(parts.test.folds.tolist()) == {"test"}
        assert not set(parts.train.ids) & {*parts.validation.ids, *parts.test.ids}
        assert len(parts.train) + len(parts.validation) == 14
        held += parts.validation.ids.tolist()
    assert sorted(held) == sorted(manifest.ids[manifest.folds == ""].tolist())


def test_speech_commands_trains_on_all_but_the_validation_clips(planted):
    plan = recipes.load("speechcommands-samplecnn")
    _, parts = training.divide(plan, datasets.index("speechcommands", planted["speechcommands"]))
    assert set(parts.train.folds.tolist()) == {"train", "test"}
    assert set(parts.validation.folds.tolist()) == {"validation"}
    own = recipes.load("speechcommands-samplecnn", ["data.train=[train]", "data.test=[test]"])
    _, parts = training.divide(own, datasets.index("speechcommands", planted["speechcommands"]))
    assert set(parts.test.folds.tolist()) == {"test"}
