"""Plug-ins from outside: a file is run because it is named, a package because it is installed, none because a tagger needs it."""

from __future__ import annotations

import copy
import hashlib
import json
import os
import pickle
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import yaml
from tests.program import earmark
from tests.test_train import recipe

from earmark import plugins
from earmark.errors import EarmarkError, TaggerError, UnknownName
from earmark.models import loading
from earmark.models.file import read_head
from earmark.registry import KINDS, NETS

training = pytest.importorskip("earmark.train")

pytestmark = pytest.mark.usefixtures("sketched")

TINY = '''
"""A net, a feature, a data set, a metric, an event format and an augmentation of one's own."""
from torch import nn
from earmark.models.nets import net
from earmark.models.prediction import Prediction

class Tiny(nn.Module):
    shortest = 8

    def __init__(self, tags, width):
        super().__init__()
        self.first = nn.Conv1d(1, width, 8, 4)
        self.head = nn.Linear(width, tags)

    def forward(self, waves):
        embedding = self.first(waves[:, None]).relu().mean(-1)
        return Prediction(self.head(embedding)[:, None], embedding)

@net(paper="our own", input="waves")
def tiny(tags: int = 3, width: int = 4) -> Tiny:
    """Raw waveform: one convolution and its mean (Tiny)."""
    return Tiny(tags, width)
'''


@pytest.fixture(autouse=True)
def _as_before():
    """What a test loads is gone after it."""
    yield
    forgotten()


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "mine" / "tiny.py"
    path.parent.mkdir()
    path.write_text(TINY)
    return path


def plan(**changes):
    return recipe(net={"name": "tiny", "width": 6}, train__epochs=1, **changes)


def forgotten():
    """As another program begins: nothing is loaded."""
    for each in plugins.known():
        each.forget()
        plugins._KNOWN.pop(each.root)


@pytest.fixture
def trained(file, clips, tmp_path):
    """A tagger's file, and what it scored before its plug-in was forgotten."""
    plugins.load(file)
    path = training.train(plan(), clips, tmp_path / "run")
    waves = np.random.default_rng(0).normal(0, 0.1, (3, 2000)).astype(np.float32)
    scores = loading.load(path).score(waves)
    forgotten()
    return path, waves, scores


def test_a_net_of_ones_own_is_trained_saved_and_loaded(trained, file):
    path, waves, scores = trained
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    assert read_head(path)["plugins"] == [{"file": "tiny.py", "sha256": digest, "gives": [["net", "tiny"]]}]
    with pytest.raises(TaggerError) as told:
        loading.load(path)
    assert str(told.value) == (
        f"{path}: needs the net 'tiny' of the plug-in tiny.py (SHA-256 {digest[:12]}…). A tagger file never runs one by "
        "itself: get that file from whoever made the tagger, read it, and add --plugin tiny.py to the command (in Python: "
        "earmark.plugins.load('tiny.py'))"
    )
    moved = file.rename(file.with_name("renamed.py"))  # the bytes count, not the name
    plugins.load(moved)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.array_equal(loading.load(path).score(waves), scores)


def test_another_file_of_that_net_is_told(trained, file):
    path, waves, scores = trained
    file.write_text(TINY.replace(".mean(-1)", ".amax(-1)"))
    plugins.load(file)
    with pytest.warns(
        UserWarning, match=r"its net 'tiny' is of the plug-in tiny\.py \(SHA-256 \w{12}…\), and here it is of"
    ):
        assert not np.array_equal(loading.load(path).score(waves), scores)


OTHER = TINY.replace(".mean(-1)", ".amax(-1)")
LATER = {
    "edited": OTHER,
    "edited, and it fails": "def tiny(:",
    "edited, and it fails late": OTHER + "\nraise ValueError('late')\n",
    "edited, and it gives something else": TINY.replace("def tiny", "def other"),
}


