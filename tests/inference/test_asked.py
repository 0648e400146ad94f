"""What is asked of a tagger in Python: every way to give it a sound has the same answer, and a mistake is told with its way out."""

from __future__ import annotations

import asyncio
import io
import json
import pickle
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
import torch
from tests.program import earmark as program

import earmark
from earmark import audio
from earmark import recipe as recipes
from earmark.engines.features import build
from earmark.errors import AudioError, EarmarkError, TaggerError
from earmark.events import EventRules
from earmark.inference import Failure, Recording, Scored, score
from earmark.models import loading
from earmark.models import tagger as taggers
from earmark.models.ensemble import Ensemble
from earmark.recipe import parse
from earmark.scores import Embeddings, Event, Events, Tag, Tags

RATE = 22_050
PLAN = {
    "task": "many", "sample_rate": 16_000, "data": {"dataset": "synth"}, "windows": {"length": 0.5, "hop": 0.25},
    "net": {"name": "samplecnn", "sizes": [3, 3, 2], "widths": [8, 8, 8], "hidden": 8}, "augment": ["crop"],
    "train": {"epochs": 1},
}  # fmt: skip
ASKED = {
    "tag": lambda tagger, sound, **options: tagger.tag(sound, **options),
    "events": lambda tagger, sound, **options: tagger.events(
        sound, EventRules.alike(tagger.vocabulary, 0.1), **options
    ),
    "score": lambda tagger, sound, **options: tagger.score(sound, **options).values.tolist(),
    "embed": lambda tagger, sound, **options: tagger.embed(sound, **options).vectors.tolist(),
}


@pytest.fixture(scope="module")
def file(tmp_path_factory) -> Path:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("taggers") / "t.safetensors"
    taggers.build(parse(PLAN), ("dog", "rain", "sea")).save(path)
    return path


@pytest.fixture(scope="module")
def tagger(file):
    return loading.load(file)


@pytest.fixture(scope="module")
def wave():
    """Two channels at another rate than the tagger's."""
    return np.random.default_rng(1).uniform(-0.4, 0.4, (2, 5 * RATE)).astype(np.float32)


