"""What lacks something that all of its kind have is refused when it is registered, in one error: every kind of plug-in."""

from __future__ import annotations

import re

import numpy as np
import pytest
from tests.test_train import recipe

from earmark import plugins
from earmark.errors import EarmarkError
from earmark.registry import AUGMENTS, KINDS, STAGES, fixed

pytest.importorskip("earmark.train")

HEAD = """
from earmark.data.datasets import dataset
from earmark.events.formats import event_format
from earmark.models.nets import net
from earmark.registry import AUGMENTATIONS, EVENT_FORMATS, FEATURES, METRICS, NETS
"""
# kind → one that is as it should be; what is wrong in a copy of it is told by (old, new) and what the message says
GOOD = {
    "net": """
@net(paper="our own", input="maps")
def mine(tags: int, channels: int, bands: int): ...
""",
    "feature": """
@FEATURES.register()
class mine:
    def __init__(self, sample_rate): ...
""",
    "data set": """
@dataset(licence="CC0")
def mine(root): ...
""",
    "augmentation": """
@AUGMENTATIONS.register("mine", stage="clip")
class Mine:
    def draw(self, generator, wave, length): ...
    def apply(self, plan, wave): ...
""",
    "metric": """
@METRICS.register("mine", tasks=("one", "many"))
def mine(values, truth): ...
""",
    "event format": """
@event_format(ending=".mine")
class Mine:
    @staticmethod
    def text(events, highest=None): ...
    @staticmethod
    def read(text, recording): ...
""",
}
WRONG = [
    ("net", 'input="maps"', 'input="sound"', r"with the input 'sound': @net\(…, input=…\) takes one of waves, maps, both"),
    ("net", "(tags: int, ", "(count: int, ", r"has no argument tags, which the tagger fills in"),
    ("net", ", channels: int, bands: int", "", r"has no argument channels nor bands, which the tagger fills in"),
    ("feature", "self, sample_rate", "self", r"has no arguments: the tagger gives it the sample rate first"),
    ("data set", "(root)", "()", r"has no arguments: it is given the folder, `root`"),
    ("augmentation", ', stage="clip"', "", r"without a stage: .*'mine', stage=…\) takes one of clip, pair, batch, maps"),
    ("augmentation", '"clip"', '"wave"', r"with the stage 'wave': .* takes one of clip, pair, batch, maps"),
    ("augmentation", "draw(self", "drawn(self", r"has no function `draw` of \(generator, wave, length\)"),
    ("augmentation", "apply(self, plan, wave)", "apply(self)", r"a function `apply` of \(plan, wave\), and its own takes \(self\)"),
    ("augmentation", "def apply(self, plan, wave): ...", "apply = 3", r"has no function `apply` of \(plan, wave\)"),
    ("metric", ', tasks=("one", "many")', "", r"without tasks: .*says whether it is for clips of one tag, of many, or both"),
    ("metric", '("one", "many")', '"many"', r"with the tasks 'many': "),
    ("metric", '("one", "many")', '("some",)', r"with the tasks \('some',\): "),
    ("metric", "(values, truth)", "(values)", r"is a function of values and truth, and takes \(values\)"),
    ("metric", 'many")', 'many"), weighted=3', r"with a `weighted` that is no function"),
    ("event format", '".mine"', '"mine"', r"with the ending 'mine': @event_format\(ending=…\)"),
    ("event format", "text(events, highest=None)", "text(events)", r"`text` of \(events, highest\), and its own takes \(events\)"),
    ("event format", "def read", "def parse", r"has no function `read` of \(text, recording\)"),
]  # fmt: skip


@pytest.fixture
def load(tmp_path):
    def run(source):
        path = tmp_path / "p.py"
        path.write_text(HEAD + source)
        return plugins.load(path)

    yield run
    for each in plugins.known():
        if each.sha256:
            each.forget()
            plugins._KNOWN.pop(each.root)


def test_every_kind_is_here():
    assert set(GOOD) == {kind for kind, *_ in WRONG} == set(KINDS)


@pytest.mark.parametrize("kind", GOOD)
def test_what_has_all_is_taken(kind, load):
    assert [of for of, _ in load(GOOD[kind]).gives] == [kind]