@pytest.mark.parametrize("how", LATER)
@pytest.mark.parametrize("member", ["itself", "another hop", "an ensemble"])
def test_a_file_tells_the_plug_in_that_its_tagger_was_built_by(how, member, trained, file, tmp_path):
    """Whatever was loaded in its place since: what the tagger scores is what the file tells."""
    from earmark.models.ensemble import Ensemble

    path, waves, _ = trained
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    plugins.load(file)
    tagger = loading.load(path)
    tagger = {"itself": tagger, "another hop": tagger.alone.every(0.125), "an ensemble": Ensemble([tagger, tagger])}[
        member
    ]
    before = tagger.score(waves)
    file.write_text(LATER[how])
    try:
        plugins.load(file)
    except EarmarkError:
        assert "fails" in how
    assert np.array_equal(tagger.score(waves), before)
    tagger.save(tmp_path / "again.safetensors")
    head = read_head(tmp_path / "again.safetensors")
    for told in head.get("members", [head]):
        assert told["plugins"] == [{"file": "tiny.py", "sha256": digest, "gives": [["net", "tiny"]]}]
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        if how == "edited, and it gives something else":
            with pytest.raises(TaggerError, match="needs the net 'tiny' of the plug-in tiny"):
                loading.load(tmp_path / "again.safetensors")
        else:
            loaded = loading.load(tmp_path / "again.safetensors")
            assert bool(warned) == (how == "edited") and (bool(warned) or np.array_equal(loaded.score(waves), before))


def test_a_plug_in_that_fails_leaves_what_it_was(file):
    before = plugins.load(file)
    made, gives = NETS["tiny"].function, [*before.gives]
    for source in ("def tiny(:", OTHER + "\nraise ValueError('late')\n", "x = 1\n"):
        file.write_text(source)
        with pytest.raises(EarmarkError, match=r"tiny\.py: (cannot be run|registers nothing)"):
            plugins.load(file)
        assert NETS["tiny"].function is made and NETS["tiny"].plugin is before and plugins.known()[-1] is before
        assert sys.modules[before.root].tiny is made and before.gives == gives
    file.write_text(OTHER)
    assert plugins.load(file) is not before and NETS["tiny"].function is not made
    file.write_text(TINY.replace("def tiny", "def other"))
    plugins.load(file)
    assert "tiny" not in NETS and "other" in NETS


def test_a_copy_to_train_is_of_the_same_net_or_refused(trained, file):
    path, waves, scores = trained
    plugins.load(file)
    tagger = loading.load(path, engine="torch")
    assert np.array_equal(tagger.trainable().score(waves), scores)
    file.write_text(OTHER)
    plugins.load(file)
    with pytest.raises(
        TaggerError, match=r"its weights would go into another net\. Load the plug-in as it was, or the tagger anew"
    ):
        tagger.trainable()


UNPICKLED = """
import pickle, sys
import numpy as np
asked = [pickle.load(open(path, "rb")) for path in sys.argv[2:]]
waves = np.load(sys.argv[1])
np.save(sys.argv[1], np.stack([one(waves) for one in asked]))
"""


