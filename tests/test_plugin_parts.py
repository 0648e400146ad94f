"""To hear with a tagger its net and its features are needed, and no plug-in that it was only trained with; of each its file tells."""

from __future__ import annotations

import hashlib
import json
import logging

import numpy as np
import pytest
import soundfile
from tests.program import earmark
from tests.test_plugin_kinds import ALL
from tests.test_train import recipe

from earmark import plugins
from earmark.data import datasets
from earmark.errors import TaggerError, UnknownName
from earmark.models import loading
from earmark.models.file import read_head
from earmark.recipe import parse
from earmark.registry import NETS

training = pytest.importorskip("earmark.train")
from torch import nn  # noqa: E402

pytestmark = pytest.mark.usefixtures("sketched")

HEARD = ALL.partition("@AUGMENTATIONS.register")[0]
TRAINED = (
    ALL.partition("@FEATURES.register")[0] + ALL[ALL.index("@AUGMENTATIONS.register") : ALL.index("@event_format")]
)


def forgotten():
    """As another program begins: nothing is loaded."""
    for each in plugins.known():
        each.forget()
        plugins._KNOWN.pop(each.root)


@pytest.fixture(autouse=True)
def _as_before():
    forgotten()
    yield
    forgotten()


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A file with net and feature, one with data set and augmentation; what was trained with both, and what it scores."""
    folder = tmp_path_factory.mktemp("parts")
    (folder / "heard.py").write_text(HEARD)
    (folder / "trained.py").write_text(TRAINED)
    (folder / "pairs").mkdir()
    chance = np.random.default_rng(0)
    for number in range(20):
        tag, level = [("quiet", 0.01), ("loud", 0.3)][number % 2]
        wave = np.clip(chance.normal(0, level, 2400), -1, 1)
        soundfile.write(folder / "pairs" / f"{tag}-{number // 2 % 5 + 1}-{number}.wav", wave, 4000)
    for name in ("heard", "trained"):
        plugins.load(folder / f"{name}.py")
    plan = recipe(train__epochs=1).as_dict()
    plan |= {"data": {"dataset": "pairs", "test": ["5"]}, "features": {"name": "louds"}, "net": {"name": "meannet"}}
    plan |= {"augment": ["louder", "crop"], "sample_rate": 4000}
    training.train(parse(plan), datasets.index("pairs", folder / "pairs"), folder / "run")
    forgotten()
    return folder


@pytest.fixture
def tagger(place):
    return place / "run" / "tagger.safetensors"


def told(place):
    digests = {name: hashlib.sha256((place / name).read_bytes()).hexdigest() for name in ("heard.py", "trained.py")}
    return [
        {"file": "heard.py", "sha256": digests["heard.py"], "gives": [["net", "meannet"], ["feature", "louds"]]},
        {"file": "trained.py", "sha256": digests["trained.py"], "gives": [["augmentation", "louder"], ["data set", "pairs"]]},
    ]  # fmt: skip


def test_its_file_tells_both(place, tagger):
    assert read_head(tagger)["plugins"] == told(place)


def test_it_hears_with_the_one_and_tells_both_again(place, tagger, tmp_path):
    waves = np.random.default_rng(0).normal(0, 0.1, (3, 2000)).astype(np.float32)
    for name in ("heard.py", "trained.py"):
        plugins.load(place / name)
    whole = loading.load(tagger)
    scores = whole.score(waves)
    forgotten()
    plugins.load(place / "heard.py")
    alone = loading.load(tagger)
    assert np.array_equal(alone.score(waves), scores) and alone.identity() == whole.identity()
    assert np.isfinite(alone.every(0.125).score(waves)).all()
    assert np.array_equal(alone.trainable().score(waves), scores)
    alone.save(tmp_path / "again.safetensors")
    assert read_head(tmp_path / "again.safetensors")["plugins"] == told(place)
    assert np.array_equal(loading.load(tmp_path / "again.safetensors").score(waves), scores)


def test_without_the_net_it_is_refused_by_that_file_alone(place, tagger):
    plugins.load(place / "trained.py")
    with pytest.raises(
        TaggerError, match=r"needs the net 'meannet' and the feature 'louds' of the plug-in heard\.py .*"
    ) as error:
        loading.load(tagger)
    assert "trained.py" not in str(error.value)


@pytest.mark.parametrize("given", [(), ("heard.py",), ("trained.py",), ("heard.py", "trained.py")])
def test_what_it_tells_is_shown_whatever_is_there(given, place, tagger):
    files = [word for name in given for word in ("--plugin", place / name)]
    done = earmark("show", tagger, *files)
    assert done.returncode == 0 and "pairs" in done.stdout, done.stderr
    assert json.loads(earmark("show", tagger, "--json", *files).stdout)["plugins"] == told(place)
    forgotten()
    for name in given:
        plugins.load(place / name)
    (of,) = loading.describe(tagger).recipes
    assert of["features"]["name"] == "louds" and of["net"]["name"] == "meannet"


def test_a_feature_that_nobody_has_is_no_plug_ins(tagger, tmp_path):
    from earmark.models import file as taggerfile

    head, weights = taggerfile.read(tagger)
    head = {key: value for key, value in head.items() if key not in ("plugins", "sha256")}
    taggerfile.write(tmp_path / "none.safetensors", weights, head)
    with pytest.raises(TaggerError, match=r"no feature is called 'louds'"):
        loading.describe(tmp_path / "none.safetensors")


def test_the_commands_hear_and_judge_with_it(place, tagger):
    sound = next((place / "pairs").glob("*.wav"))
    done = earmark("tag", sound, "--tagger", tagger, "--plugin", place / "heard.py")
    assert done.returncode == 0, done.stderr
    forgotten()
    judged = ("evaluate", tagger, "--data", place / "pairs", "--resamples", 5, "--plugin", place / "heard.py")
    done = earmark(*judged)
    digest = told(place)[1]["sha256"][:12]
    assert done.returncode == 2 and "no data set is called 'pairs'" in done.stderr
    assert f"The tagger was trained with that of the plug-in trained.py (SHA-256 {digest}…)" in done.stderr
    assert "add --plugin trained.py to the command" in done.stderr
    forgotten()
    done = earmark(*judged, "--plugin", place / "trained.py")
    assert done.returncode == 0, done.stderr


def test_an_unknown_data_set_of_nobody_says_no_more(place, tagger):
    from earmark.evaluation import evaluation

    plugins.load(place / "heard.py")
    with pytest.raises(UnknownName) as error:
        evaluation.evaluate(tagger, place / "pairs", dataset="nopairs")
    assert "The tagger was trained" not in str(error.value)


class _OfAProgram(nn.Module):
    shortest = 8

    def __init__(self, tags):
        super().__init__()
        self.head = nn.Linear(1, tags)

    def forward(self, waves):
        from earmark.models.prediction import Prediction

        embedding = waves.square().mean(1, keepdim=True)
        return Prediction(self.head(embedding)[:, None], embedding)


def test_what_a_program_defines_is_told_before_it_is_trained_and_by_the_file(clips, tmp_path, caplog):
    """As in a notebook: nobody who has the tagger's file has the net."""

    def notebook(tags: int = 3):
        """A net of a notebook."""
        return _OfAProgram(tags)

    NETS.register("notebook", paper="our own", input="waves")(notebook)
    try:
        with caplog.at_level(logging.WARNING, "earmark"):
            path = training.train(recipe(net={"name": "notebook"}, train__epochs=1), clips, tmp_path / "run")
        line = f"the net 'notebook' of the module {__name__}: of no plug-in, and no tagger file holds code"
        assert line in caplog.text and "Put it into a file FILE.py" in caplog.text
        assert read_head(path)["plugins"] == [{"module": __name__, "gives": [["net", "notebook"]]}]
        loading.load(path)  # where it is defined, without a warning
    finally:
        NETS._drop("notebook")
    with pytest.raises(
        TaggerError, match=rf"needs the net 'notebook' of the module {__name__} of the program that made it"
    ):
        loading.load(path)