@pytest.fixture(scope="module")
def path(wave, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("sounds") / "sound.wav"
    soundfile.write(path, wave.T, RATE, subtype="FLOAT")
    return path


@pytest.fixture(params=ASKED)
def ask(request):
    return ASKED[request.param]


@pytest.mark.parametrize("how", ["text", "bytes", "bytearray", "view", "file", "memory", "recording"])
def test_every_way_to_give_a_file_has_its_answer(tagger, path, ask, how):
    data = path.read_bytes()
    with path.open("rb") as file:
        given = {
            "text": str(path), "bytes": data, "bytearray": bytearray(data), "view": memoryview(data), "file": file,
            "memory": io.BytesIO(data), "recording": Recording(path),
        }[how]  # fmt: skip
        assert ask(tagger, given) == ask(tagger, path)


@pytest.mark.parametrize("kind", [np.float32, np.float64, ">f4"])
def test_an_array_is_mixed_and_resampled_as_its_file_is(tagger, path, wave, ask, kind):
    assert ask(tagger, wave.astype(kind), sample_rate=RATE) == ask(tagger, path)
    (heard,) = score(tagger, [Recording(path)])
    assert tagger.score(wave, sample_rate=RATE).notes == ("array: 2 channels mixed to one (mean)",)
    assert heard.notes == (f"{path}: 2 channels mixed to one (mean)",)


def test_an_array_of_one_channel(tagger, wave, ask):
    mono = wave[0]
    assert ask(tagger, mono, sample_rate=RATE) == ask(tagger, mono[None], sample_rate=np.int64(RATE))
    assert ask(tagger, wave[:, ::2][0], sample_rate=float(RATE)) == ask(tagger, wave[0, ::2].copy(), sample_rate=RATE)


def test_a_long_array_is_cut_as_its_file_is(tagger, tmp_path, ask):
    long = np.random.default_rng(2).uniform(-0.4, 0.4, 25 * RATE).astype(np.float32)
    soundfile.write(tmp_path / "long.wav", long, RATE, subtype="FLOAT")
    assert ask(tagger, long, sample_rate=RATE) == ask(tagger, tmp_path / "long.wav")


def test_a_list_has_an_answer_each_in_order(tagger, path, wave):
    silent = np.zeros(RATE, np.float32)
    first, second, third = tagger.tag([wave, silent, path], sample_rate=RATE)
    assert second == [] and second.about.silent and tagger.tag([]) == []
    (alone,) = tagger.tag((path,))
    for found in (third, alone, tagger.tag(path)):  # windows by other numbers at once: alike but for the last bit
        assert [tag.label for tag in found] == [tag.label for tag in first]
        assert [tag.score for tag in found] == pytest.approx([tag.score for tag in first], abs=1e-6)
    assert [found.about.path for found in tagger.events([path, wave], sample_rate=RATE)] == [str(path), "array 1"]


def test_windows_without_a_sample_rate_are_windows_as_ever(tagger):
    windows = np.random.default_rng(0).uniform(-0.4, 0.4, (3, 8_000)).astype(np.float32)
    assert np.array_equal(tagger.score(windows), tagger.score_windows(windows))
    assert tagger.score(windows).shape == (3, 3)
    with pytest.raises(
        EarmarkError, match=r"\(8000,\): give \(windows, samples\), or a recording with its sample_rate="
    ):
        tagger.score(windows[0])


@pytest.mark.parametrize("kind", ["torch", "onnxruntime", "an ensemble"])
@pytest.mark.parametrize("samples", [10, 88_199, 264_600])
def test_windows_of_another_length_are_told(kind, samples):
    """And not what PyTorch, or another engine, says of shapes."""
    one = loading.load("esc10", engine="torch" if kind == "an ensemble" else kind)
    asked = Ensemble([one, one]) if kind == "an ensemble" else one
    windows = np.zeros((2, samples), np.float32)
    with pytest.raises(
        EarmarkError, match=rf"windows of {samples:,} samples: this tagger hears windows of 88,200, 2 s at 44,100"
    ):
        asked.score(windows)
    if kind == "onnxruntime":
        with pytest.raises(EarmarkError, match="this tagger hears windows of 88,200"):
            asked.score_windows(windows)
    elif samples < 100:
        with pytest.raises(EarmarkError, match="windows of 10 samples: 10 samples are fewer than one frame of 2048"):
            asked.score_windows(windows)


BAD = {
    "its samples are int16.*from -1 to 1.*divide by 32768": np.zeros(9_000, np.int16),
    r"its samples are uint8.*\(wave - numpy.float32\(128\)\) / 128": np.zeros(9_000, np.uint8),
    "its samples are int32.*divide by 2147483648": np.zeros(9_000, np.int32),
    "its samples are complex64.*such as numpy.float32": np.zeros(9_000, np.complex64),
    "its samples are bool": np.zeros(9_000, bool),
    "its samples are object": np.array([None] * 9_000),
    r"has the shape \(0,\): it holds no sound.*at least one sample": np.zeros(0, np.float32),
    r"has the shape \(2, 0\): it holds no sound": np.zeros((2, 0), np.float32),
    r"has the shape \(\).*\(samples,\) or \(channels, samples\)": np.array(0.5),
    r"has the shape \(2, 3, 4\).*several recordings go into a list": np.zeros((2, 3, 4), np.float32),
    r"\(9000, 2\), which would be 9,000 channels of 2 samples.*transpose it with \.T": np.zeros((9_000, 2), np.float32),
    r"2 samples are no usable numbers \(NaN, infinite.*first at 0\.250 s.*salvage=True": np.r_[
        np.zeros(RATE // 4 + 1), np.nan, np.inf, np.zeros(9_000)
    ],
    "9,000 samples are no usable numbers.*beyond 1e\\+30": np.full(9_000, 1e31),
    "1e\\+30.*0.000 s": np.full(9_000, 1e300),  # beyond float32 too
    "is too short: 1 sample at 22050 Hz does not last for one at 4000 Hz": np.full(1, 0.5, np.float32),
}


@pytest.mark.parametrize("problem", BAD)
def test_an_array_that_is_no_sound_is_told(tagger, ask, problem, file):
    if "4000 Hz" in problem:
        tagger = taggers.build(parse(PLAN | {"sample_rate": 4_000}), ("dog", "rain", "sea"))
    with pytest.raises(AudioError, match=f"^array: .*{problem}"):
        ask(tagger, BAD[problem], sample_rate=RATE)


def hidden(shape, *at):
    wave = np.ma.masked_array(np.full(shape, 0.1, np.float32), np.zeros(shape, bool))
    for place in at:
        wave[place] = np.ma.masked
    return wave


@pytest.mark.parametrize("heard", [hidden(9_000, 3, 5), hidden((2, 9_000), (1, 7), (1, 8))])
def test_samples_that_are_masked_are_told(tagger, ask, heard):
    """What lies under a mask would be heard."""
    first = r"\[3\]" if heard.ndim == 1 else r"\[1, 7\]"
    said = rf"array: 2 of [\d,]+ samples are masked, the first is {first}.*numpy\.ma\.filled\(x, 0\)"
    with pytest.raises(AudioError, match=f"^{said}"):
        ask(tagger, heard, sample_rate=RATE)
    (failure,) = tagger.tag([heard], sample_rate=RATE, errors="keep")
    assert "array 0: 2 of" in str(failure.error)
    clear = np.ma.masked_array(heard.data)  # of nothing masked nothing is said
    assert ask(tagger, clear, sample_rate=RATE) == ask(tagger, heard.data, sample_rate=RATE)


@pytest.mark.parametrize("engine", ["torch", "onnxruntime"])
def test_no_function_of_samples_takes_masked_ones(tagger, engine):
    asked = tagger if engine == "torch" else loading.load("digits", engine=engine)
    length, _ = asked.windows.samples(asked.sample_rate)
    windows, whole = hidden((2, length), (1, 3)), hidden(length, 3)
    hop = length // 2
    takers = [
        lambda: asked.score(windows), lambda: asked.score_windows(windows), lambda: asked.embed_windows(windows),
        lambda: asked.predicted_overlapping(whole, hop, 1), lambda: audio.resample(whole, 8_000, 16_000),
    ]  # fmt: skip
    for take in takers:
        with pytest.raises(EarmarkError, match=r"^1 of [\d,]+ samples is masked, the first is \[.*3\]"):
            take()
    feature = build(recipes.load("esc10-cnnspec"))
    with pytest.raises(ValueError, match="1 of 88,200 samples is masked"):
        feature(hidden((1, 88_200), (0, 3)))


RATES = {
    "None": (None, r"does not tell its sample rate: give it, such as tagger\.tag\(wave, sample_rate=44100\)"),
    "0": (0, "sample_rate=0 is no sample rate: give Hz above 0"),
    "below": (-8_000, "sample_rate=-8000 is no sample rate"),
    "nan": (float("nan"), "sample_rate=nan is no sample rate"),
    "inf": (float("inf"), "sample_rate=inf is no sample rate"),
    "text": ("44100", "sample_rate='44100' is no number"),
    "bool": (True, "sample_rate=True is no number"),
    "part": (44_100.5, "44100.5 Hz is no sample rate to work at: give a whole number from 1000 to 384000"),
    "low": (16, "16 Hz is no sample rate to work at"),
    "high": (500_000, "500000 Hz is no sample rate to work at"),
}


@pytest.mark.parametrize("rate", RATES)
def test_a_sample_rate_that_is_none_is_told(tagger, rate):
    told, problem = RATES[rate]
    sound = np.full((1, 1, 9), 0.1, np.float32) if rate == "None" else np.full(9_000, 0.1, np.float32)
    for ask in (tagger.tag, tagger.events, tagger.embed):
        with pytest.raises(EarmarkError, match=problem):
            ask(sound, sample_rate=told)
        with pytest.raises(EarmarkError, match=problem):
            ask([sound], sample_rate=told)


THINGS = {
    "what is to be heard is an int, which is no sound: give a path, the bytes": 3,
    "what is to be heard is a NoneType": None,
    "item 1 of the list is a float.*samples go into one array": ["dog.wav", 0.5],
    "item 0 of the list is a list.*one list of all": [["dog.wav"]],
    r"is a list of 2 numbers, and a list is of several sounds\. Samples go into one array: numpy\.array": [0.1, 0.2],
    "is a tuple of 3 numbers": (1, 2, 3),
    "is a list of 2 lists of numbers": [[0.1, 0.2], [0.3, 0.4]],
    "is a Tensor.*make it a NumPy array": torch.zeros(9_000),
    "gives str, not bytes: open it in binary mode": io.StringIO("dog"),
    r"is a dict.*of several sounds give a list, list\(x\)": {"path": "dog.wav"},
    "is a generator.*give a list": (each for each in ["dog.wav"]),
}


@pytest.mark.parametrize("problem", THINGS)
def test_what_is_no_sound_at_all_is_told(tagger, ask, problem):
    with pytest.raises(EarmarkError, match=problem):
        ask(tagger, THINGS[problem])
    if not isinstance(THINGS[problem], dict | io.StringIO):
        with pytest.raises(EarmarkError, match=problem):  # and not that the rate is of no array
            ask(tagger, THINGS[problem], sample_rate=RATE)


OPTIONS = {
    r"salvage='no' is a str\. Give True or False": {"salvage": "no"},
    r"batch='8' is text\. Give a whole number, without quotes": {"batch": "8"},
    r"workers=1\.5 is a float\. Give a whole number": {"workers": 1.5},
    "floor=True is a bool. Give a number": {"floor": True},
    "there is no option 'salvge', did you mean 'salvage'": {"salvge": True},
}


@pytest.mark.parametrize("problem", OPTIONS)
@pytest.mark.parametrize("question", ["tag", "events", "score", "embed"])
def test_an_option_that_is_none_is_told(tagger, path, question, problem):
    with pytest.raises(EarmarkError, match=f"^{question}: {problem}"):
        getattr(tagger, question)(path, **OPTIONS[problem])


def test_bytes_that_are_no_recording_are_told(tagger, ask):
    for data, problem in ((b"", r"^bytes: is empty \(0 bytes\)"), (b"no sound", "^bytes: is no recording")):
        with pytest.raises(AudioError, match=problem):
            ask(tagger, data)
    with pytest.raises(AudioError, match=r"^file object: is empty"):
        ask(tagger, io.BytesIO())


def test_a_file_object_that_is_closed_is_told(tagger, path, ask):
    with path.open("rb") as file:
        pass
    with pytest.raises(
        AudioError, match=r"sound.wav: cannot be read \(read of closed file\)\. Give a file object that is open"
    ):
        ask(tagger, file)


def test_where_a_file_object_stood_is_told(tagger, path, ask):
    """One that was read already is not empty, and one that was begun is not damaged."""
    data = path.read_bytes()
    said = rf"reading began at byte {len(data):,} of {len(data):,}: nothing of it is left\. Go back to its first byte, file\.seek\(0\)"
    with path.open("rb") as file:
        assert ask(tagger, file) == ask(tagger, path)
        for again in (file, [file]):
            with pytest.raises(AudioError, match=said):
                tagger.tag(again)
        file.seek(0)
        assert ask(tagger, file) == ask(tagger, path)
    begun = io.BytesIO(data)
    begun.seek(7)
    with pytest.raises(
        AudioError, match=rf"is no recording that .*; reading began at byte 7 of {len(data):,}\. Go back to"
    ):
        ask(tagger, begun)
    with path.open("rb") as file:
        (first, second) = tagger.tag([file, file], errors="keep")
        assert first.about.duration == 5.0 and "nothing of it is left" in str(second.error)


def test_a_recording_within_a_file_is_heard_and_said(tagger, path):
    data = path.read_bytes()
    file = io.BytesIO(b"RIFFLE" + data)
    file.seek(6)
    heard = tagger.score(file)
    assert heard.values.tolist() == tagger.score(path).values.tolist()
    (note,) = [each for each in heard.notes if "began" in each]
    assert note == f"file object: reading began at byte 6 of {6 + len(data):,}; what lies before is not heard"


class Pipe:
    """What does not tell where it stands, or has no such question."""

    def __init__(self, data):
        self.data = data

    def read(self, count=-1):
        return self.data


class Stream(Pipe):
    def tell(self):
        raise io.UnsupportedOperation("underlying stream is not seekable")


@pytest.mark.parametrize("kind", [Pipe, Stream])
def test_a_file_object_that_does_not_tell_where_it_stands(tagger, path, kind):
    assert tagger.score(kind(path.read_bytes())).values.tolist() == tagger.score(path).values.tolist()
    with pytest.raises(AudioError, match=r"^file object: is empty"):
        tagger.tag(kind(b""))


@pytest.mark.parametrize("top", [0, -1, 1.5, True, "3"])
def test_a_number_of_tags_that_is_none_is_told(tagger, path, top):
    with pytest.raises(EarmarkError, match="top=.*give how many tags are wanted, from 1, or None for all"):
        tagger.tag(path, top)


def test_rules_of_events(tagger, path, file):
    low = EventRules.alike(tagger.vocabulary, 0.1)
    assert tagger.events(path, 0.1) == tagger.events(path, low) != []
    assert tagger.events(path) == tagger.events(path, EventRules.alike(tagger.vocabulary, 0.5))
    calibrated = loading.load(file)
    calibrated.facts = SimpleNamespace(rules=low)
    assert calibrated.events(path) == tagger.events(path, low)
    for rules, problem in (
        ({"dog": 0.5}, "rules are a dict: give earmark.events.EventRules, or a number"),
        (EventRules.alike(("cat",)), "no threshold for 3 of 3 tags"),
        (1.5, "threshold of 'dog' is 1.5: give a score above 0, up to 1"),
    ):
        with pytest.raises(EarmarkError, match=problem):
            tagger.events(path, rules)


def test_results_do_not_hold_the_sound(tagger, wave, path):
    for heard in (tagger.score(wave, sample_rate=RATE), tagger.score(path.read_bytes())):
        assert type(heard.recording) is Recording
    assert tagger.score(Recording(path, 1.0, 2.0)).recording == Recording(path, 1.0, 2.0)
    (failed,) = tagger.tag([b"no sound"], errors="keep")
    assert type(failed.recording) is Recording


def test_a_sample_rate_beside_files_alone_is_told(tagger, path):
    with pytest.raises(EarmarkError, match=r"sample_rate=8000 is told of arrays, and there is none here.*Leave it out"):
        tagger.tag([path, path], sample_rate=8_000)


def test_what_fails_in_a_list_raises_or_is_kept(tagger, path, tmp_path):
    sounds = [path, tmp_path / "absent.wav", np.zeros(0), b"x", path]
    with pytest.raises(AudioError, match=r"array 2: has the shape \(0,\)"):
        tagger.tag(sounds, sample_rate=RATE)
    with pytest.raises(AudioError, match="absent.wav: does not exist"):
        tagger.tag(sounds[:2])
    for found in (tagger.tag, tagger.events, tagger.score, tagger.embed):
        kept = found(sounds, sample_rate=RATE, errors="keep")
        assert [isinstance(each, Failure) for each in kept] == [False, True, True, True, False]
        assert [str(each.error).split(":")[0] for each in kept[1:4]] == [str(sounds[1]), "array 2", "bytes 3"]
        assert json.loads(json.dumps(kept[2].to_dict()))["path"] == "array 2"
    with pytest.raises(EarmarkError, match="errors='keep' is for a list"):
        tagger.tag(path, errors="keep")
    with pytest.raises(EarmarkError, match="errors='skip': give 'raise', or 'keep'"):
        tagger.tag([path], errors="skip")


def test_numbers_that_are_none_count_as_0_with_salvage(tagger, wave):
    spoilt = wave[0].copy()
    spoilt[100:102] = np.nan, np.inf
    heard = tagger.score(spoilt, sample_rate=RATE, salvage=True)
    mended = np.where(np.isfinite(spoilt), spoilt, np.float32(0))
    assert np.array_equal(heard.values, tagger.score(mended, sample_rate=RATE).values)
    assert heard.notes == ("array: 2 samples are no usable numbers, the first at 0.005 s; 0 is used for them",)


def test_sound_beyond_full_scale_is_said(tagger, wave):
    assert tagger.tag(wave[0] * 20, sample_rate=RATE).about.notes == (
        f"array: reaches {np.abs(wave[0] * np.float32(20)).max():.3g} times full scale; kept as it is",
    )


@pytest.mark.parametrize("whole", [2**15, 2**23, 2**31])
def test_integers_as_floats_are_seen_wherever_something_is_told_of_them(tagger, wave, whole, tmp_path, caplog):
    """In what a result prints, in its notes, in the log where it has neither, and by commands."""
    loud = (wave * 0.9 * whole).astype(np.float32)
    why = f"as integers do that nobody divided by {whole}"
    assert f"; kept as it is: divide them, or give a gain of {-20 * np.log10(whole):.1f} dB" in audio.beyond(
        0.9 * whole
    )
    for ask in (tagger.tag, tagger.events, tagger.score):
        found = ask(loud, sample_rate=RATE)
        assert why in repr(found) and "channels mixed" not in repr(found) and len(repr(found)) < 250
        assert found.about.doubts == [audio.beyond(np.abs(loud.mean(0)).max())]
    assert not caplog.text and tagger.embed(loud, sample_rate=RATE) is not None and why in caplog.text
    soundfile.write(tmp_path / "loud.wav", loud.T, RATE, subtype="FLOAT")
    for verb in (["tag"], ["events"], ["embed", "-o", tmp_path / "e.parquet"]):
        told = program(verb[0], tmp_path / "loud.wav", *verb[1:], "--tagger", "digits")
        assert told.returncode == 0 and "loud.wav: reaches" in told.stderr and why in told.stderr


def test_what_goes_without_saying_is_not_in_what_a_result_prints(tagger, wave):
    found = tagger.tag(wave, sample_rate=RATE)
    assert found.about.notes == ("array: 2 channels mixed to one (mean)",) and "mixed" not in repr(found)


def test_results_are_plain_values(tagger, path):
    pandas = pytest.importorskip("pandas")
    results = [
        tagger.tag(path), tagger.events(path, EventRules.alike(tagger.vocabulary, 0.1)), tagger.score(path),
        tagger.score(path, windows=True), tagger.score(path, windows=True).windows, tagger.embed(path),
    ]  # fmt: skip
    for result in results:
        assert "\n" not in repr(result) and len(repr(result)) < 250
        assert json.loads(result.to_json()) == json.loads(json.dumps(result.to_dict()))
        table = result.to_pandas()
        assert isinstance(table, pandas.DataFrame) and len(table) > 0
        assert repr(pickle.loads(pickle.dumps(result))) == repr(result)
    tags, found, heard, _, windows, embeddings = results
    assert tags.to_pandas()["score"].tolist() == [tag.score for tag in tags]
    assert found.to_pandas().columns.tolist() == ["path", "onset", "offset", "label", "score"]
    assert heard.to_dict()["scores"] == dict(zip(tagger.vocabulary, heard.values.tolist(), strict=True))
    assert windows.to_pandas()["rain"].tolist() == windows.values[:, 1].tolist()
    assert np.array_equal(np.stack(embeddings.to_pandas()["vector"]), embeddings.vectors)
    assert len(pandas.concat([each.to_pandas() for each in tagger.tag([path, path])])) == 6
    # what docs/python.md says of joining them
    for result, name in ((tags, "path"), (found, "path"), (heard, "path"), (windows, "id"), (embeddings, "id")):
        table = result.to_pandas()
        assert table.columns[0] == name and set(table[name]) == {str(path)}
    assert len(results[3].to_pandas()) == len(tagger.vocabulary) and len(windows.to_pandas()) == len(windows)


def test_a_tag_and_an_event_are_plain_values():
    assert Tag("dog", 0.1234567).to_dict() == {"label": "dog", "score": 0.123457}
    assert Event(0.5, 1.0, "dog", 0.5).to_dict() == {"onset": 0.5, "offset": 1.0, "label": "dog", "score": 0.5}


def test_what_json_does_not_know_is_none():
    scores = earmark.Scores(np.ones((1, 1), np.float32), np.array(["a"]), np.zeros(1), np.array([np.nan]), ("id",))
    assert json.loads(scores.to_json())["rows"][0] == {"id": "a", "start": 0.0, "end": None, "scores": [1.0]}
    assert list(scores.columns()) == ["id", "start", "end", "tag id"]


def test_without_pandas_the_way_out_is_told(tagger, path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pandas", None)
    with pytest.raises(EarmarkError, match=r"pandas is not installed.*pip install pandas, or take to_dict\(\)"):
        tagger.tag(path).to_pandas()


def test_eight_threads_and_asyncio_have_the_answers_of_one(file, wave, ask):
    sounds = [wave[:, n * 1_000 : (n + 60) * 1_000] for n in range(24)]
    alone = [ask(loading.load(file), sound, sample_rate=RATE) for sound in sounds]
    shared = loading.load(file)
    before = shared.identity()
    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(lambda sound: ask(shared, sound, sample_rate=RATE), sounds)) == alone

    async def all_at_once():
        return await asyncio.gather(*(asyncio.to_thread(ask, shared, sound, sample_rate=RATE) for sound in sounds))

    assert asyncio.run(all_at_once()) == alone
    assert shared.identity() == before


def test_threads_do_not_change_a_tagger_that_is_in_training(file, wave):
    """Its batch statistics would follow what it hears."""
    alone = loading.load(file).score(wave, sample_rate=RATE).values
    training = loading.load(file).trainable()
    before = training.identity()
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda _: training.score(wave, sample_rate=RATE).values, range(8)))
    assert all(np.array_equal(values, alone) for values in found)
    assert training.training and training.identity() == before


