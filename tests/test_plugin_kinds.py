"""Whatever kind a plug-in adds to, the verbs that take names of the kind take its own: one file, used from end to end."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import numpy as np
import pytest
import soundfile
import yaml
from tests.program import earmark
from tests.test_train import recipe

from earmark import plugins
from earmark.registry import KINDS

pytest.importorskip("earmark.train")

ALL = '''
"""One of each kind."""
from pathlib import Path
import numpy as np
from torch import nn
from earmark.data.datasets import dataset
from earmark.data.manifest import build
from earmark.events.cells import Found, lines_of, number
from earmark.events.formats import event_format
from earmark.models.nets import net
from earmark.models.prediction import Prediction
from earmark.registry import AUGMENTATIONS, FEATURES, METRICS

@FEATURES.register()
class louds(nn.Module):
    """How loud each hundredth of a second is."""
    channels = bands = 1

    def __init__(self, sample_rate, floor: float = 1e-4):
        super().__init__()
        self.hop, self.floor = sample_rate // 100, floor
        self.shortest = self.hop

    def frames(self, samples):
        return samples // self.hop

    def middles(self, places, samples):
        return (np.asarray(places) + 0.5) * self.hop

    def forward(self, waves):
        cut = waves[:, : waves.shape[1] // self.hop * self.hop].unflatten(1, (-1, self.hop))
        return (cut.square().mean(-1) + self.floor).log()[:, None, None]

class Mean(nn.Module):
    shortest = 1

    def __init__(self, tags):
        super().__init__()
        self.head = nn.Linear(2, tags)

    def forward(self, maps):
        levels = maps.flatten(1)
        embedding = levels.new_empty(len(levels), 2)
        embedding[:, 0], embedding[:, 1] = levels.mean(1), levels.amax(1)
        return Prediction(self.head(embedding)[:, None], embedding)

@net(paper="our own", input="maps")
def meannet(tags: int = 2, channels: int = 1, bands: int = 1) -> Mean:
    """Any map: its mean and its maximum (Mean)."""
    return Mean(tags)

@AUGMENTATIONS.register("louder", stage="clip")
class Louder:
    """Twice as loud, or as it is."""

    def draw(self, generator, wave, length):
        return generator.integers(2)

    def apply(self, plan, wave):
        return wave * (1 + plan)

@METRICS.register("worst", tasks=("one", "many"))
def worst(values, truth):
    """The lowest score of a tag that is there."""
    return float(values[truth].min())

@dataset(licence="CC0")
def pairs(root: Path):
    """A file a clip, whose tag and fold its name tells. Licence: CC0. From: nowhere."""
    files = sorted(path.name for path in Path(root).glob("*.wav"))
    told = [name.split("-") for name in files]
    columns = {"id": files, "path": files, "tags": [[each[0]] for each in told], "fold": [each[1] for each in told]}
    return build(columns, root, name="pairs")

LAYOUT = {"quiet-1-0.wav": "a recording"}

@event_format(ending=".all")
class All:
    """A line an event."""

    @staticmethod
    def text(events, highest=None):
        return "".join(
            f"{name}|{number(e.onset)}|{number(e.offset)}|{e.tag}|{number(e.score)}\\n" for name, found in events.items() for e in found
        )

    @staticmethod
    def read(text, recording):
        found = Found()
        for count, line in lines_of(text):
            found.add(*line.split("|"), f"line {count}")
        return found
'''
GIVES = {
    "feature": "louds", "net": "meannet", "augmentation": "louder", "metric": "worst", "data set": "pairs", "event format": "all",
}  # fmt: skip


def forgotten():
    for each in plugins.known():
        each.forget()
        plugins._KNOWN.pop(each.root)


@pytest.fixture(scope="module", autouse=True)
def _as_before():
    yield
    forgotten()


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """The plug-in, forty loud and quiet recordings of two tags in five folds, a recipe that names its parts."""
    folder = tmp_path_factory.mktemp("kinds")
    (folder / "all.py").write_text(ALL)
    (folder / "pairs").mkdir()
    chance = np.random.default_rng(0)
    for number in range(40):
        tag, level = [("quiet", 0.01), ("loud", 0.3)][number % 2]
        wave = np.clip(chance.normal(0, level, 2400), -1, 1)
        soundfile.write(folder / "pairs" / f"{tag}-{number // 2 % 5 + 1}-{number}.wav", wave, 4000)
    plan = recipe(train__epochs=2).as_dict()
    plan |= {"data": {"dataset": "pairs", "test": ["5"]}, "features": {"name": "louds", "floor": 1e-5}}
    plan |= {"net": {"name": "meannet"}, "augment": ["louder", "crop"]}
    (folder / "plan.yaml").write_text(yaml.safe_dump(plan))
    return folder


def done(place, *words, plugin=True):
    """What a command prints, as a program of its own would: nothing of the plug-in is known before."""
    forgotten()
    told = earmark(*words, *(("--plugin", place / "all.py") if plugin else ()), cwd=place)
    assert told.returncode == 0, (words, told.stderr)
    return told.stdout


@pytest.fixture(scope="module")
def trained(place):
    """A tagger of the net, the feature, the augmentation and the data set."""
    done(place, "check", "plan.yaml")
    done(place, "index", "pairs", "pairs", "-o", "clips.csv")
    done(place, "train", "plan.yaml", "--data", "pairs", "--out", "run")
    return place / "run" / "tagger.safetensors"


def test_it_gives_one_of_every_kind(place):
    """A kind that is added tomorrow wants a part in the plug-in, and a verb that takes it below."""
    forgotten()
    assert dict(plugins.load(place / "all.py").gives) == GIVES and GIVES.keys() == KINDS.keys()


def test_nets_features_augmentations_and_data_sets_train_and_tag(place, trained):
    assert len((place / "clips.csv").read_text().splitlines()) == 41
    (told,) = json.loads(done(place, "tag", "pairs/loud-5-9.wav", "--tagger", trained, "--json"))
    assert {each["label"] for each in told["tags"]} == {"loud", "quiet"}
    for verb in ("tag", "events", "embed"):
        forgotten()
        refused = earmark(
            verb, "pairs/loud-5-9.wav", "--tagger", trained, *(("-o", "x.parquet") * (verb == "embed")), cwd=place
        )
        assert refused.returncode == 2 and "needs the net 'meannet' and the feature 'louds'" in refused.stderr
        assert "add --plugin all.py" in refused.stderr


def test_a_metric_is_measured_by_evaluate_and_compared(place, trained):
    words = ("--data", "pairs", "--fold", "5", "--resamples", "9", "--json", "--device", "cpu")
    told = json.loads(done(place, "evaluate", trained, *words))
    assert 0 < told["metrics"]["worst"]["value"] < 1
    pairs = json.loads(
        done(place, "compare", f"a={trained}", f"b={trained}", *words, "--metric", "worst", "--permutations", "9")
    )["pairs"]
    assert [(pair["metric"], pair["difference"]) for pair in pairs] == [("worst", 0)]


def test_events_are_written_and_read_in_a_format_of_ones_own(place, trained, tmp_path):
    sound = "pairs/loud-5-9.wav"
    words = ("events", sound, "--tagger", trained, "--threshold", "0.001", "--format")
    told = done(place, *words, "all")
    assert told.startswith("loud-5-9.wav|0.000000|")
    done(place, *words, "all", "--out", tmp_path / "out")
    assert (tmp_path / "out" / "events.all").read_text() == told
    done(place, *words, "all", "--job", tmp_path / "job")
    assert f"{sound}|0.000000|" in (tmp_path / "job" / "events.all").read_text()
    done(place, *words, "all", "--out", tmp_path / "out")  # what it wrote it may write again
    done(place, *words[:-1], "--pictures", tmp_path / "p", "--reference", tmp_path / "out" / "events.all")
    assert (tmp_path / "p" / "loud-5-9.wav.png").stat().st_size > 1000


@pytest.mark.parametrize("more", [(), ("--plugin", "all.py")])
def test_a_format_that_is_not_there_is_told_with_those_that_are(place, more):
    forgotten()
    told = earmark("events", "pairs/loud-5-9.wav", "--format", "cvs", *more, cwd=place)
    assert told.returncode == 2
    known = "table, all, audacity" if more else "table, audacity"
    assert f"--format cvs: no event format is called so, did you mean 'csv'? Known: {known}" in told.stderr
    forgotten()
    told = earmark("events", "pairs/loud-5-9.wav", "--format", "table", "--out", "o", *more, cwd=place)
    assert "a table is for reading on stdout. Choose --format " + ("all" if more else "audacity") in told.stderr


def test_a_format_of_an_installed_package_needs_no_option(place, tmp_path):
    module = ALL.partition("@event_format")[2].partition("\n")[2]
    source = (
        "from earmark.events.cells import Found, lines_of, number\nfrom earmark.events.formats import event_format\n"
    )
    (tmp_path / "pipes_tags").mkdir()
    (tmp_path / "pipes_tags" / "__init__.py").write_text("")
    (tmp_path / "pipes_tags" / "pipes.py").write_text(f'{source}\n@event_format(ending=".pipes")\n{module}')
    (tmp_path / "pipes_tags-1.2.dist-info").mkdir()
    (tmp_path / "pipes_tags-1.2.dist-info" / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: pipes-tags\nVersion: 1.2\n"
    )
    points = "[earmark.plugins]\npipes = pipes_tags.pipes\n"
    (tmp_path / "pipes_tags-1.2.dist-info" / "entry_points.txt").write_text(points)
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    words = ("events", "pairs/loud-5-9.wav", "--tagger", "digits", "--threshold", "0.001", "--format", "pipes")
    told = subprocess.run(
        [sys.executable, "-m", "earmark", *words], capture_output=True, text=True, cwd=place,
        env={**os.environ, "PYTHONPATH": path}, check=False,
    )  # fmt: skip
    assert told.returncode == 0, told.stderr
    assert told.stdout.startswith("loud-5-9.wav|0.000000|")