@pytest.mark.parametrize("kind", KINDS)
def test_what_earmark_has_would_be_taken_again(kind):
    for name in KINDS[kind].names():
        assert KINDS[kind].contract(KINDS[kind][name]) == "", name


@pytest.mark.parametrize(("kind", "old", "new", "told"), WRONG)
def test_what_lacks_something_is_refused_at_once(kind, old, new, told, load):
    assert old in GOOD[kind]
    before = KINDS[kind].names()
    with pytest.raises(EarmarkError, match=rf"^plug-in \S+/p\.py: the {kind} '\w+' .*{told}"):
        load(GOOD[kind].replace(old, new))
    assert KINDS[kind].names() == before


@pytest.mark.parametrize("stage", STAGES)
def test_each_stage_says_what_it_is_given(stage, load):
    given = ", ".join(("self", *AUGMENTS[stage]["draw"]))
    source = GOOD["augmentation"].replace("self, generator, wave, length", given)
    applied = source.replace("self, plan, wave", ", ".join(("self", *AUGMENTS[stage]["apply"])))
    load(applied.replace('"clip"', f'"{stage}"'))
    wrong = source.replace(f"({given})", "(self, generator)").replace('"clip"', f'"{stage}"')
    with pytest.raises(
        EarmarkError, match=rf"a function `draw` of \({given[6:]}\), and its own takes \(self, generator\)"
    ):
        load(wrong)


@pytest.mark.parametrize("kind", GOOD)
def test_two_of_one_name_in_one_file_are_refused(kind, load):
    with pytest.raises(
        EarmarkError, match=rf"p\.py: two {kind}s are called '\w+': both \S+p\.py\.\w+, on lines \d+ and \d+\. Rename"
    ):
        load(GOOD[kind] * 2)


@pytest.mark.parametrize("kind", GOOD)
def test_a_file_that_changed_takes_the_place_of_what_it_was(kind, load):
    load(GOOD[kind])
    (given,) = load("\n\n" + GOOD[kind]).gives
    assert given[0] == kind


def test_two_of_one_name_in_one_module_are_refused(tmp_path, monkeypatch):
    """Of a package; one that is imported again is not."""
    import importlib
    import sys

    body = '@THINGS.register()\ndef duck(): "A duck."\n'
    (tmp_path / "ponds.py").write_text(
        "from earmark.registry import Registry\nTHINGS = Registry('thing', 'ponds')\n" + body
    )
    monkeypatch.syspath_prepend(tmp_path)
    try:
        things = importlib.import_module("ponds").THINGS
        for _ in range(2):
            exec(compile("\n\n" + body, str(tmp_path / "ponds.py"), "exec"), sys.modules["ponds"].__dict__)
        assert things.names() == ["duck"]
        with pytest.raises(EarmarkError, match=r"two things are called 'duck': both ponds\.duck, on lines 3 and 5"):
            exec(compile("\n\n\n\n" + body, str(tmp_path / "ponds.py"), "exec"), sys.modules["ponds"].__dict__)
    finally:
        del sys.modules["ponds"]


MADE = """
def mine(loud: float = 1.0):
    if loud < 0:
        raise ValueError(f"loud is {loud:g}: it is at least 0")
    return MADE
AUGMENTATIONS.register("mine", stage="clip")(mine)
"""


@pytest.mark.parametrize(
    ("made", "loud", "told"),
    [
        (
            "None",
            1.0,
            r"augment\.0: the augmentation 'mine' of \S+p\.py has no function `draw` of \(generator, wave, length\)",
        ),
        (
            "{}['x']",
            1.0,
            r"augment\.0: the augmentation 'mine' of \S+p\.py: its making fails \(line 10\): KeyError: 'x'",
        ),
        ("None", -1.0, r"augment\.0: loud is -1: it is at least 0"),
    ],
)
def test_what_a_function_makes_is_held_against_its_stage_too(made, loud, told, load):
    from earmark.recipe.checks import check

    load(MADE.replace("MADE", made))
    _, (mistake,) = check(recipe().as_dict() | {"augment": [{"name": "mine", "loud": loud}, "crop"]})
    assert re.fullmatch(told, mistake)