def test_what_is_loaded_is_frozen_and_its_copy_can_be_trained(file, tagger, path):
    assert not tagger.training and not any(each.requires_grad for each in tagger.parameters())
    before, tags = tagger.identity(), tagger.tag(path)
    copy = tagger.trainable()
    assert copy.training and copy.identity() == before and copy.facts == tagger.facts
    assert all(each.requires_grad for each in copy.parameters())
    optimiser = torch.optim.SGD(copy.parameters(), lr=0.1)
    copy(torch.randn(2, 8_000)).levels.square().mean().backward()
    optimiser.step()
    assert copy.identity() != before and tagger.identity() == before and tagger.tag(path) == tags


def test_a_copy_wants_gradients_where_its_net_does():
    plan = PLAN | {"net": {"name": "bankresnet", "learn": False}, "windows": {"length": 1.0, "hop": 1.0}}
    built = taggers.build(parse(plan), ("a", "b"))
    fixed = {name for name, each in built.named_parameters() if not each.requires_grad}
    copy = built.eval().requires_grad_(False).trainable()
    assert fixed and {name for name, each in copy.named_parameters() if not each.requires_grad} == fixed


def test_embeddings_are_what_the_net_says_of_each_window(tagger, path):
    """Beside the net itself, window by window."""
    found = tagger.embed(path)
    sound = earmark.audio.load(path, 16_000)
    for row, start in enumerate(found.start):
        window = sound[round(start * 16_000) :][:8_000]
        alone = tagger.hear(window[None]).embedding[0].numpy()
        assert np.allclose(found.vectors[row], alone, atol=1e-5)
    assert found.start.tolist() == [0.25 * n for n in range(19)] and found.end[-1] == 5.0
    assert found.facts == {
        "tagger": tagger.identity(), "sample_rate": 16_000, "windows": tagger.described_windows(),
    }  # fmt: skip