def test_another_process_makes_it_again_of_a_pickle(trained, file, tmp_path):
    """By the plug-in's file, which nobody loaded there: the tagger, what it can be asked, an ensemble of it."""
    from earmark.models.ensemble import Ensemble

    path, waves, _ = trained
    plugins.load(file)
    tagger = loading.load(path)
    asked = [tagger.score_windows, tagger.every(0.125).score_windows, Ensemble([tagger, tagger]).score_windows]
    names = [tmp_path / f"{number}.pickle" for number in range(len(asked))]
    for name, one in zip(names, asked, strict=True):
        name.write_bytes(pickle.dumps(one))
        assert np.array_equal(copy.deepcopy(one.__self__).score_windows(waves), one(waves))
    np.save(tmp_path / "waves.npy", waves)
    done = subprocess.run(
        [sys.executable, "-c", UNPICKLED, tmp_path / "waves.npy", *names], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert np.array_equal(np.load(tmp_path / "waves.npy"), np.stack([one(waves) for one in asked]))


@pytest.mark.parametrize("how", ["changed", "gone"])
def test_a_pickle_that_no_other_process_could_read_is_refused_here(how, trained, file):
    """Workers of a pool that cannot unpickle what they are sent die one after another, and nobody is told."""
    path, waves, scores = trained
    plugins.load(file)
    tagger = loading.load(path)
    whole = pickle.dumps(tagger)
    file.write_text(OTHER) if how == "changed" else file.unlink()
    told = (
        r"has changed since it was loaded .* Load it again"
        if how == "changed"
        else r"cannot be read .* Put the file back"
    )
    with pytest.raises(EarmarkError, match=told):
        pickle.dumps(tagger.tag)
    with pytest.raises(EarmarkError, match=told):
        pickle.loads(whole)
    assert np.array_equal(copy.deepcopy(tagger).score(waves), scores)  # which needs no file


def test_an_ensemble_tells_it_of_its_members(trained, file, tmp_path):
    from earmark.models.ensemble import Ensemble

    path, waves, scores = trained
    plugins.load(file)
    Ensemble([loading.load(path).alone] * 2).save(tmp_path / "both.safetensors")
    assert np.allclose(loading.load(tmp_path / "both.safetensors").score(waves), scores, atol=1e-6)
    forgotten()
    with pytest.raises(TaggerError, match=r"both\.safetensors: needs the net 'tiny' of the plug-in tiny\.py"):
        loading.load(tmp_path / "both.safetensors")


def test_taggers_that_need_none_say_nothing_of_them(clips, tmp_path):
    assert "plugins" not in read_head(training.train(recipe(train__epochs=1), clips, tmp_path / "run"))


@pytest.mark.parametrize(
    "told", [5, [5], [{}], [{"gives": 5}], [{"gives": [["net"]]}], [{"gives": [["hat", "x"]]}], "ab"]
)
def test_a_file_that_tells_nonsense_of_them_is_refused(told, clips, tmp_path):
    from earmark.models import needs

    with pytest.raises(TaggerError, match=r"x: what it tells of its plug-ins is damaged"):
        needs.check({"plugins": told}, "x")


def test_the_commands_take_it(trained, file, clips, tmp_path):
    path, *_ = trained
    sound = clips.paths()[0]
    done = earmark("tag", sound, "--tagger", path)
    assert done.returncode == 2 and "add --plugin tiny.py to the command" in done.stderr
    done = earmark("tag", sound, "--tagger", path, "--plugin", file)
    assert done.returncode == 0, done.stderr
    (tmp_path / "plan.yaml").write_text(yaml.safe_dump(plan().as_dict()))
    forgotten()
    assert "no net is called 'tiny'" in earmark("check", tmp_path / "plan.yaml").stderr
    done = earmark("check", tmp_path / "plan.yaml", "--plugin", file)
    assert done.returncode == 0, done.stderr


def test_the_list_shows_what_came_from_where(file):
    assert "from" not in json.loads(earmark("list", "nets", "--json").stdout)[0]
    rows = {row["name"]: row for row in json.loads(earmark("list", "nets", "--json", "--plugin", file).stdout)}
    # by hand: a convolution of 8 · 4 + 4, a head of 4 · 3 + 3
    assert rows["tiny"]["from"] == str(file) and rows["tiny"]["parameters"] == 51
    assert rows["cnnspec"]["from"] == "earmark"
    (row,) = (row for row in json.loads(earmark("list", "plugins", "--json").stdout) if row["from"] == str(file))
    assert row["gives"] == "net tiny" and row["sha256"] == hashlib.sha256(TINY.encode()).hexdigest()


KINDS_OF_ALL = """
from earmark.data.datasets import dataset
from earmark.events.formats import event_format
from earmark.registry import AUGMENTATIONS, FEATURES, METRICS
@FEATURES.register()
class feature_x:
    "A feature."
    def __init__(self, sample_rate): ...
@AUGMENTATIONS.register("augmentation_x", stage="clip")
class Louder:
    "An augmentation."
    def draw(self, generator, wave, length): ...
    def apply(self, plan, wave): ...
@METRICS.register("metric_x", tasks=("one",))
def metric(scores, truth): "A metric."
@dataset(licence="CC0")
def dataset_x(root): "A data set."
@event_format(ending=".x")
class Event_x:
    "An event format."
    @staticmethod
    def text(events, highest=None): ...
    @staticmethod
    def read(text, recording): ...
"""


def test_every_kind_can_come_from_a_file(tmp_path):
    (tmp_path / "all.py").write_text(KINDS_OF_ALL)
    gives = {kind for kind, _ in plugins.load(tmp_path / "all.py").gives}
    assert gives == {*KINDS} - {"net"}
    for kind, name in plugins.known()[-1].gives:
        assert KINDS[kind][name].plugin.place == str(tmp_path / "all.py")


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("x = 1 / 0\n", r"p\.py: cannot be run \(line 1\): ZeroDivisionError: division by zero"),
        ("\ndef f(:\n", r"p\.py: cannot be run \(line 2\): SyntaxError"),
        ("x = 1\n", r"p\.py: registers nothing\. Put a decorator on what it is to give, such as @net"),
        ("import sys; sys.exit(3)", r"p\.py: cannot be run \(line 1\): SystemExit: 3"),
        (
            "import mylayers",
            r"No module named 'mylayers'\. A plug-in is one file: .* entry point of the group earmark\.plugins",
        ),
        (TINY.replace("def tiny", "def cnnspec"), r"p\.py: two nets are called 'cnnspec': earmark\.models\.nets\.cnn"),
        (TINY + "raise ValueError('late')", r"p\.py: cannot be run \(line \d+\): ValueError: late"),
    ],
)
def test_a_file_that_is_no_plug_in_is_refused_and_leaves_nothing(source, told, tmp_path):
    (tmp_path / "p.py").write_text(source)
    before = list(plugins.known()), NETS.names(), NETS["cnnspec"].plugin
    with pytest.raises(EarmarkError, match=told):
        plugins.load(tmp_path / "p.py")
    assert (list(plugins.known()), NETS.names(), NETS["cnnspec"].plugin) == before