def test_annotations_that_name_what_is_not_there_end_nothing(load):
    from earmark.recipe.checks import check

    load(MADE.replace("MADE", "None").replace("loud: float", "loud: 'Loudness'"))
    _, (mistake,) = check(recipe().as_dict() | {"augment": [{"name": "mine", "loud": 2}, "crop"]})
    assert "has no function `draw`" in mistake


METRIC = """
from earmark.registry import METRICS

@METRICS.register("mine", tasks=("one", "many"))
def mine(values, truth):
    DOES
"""
FAILING = [
    ("{}['x']", r"the metric 'mine' of \S+p\.py: its function fails \(line 11\): KeyError: 'x'"),
    ("pass", r"the metric 'mine' gives None, which is no number: its function, of \S+p\.py, is to return one"),
    ("return 'much'", r"gives 'much', which is no number"),
    ("return values", r"gives array\(.*, which is no number"),
    ("return '0.5'", r"gives '0\.5', which is no number"),
    ("return b'0.5'", r"gives b'0\.5', which is no number"),
    ("return True", r"gives True, which is no number"),
    ("return values.max() > 0", r"gives np\.True_, which is no number"),
    ("return 1 + 2j", r"gives \(1\+2j\), which is no number"),
    ("return values.max() * 1j", r"gives \S+j\)+, which is no number"),
    ("import numpy; return float(numpy.random.rand())", r"gives 0\S+ and, of the same clips, 0\S+: it draws by chance"),
    ("values *= 0; return 1.0", r"its function fails \(line 11\): ValueError: .*read-only.* make a new array"),
    ("truth[:] = False; return 1.0", r"its function fails \(line 11\): ValueError: .*read-only"),
]