def test_windows_that_share_their_work_have_the_embeddings_of_windows_alone():
    plan = PLAN | {"windows": {"length": 0.5, "hop": 0.018}}
    torch.manual_seed(0)
    close = taggers.build(parse(plan), ("dog", "rain")).eval()
    assert close.together > 1
    sound = np.random.default_rng(3).uniform(-0.4, 0.4, 30_000).astype(np.float32)
    shared = close.embed(sound, sample_rate=16_000)
    alone = np.concatenate([close.embed_windows(sound[round(s * 16_000) :][None, :8_000]) for s in shared.start])
    assert len(shared) > 50 and np.abs(shared.vectors - alone).max() < 1e-5


def test_silence_has_the_embedding_that_the_net_gives_it(tagger):
    silent = np.full(16_000, 0.3, np.float32)  # as an unplugged converter gives it
    found = tagger.embed(silent, sample_rate=16_000)
    assert np.allclose(found.vectors, tagger.embed_windows(silent[None, :8_000]), atol=1e-6) and found.vectors.any()
    assert tagger.tag(silent, sample_rate=16_000) == []


def test_an_ensemble_answers_alike_but_has_no_embedding(tagger, path, wave):
    both = Ensemble([tagger, tagger])
    assert both.tag(wave, sample_rate=RATE) == tagger.tag(path) == both.tag(path.read_bytes())
    assert both.score(path).vocabulary == tagger.vocabulary and isinstance(both.score(path), Scored)
    assert isinstance(both.tag(path), Tags) and isinstance(both.events(path), Events)
    with pytest.raises(TaggerError, match=r"an ensemble of 2 taggers has no embedding.*tagger\.members\[0\]"):
        both.embed(path)


def test_members_of_other_windows_each_hear_what_is_in_memory(tagger, path, wave):
    other = tagger.every(0.5)
    wide = taggers.build(parse(PLAN | {"sample_rate": 8_000}), tagger.vocabulary).eval()
    both = Ensemble([other, wide])
    told = both.tag(path)
    assert told == both.tag(path.read_bytes()) == both.tag(wave, sample_rate=RATE)


def test_embeddings_come_back_from_their_file(tagger, path, tmp_path):
    found = tagger.embed(path)
    found.save(tmp_path / "e.parquet")
    again = Embeddings.load(tmp_path / "e.parquet")
    assert np.array_equal(again.vectors, found.vectors) and again.ids.tolist() == found.ids.tolist()
    assert (
        np.array_equal(again.start, found.start) and np.array_equal(again.end, found.end) and again.facts == found.facts
    )