def test_the_net_of_the_page_is_a_plug_in_as_it_stands(tmp_path):
    page = (Path(__file__).parent.parent / "docs" / "adding.md").read_text(encoding="utf-8")
    (tmp_path / "plainnet.py").write_text(
        page.partition("# src/earmark/models/nets/plainnet.py\n")[2].partition("```")[0]
    )
    assert plugins.load(tmp_path / "plainnet.py").gives == [("net", "plainnet")]


def test_a_file_that_is_not_there_and_a_folder_are_refused(tmp_path):
    for path in (tmp_path / "no.py", tmp_path):
        with pytest.raises(EarmarkError, match=r"cannot be read \(.*\)\. Name a file of Python"):
            plugins.load(path)


def test_two_files_with_one_name_are_told_and_one_file_is_run_once(file, tmp_path):
    assert plugins.load(file) is plugins.load(str(file))
    (tmp_path / "tiny.py").write_text(TINY)
    with pytest.raises(EarmarkError, match=rf"two nets are called 'tiny': {file}\.tiny and {tmp_path}/tiny\.py\.tiny"):
        plugins.load(tmp_path / "tiny.py")


PACKAGES = """
import json, sys
from earmark import plugins
from earmark.registry import NETS
told = {"nets": [NETS["frogs"].plugin.place], "gives": {each.place: each.gives for each in plugins.known()}}
try:
    NETS["toads"]
except Exception as error:
    told["error"] = str(error)
print(json.dumps(told))
"""


def test_installed_packages_are_found_and_a_broken_one_is_told_where_it_is_missed(tmp_path):
    frogs = TINY.replace("def tiny", "def frogs")
    for name, source in (("frogs", frogs), ("toads", "import no_such_module\n")):
        (tmp_path / f"{name}_tags").mkdir()
        (tmp_path / f"{name}_tags" / "__init__.py").write_text("")
        (tmp_path / f"{name}_tags" / "nets.py").write_text(source)
        place = tmp_path / f"{name}_tags-1.2.dist-info"
        place.mkdir()
        (place / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}-tags\nVersion: 1.2\n")
        (place / "entry_points.txt").write_text(f"[earmark.plugins]\n{name} = {name}_tags.nets\n")
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-c", PACKAGES], capture_output=True, text=True, env={**os.environ, "PYTHONPATH": path}
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["nets"] == ["frogs-tags 1.2"]
    assert told["gives"] == {"frogs-tags 1.2": [["net", "frogs"]], "toads-tags 1.2": []}
    assert "no net is called 'toads'" in told["error"]
    assert (
        "The plug-in toads-tags 1.2 cannot be imported (ModuleNotFoundError: No module named 'no_such_module')"
        in told["error"]
    )


def test_an_installed_package_that_is_missing_is_named_with_its_version():
    from earmark.models import needs

    head = {"plugins": [{"package": "frogs-tags", "version": "1.2", "gives": [["net", "frogs"]]}]}
    with pytest.raises(
        TaggerError, match=r"the plug-in frogs-tags 1\.2\. Install it, if you trust it: pip install 'frogs-tags==1\.2'"
    ):
        needs.check(head, "t.safetensors")
    own = {"plugins": [{"package": "frogs-tags", "version": "1.2", "gives": [["net", "cnnspec"]]}]}
    with pytest.warns(UserWarning, match="of the plug-in frogs-tags 1.2, and here it is earmark's own"):
        needs.check(own, "t.safetensors")


def test_an_unknown_name_says_no_more_than_before():
    with pytest.raises(UnknownName, match=r"no net is called 'nonet'.*Known: [\w, ]+$"):
        NETS["nonet"]