@pytest.mark.parametrize(("does", "told"), FAILING)
def test_a_metric_that_fails_is_told_and_the_others_are_measured(load, does, told):
    from earmark import metrics
    from earmark.errors import ScoresError

    values, truth = np.random.default_rng(0).random((8, 3)), np.eye(3, dtype=bool)[np.arange(8) % 3]
    plain = metrics.evaluate(values, truth, np.arange(8) // 2, "one", resamples=20)
    load(METRIC.replace("DOES", does))
    with pytest.raises(ScoresError, match=told):
        metrics.evaluate(values, truth, np.arange(8) // 2, "one", resamples=20, metrics=["map", "mine"])
    with pytest.warns(UserWarning, match=rf"{told}.*\. The other metrics are measured"):
        got = metrics.evaluate(values, truth, np.arange(8) // 2, "one", resamples=20)
    assert got == plain
    with pytest.warns(UserWarning, match=told):
        compared = metrics.compare(
            [values, values * 0.5], truth, np.arange(8) // 2, "one", resamples=20, permutations=20
        )
    assert {each.metric for each in compared} == set(plain)


@pytest.mark.parametrize(
    "does",
    [
        "return 1",
        "return values.mean(dtype='f4')",
        "import numpy; return numpy.array(0.5)",
        "import torch; return torch.tensor(0.5)",
        "import fractions; return fractions.Fraction(1, 3)",
        "import numpy; return numpy.random.default_rng(0).random()",
        "return float('nan')",
        "return float('inf')",
    ],
)
def test_a_metric_that_gives_a_number_of_any_kind_is_measured(load, does):
    from earmark import metrics

    values, truth = np.random.default_rng(0).random((8, 3)), np.eye(3, dtype=bool)[np.arange(8) % 3]
    load(METRIC.replace("DOES", does))
    assert "mine" in metrics.evaluate(values, truth, np.arange(8) // 2, "one", resamples=3, metrics=["mine"])


def test_a_metric_that_fails_on_some_draws_is_left_out(load):
    from earmark import metrics

    values, truth = np.random.default_rng(0).random((8, 3)), np.eye(3, dtype=bool)[np.arange(8) % 3]
    load(METRIC.replace("DOES", "return values[truth].min() if len(set(values[:, 0])) == 8 else None"))
    with pytest.warns(UserWarning, match="the metric 'mine' gives None"):
        got = metrics.evaluate(values, truth, np.arange(8) // 2, "one", resamples=20)
    assert "mine" not in got and "map" in got


@pytest.mark.parametrize(
    ("does", "told"),
    [
        ("draw.clips.values[:] = 0", r"its weighted fails \(line 9\): ValueError: .*read-only"),
        ("{}['x']", r"KeyError: 'x'"),
    ],
)
def test_a_metric_of_weights_too(load, does, told):
    from earmark import metrics
    from earmark.errors import ScoresError

    source = METRIC.replace("DOES", "return 1.0").replace('"many")', '"many"), weighted=of_weights')
    load(
        source.replace("@METRICS", f"def of_weights(draw):\n    {does}\n\n@METRICS").replace(
            "import METRICS\n\n", "import METRICS\n"
        )
    )
    values, truth = np.random.default_rng(0).random((8, 3)), np.eye(3, dtype=bool)[np.arange(8) % 3]
    before = values.copy()
    with pytest.raises(ScoresError, match=told):
        metrics.evaluate(values, truth, np.arange(8) // 2, "one", resamples=20, metrics=["mine"])
    assert np.array_equal(values, before)


FORMAT = """
from earmark.events.formats import event_format
from earmark.scores import Event

@event_format(ending=".mine", MORE)
class Mine:
    @staticmethod
    def text(events, highest=None, more=None):
        WRITES

    @staticmethod
    def read(text, recording):
        READS
"""
WRITES = [
    ("pass", r"its text gives nothing \(None\), not text"),
    ("return b'dog'", r"its text gives what is of the type bytes, not text"),
    ("return {}['x']", r"its text fails \(line 14\): KeyError: 'x'"),
]
READS = [
    ("pass", r"its read gives nothing \(None\), not a dictionary of recordings"),
    ("return []", r"its read gives what is of the type list, not a dictionary"),
    ("return {recording: None}", r"its read gives nothing \(None\) for 'e', not a dictionary"),
    ("return {recording: [('dog', 0, 1)]}", r"its read gives what is of the type tuple among the events of 'e', not"),
    ("return {}['x']", r"its read fails \(line 18\): KeyError: 'x'"),
]


@pytest.mark.parametrize("more", ["", "more=True"])
@pytest.mark.parametrize(("does", "told"), WRITES)
def test_a_format_that_writes_no_text(load, tmp_path, does, told, more):
    from earmark.errors import ScoresError
    from earmark.events import formats
    from earmark.scores import Event

    load(FORMAT.replace("WRITES", does).replace("READS", "return {}").replace("MORE", more))
    with pytest.raises(ScoresError, match=rf"^the event format 'p' of \S+p\.py: {told}"):
        formats.write({"a.wav": [Event(0, 1, "dog")]}, tmp_path / "e.mine", "p")
    assert not (tmp_path / "e.mine").exists()
    with pytest.raises(ScoresError, match=told):
        formats.frame("p")


@pytest.mark.parametrize(("does", "told"), READS)
def test_a_format_that_reads_no_events(load, tmp_path, does, told):
    from earmark.errors import ScoresError
    from earmark.events import formats

    load(FORMAT.replace("WRITES", "return ''").replace("READS", does).replace("MORE", ""))
    (tmp_path / "e.mine").write_text("dog")
    with pytest.raises(ScoresError, match=rf"e\.mine: the event format 'p' of \S+p\.py: {told}"):
        formats.read(tmp_path / "e.mine")
    assert not formats.wrote(tmp_path / "e.mine", "p")


@pytest.mark.parametrize(
    ("does", "told"),
    [
        ("pass", r" gives NoneType, not a manifest: return"),
        ("return {}['x']", r": its function fails \(line 9\): KeyError: 'x'"),
    ],
)
def test_a_data_set_that_gives_no_manifest(load, tmp_path, does, told):
    from earmark.data import datasets
    from earmark.errors import ManifestError

    load(GOOD["data set"].replace("...", f"\n    {does}"))
    with pytest.raises(ManifestError, match=rf"the data set 'mine' of \S+p\.py{told}"):
        datasets.index("mine", tmp_path)


def test_a_masked_array_that_is_fixed_keeps_its_mask():
    array = np.ma.masked_array([1.0, 2.0], [False, True])
    view = fixed(array)
    with pytest.raises(ValueError, match="read-only"):
        view[0] = 3
    view.mask[0] = True
    assert array.tolist() == [1.0, None]
