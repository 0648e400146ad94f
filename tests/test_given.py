"""What is given may be gone through once, be masked, be no tagger or no window: it is taken as it is meant, or refused with the way out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.small import tagger

import earmark
from earmark import metrics
from earmark.data import manifest, splits
from earmark.engines import features
from earmark.errors import EarmarkError, ScoresError
from earmark.evaluation import tuning
from earmark.events import EventRules, formats
from earmark.inference import Recording
from earmark.inference.live import Raw
from earmark.scores import Embeddings, Event, Scores
from earmark.scores.ensemble.rules import shares
from earmark.windows import Windows

ROWS = {"ids": np.array(["a", "b"]), "start": np.zeros(2), "end": np.ones(2)}
VALUES = np.array([[0.25, 0.75], [0.5, 0.5]], np.float32)
TRUE = {"a": [("dog", 0.0, 1.0), ("dog", 2.0, 3.0)]}


def torch_module():
    return pytest.importorskip("torch").nn.Linear(2, 2)


def clips(**more):
    names = ["a", "b", "c", "d"]
    return manifest.build({"id": names, "path": names, "tags": [["x"], ["y"]] * 2} | more, ".")


@pytest.fixture(scope="module")
def small():
    return tagger("convnet1d", 1.0, 0.5)


@pytest.mark.parametrize("form", sorted(formats.EVENT_FORMATS.names()))
def test_events_that_come_once_are_refused(form, tmp_path):
    """They were gone after they had been looked at, and an empty file was written."""
    found = {"a": (each for each in [Event(0.0, 1.0, "dog", 0.9)])}
    with pytest.raises(EarmarkError, match=r"events holds under 'a' <generator.*Give a list of Event: list"):
        formats.write(found, tmp_path / "f", form)
    assert not (tmp_path / "f").exists()


@pytest.mark.parametrize(
    "measure",
    [metrics.match_events, metrics.match_segments, metrics.match_intersections],
    ids=lambda each: each.__name__,
)
def test_metrics_of_events_that_come_once_are_refused(measure):
    for pair in (({"a": iter(TRUE["a"])}, TRUE), (TRUE, {"a": iter(TRUE["a"])})):
        with pytest.raises(
            EarmarkError, match=r"holds under 'a' <list_iterator?.*a list_iterator\. Give a list of .*: list\(…\) of it"
        ):
            measure(*pair, **({"durations": {"a": 3.0}} if measure is metrics.match_segments else {}))


MASKED = np.ma.array(VALUES, mask=[[True, False], [False, False]])


@pytest.mark.parametrize(
    "make",
    [
        lambda masked: Scores(masked, **ROWS, tags=("x", "y")),
        lambda masked: Embeddings(masked, **ROWS),
        lambda masked: Scores(VALUES, **{**ROWS, "start": masked[:, 0]}, tags=("x", "y")),
        lambda masked: Scores(VALUES, **{**ROWS, "ids": np.ma.array(ROWS["ids"], mask=[1, 0])}, tags=("x", "y")),
        lambda masked: features.build(features_of("logmel"))(np.repeat(masked, 8000, 1)),
        lambda masked: metrics.FrameScores(masked, np.arange(3.0)),
    ],
)
def test_masks_are_not_forgotten(make):
    with pytest.raises(EarmarkError, match="mask"):
        make(MASKED)


def features_of(name):
    from earmark import recipe

    told = {"task": "one", "sample_rate": 16_000, "windows": {"length": 1.0, "hop": 1.0}, "net": "cnn6", "augment": ["crop"],
            "features": name, "train": {"epochs": 1}, "data": {"dataset": "synth", "test": [2], "validation": [1]}}  # fmt: skip
    return recipe.parse(told)


@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")
def test_a_matrix_is_written_as_an_array_is(tmp_path):
    made = Scores(np.matrix(VALUES), **ROWS, tags=("x", "y"))
    assert type(made.values) is np.ndarray
    made.save(tmp_path / "s.parquet")
    assert Scores.load(tmp_path / "s.parquet") == made


@pytest.mark.parametrize("tags", [9_997, 9_998])
def test_what_cannot_be_read_is_not_written(tmp_path, tags):
    made = Scores(
        np.zeros((1, tags), np.float32), np.array(["a"]), np.zeros(1), np.ones(1), tuple(map(str, range(tags)))
    )
    if tags + 3 <= 10_000:
        made.save(tmp_path / "s.csv")
        assert Scores.load(tmp_path / "s.csv") == made
        return
    with pytest.raises(
        ScoresError, match=r"a column for each of 9,998 tags, and a table may have 10,000: save as \.parquet"
    ):
        made.save(tmp_path / "s.csv")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("cell", ["nan", "NaN", "-nan", "<NA>"])
def test_what_tools_write_for_no_value_is_none_in_folds_groups_and_events(tmp_path, cell):
    """As a group it put all clips together that have none."""
    (tmp_path / "m.csv").write_text(
        f"id,path,tags,fold,group,events\na,a.wav,x,{cell},{cell},{cell}\nb,b.wav,nan,1,g,\n"
    )
    read = manifest.read(tmp_path / "m.csv")
    assert read.folds.tolist() == ["", "1"] and read.groups.tolist() == ["a", "g"]
    assert read.table["events"].to_pylist()[0] is None
    assert any("the tag 'nan' is how tools write a missing value" in line for line in read.told())


@pytest.mark.parametrize("name", ["ids", "folds", "groups", "start", "end"])
def test_what_a_manifest_tells_is_not_written_to(name):
    whole = clips(fold=["1", "1", "2", "2"])
    with pytest.raises(ValueError, match="read-only"):
        getattr(whole, name)[0] = getattr(whole, name)[1]
    assert len(whole.in_folds(["2"])) == 2


def test_rules_are_not_those_of_a_dictionary_that_is_changed_later():
    told = {"dog": 0.5}
    rules = EventRules(told, {"dog": 0.0})
    told["dog"] = 7.0
    assert rules.thresholds == {"dog": 0.5}
    with pytest.raises(EarmarkError, match=r"thresholds holds under 'dog' '\.5', a str\. Give a number"):
        EventRules({"dog": ".5"}, {"dog": 0.0})


@pytest.mark.parametrize(
    "options", [{"gain": -60.0}, {"floor": 0.0}, {"windows": True}, {"errors": "keep"}, {"batch": -3}, {"workers": 0}]
)
def test_options_of_recordings_are_refused_for_windows(small, options):
    waves = np.zeros((2, small.windows.samples(small.sample_rate)[0]), np.float32)
    with pytest.raises(
        EarmarkError, match=f"score: {next(iter(options))} is of recordings, and an array without sample_rate="
    ):
        small.score(waves, **options)
    assert small.score(waves, sample_rate=None).shape == (2, len(small.vocabulary))


@pytest.mark.parametrize(
    "judge",
    [
        lambda given, clips: earmark.evaluate(given, clips),
        lambda given, clips: earmark.compare({"a": given, "b": given}, clips),
        lambda given, clips: tuning.tune(given, clips),
    ],
)
@pytest.mark.parametrize("given", [Scores(VALUES, **ROWS, tags=("x", "y")), VALUES, torch_module()])
def test_what_is_no_tagger_is_refused_as_such(judge, given):
    with pytest.raises(EarmarkError, match=f"a {type(given).__name__} is no tagger: give a tagger's file"):
        judge(given, clips(fold=["1", "1", "2", "2"]))


@pytest.mark.parametrize(
    ("ask", "told"),
    [
        (lambda: clips().select([-1]), "there is no row -1 among 4 clips"),
        (lambda: clips().select([4]), "there is no row 4 among 4 clips"),
        (lambda: splits.assign_folds(clips(), 2, -1), "seed is -1"),
        (lambda: Raw(rate="44100"), "rate='44100' is text"),
        (lambda: Raw(rate=44_100, reader="dog.ogg"), "reader='dog.ogg' is"),
        (lambda: Windows(-1.0, 1.0), "windows: length is -1 s: it must be above 0"),
        (lambda: Windows(1.0, float("nan")), "windows: hop is nan s"),
        (lambda: Windows(1.0, 1.0, last="foo"), "windows: last is 'foo': take one of align, pad, drop"),
        (lambda: features.build(features_of("logmel"))(np.zeros((1, 16_000))), "waves are float64"),
        (lambda: features.build(features_of("logmel"))(np.zeros((1, 5), np.float32)), "fewer than one frame"),
        (lambda: features.build(features_of("logmel"))(np.full((2, 16_000), np.inf, np.float32)), "inf in window 1, sample 1"),
        (lambda: features.build(features_of("mfcc"))(spoilt()), "waves hold nan in window 2, sample 4"),
        (lambda: features.build(features_of("logmel")).inputs(np.zeros((1, 16_000), np.float32), "boht"), "hears is 'boht'"),
        (lambda: metrics.mean_auc(VALUES.astype(complex), VALUES > 0.3), "values are complex128"),
        (lambda: metrics.mean_auc(VALUES.astype(str), VALUES > 0.3), "give scores as real numbers"),
    ],
)  # fmt: skip
def test_it_is_refused_as_all_is(ask, told):
    with pytest.raises(EarmarkError) as error:
        ask()
    assert told in str(error.value)


def spoilt():
    waves = np.zeros((2, 16_000), np.float32)
    waves[1, 3] = np.nan
    return waves


def test_a_whole_number_may_be_told_as_2_0():
    """NumPy and Python ask for one that is."""
    one, *others = (splits.assign_folds(clips(), k, seed=0.0) for k in (2, 2.0, np.float32(2), np.float64(2)))
    for other in others:
        assert one.folds.tolist() == other.folds.tolist() and one.facts == other.facts


def test_very_large_weights_are_in_proportion():
    assert shares([1e308, 1e308], 2).tolist() == [0.5, 0.5] and shares([1e308, 1e-308], 2).tolist() == [1.0, 0.0]


@pytest.mark.parametrize("name", ["logmel", "mfcc", "spectrogram", "multires"])
def test_no_samples_have_no_frames(name):
    feature = features.build(features_of(name))
    assert feature.frames(0) == 0 and feature.frames(feature.shortest) == 1


def test_parts_of_a_file_are_told_apart(small, clips_of_sound: Path):
    """In what is printed, in tables and in JSON."""
    parts = [
        Recording(clips_of_sound, 0.5, 2.0, id="first"),
        Recording(clips_of_sound, 2.0, 4.0),
        Recording(clips_of_sound),
    ]
    for ask in (small.tag, small.events, small.score):
        first, second, whole = ask(parts)
        assert str(first).split(": ")[0].endswith(f"first ({clips_of_sound} from 0.5 s, 1.5 s)")
        assert f"{clips_of_sound} from 2 s (2.0 s)" in str(second)
        assert {key: value for key, value in first.to_dict().items() if key in ("path", "start", "id", "duration")} == {
            "path": str(clips_of_sound), "start": 0.5, "id": "first", "duration": 1.5
        }  # fmt: skip
        assert "start" not in whole.to_dict() and "id" not in second.to_dict() and second.to_dict()["start"] == 2.0
        assert set(first.columns()) - set(whole.columns()) == {"start", "id"}


@pytest.fixture
def clips_of_sound(tmp_path) -> Path:
    import soundfile

    soundfile.write(tmp_path / "a.wav", np.random.default_rng(0).normal(0, 0.1, 40_000), 8000)
    return tmp_path / "a.wav"
