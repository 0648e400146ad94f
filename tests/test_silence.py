"""Recordings in which there is nothing to hear, and quiet ones: what is said of them, in every form, and that no tag is made up."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from tests.program import earmark

import earmark as library
from earmark.inference import Live, Recording, outputs, score
from earmark.inference.silence import runs
from earmark.models import loading
from earmark.registry import EVENT_FORMATS
from earmark.scores import Scores
from earmark.windows import Windows
from earmark.windows.cutting import Cutter, Stretch

RATE = 8_000


class Sure:
    """Whatever it hears, it is sure of a dog: half of it in windows, all of it in frames of half a second."""

    sample_rate, vocabulary, task = RATE, ("dog", "rain"), "many"

    def __init__(self, windows: Windows):
        self.windows = windows

    def score(self, waves):
        return np.tile(np.float32([0.75, 0.5]), (len(waves), 1))


class SureMoments(Sure):
    def __init__(self, windows: Windows):
        super().__init__(windows)
        self.edges = np.arange(0, windows.length + 0.25, 0.5)
        self.vocabulary = tuple(map(str, range(len(self.edges) - 1)))

    def score(self, waves):
        return np.full((len(waves), len(self.edges) - 1), 0.75, np.float32)


def noise(seconds: float, level: float = 0.5, rate: int = RATE) -> np.ndarray:
    return np.random.default_rng(0).uniform(-level, level, round(seconds * rate)).astype(np.float32)


def heard(wave, scorer=None, **options):
    source = Live(Path("-"), source=lambda _: iter(np.array_split(np.asarray(wave, np.float32), 7)))
    (result,) = score(scorer or Sure(Windows(1.0, 0.5)), [source], keep_windows=True, **options)
    return result


NOTHING = {
    "zeros": np.zeros(5 * RATE),
    "a constant": np.full(5 * RATE, 0.3),
    "zeros of less than a window": np.zeros(RATE // 3),
    "a constant of less than a window": np.full(RATE // 3, -0.1),
    "one sample": [0.5],
    "24 ms of noise": noise(0.024),
    "the residue of a codec": noise(5, 3e-5),
    "an odd length": np.zeros(5 * RATE + 1234),
}


@pytest.mark.parametrize("short", ["pad", "repeat", "centre", "slide"])
@pytest.mark.parametrize("last", ["align", "pad", "drop"])
@pytest.mark.parametrize("what", NOTHING)
def test_nothing_is_heard_where_nothing_is(what, short, last):
    result = heard(NOTHING[what], Sure(Windows(1.0, 0.5, last=last, short=short)))
    assert result.silent and not result.values.any() and not result.windows.values.any()
    assert result.tags(("dog", "rain")) == []
    assert len(result.notes) == 1 and ("is silent" in result.notes[0] or "counts as silent" in result.notes[0])


IN_PART = {
    "all": noise(5.3),
    "less than a window": noise(0.3),
    "first": np.concatenate([noise(2.1), np.zeros(3 * RATE)]),
    "last": np.concatenate([np.zeros(3 * RATE + 77), noise(2.3)]),
    "faint in between": np.concatenate([noise(2.1), noise(4, 1e-4), noise(2.3)]),
    "twice": np.concatenate([noise(1.1), np.zeros(3 * RATE), noise(0.1), noise(4, 1e-4), noise(0.7)]),
}


@pytest.mark.parametrize("hop", [0.25, 0.5, 1.0, 1.5], ids=lambda hop: f"every {hop:g} s")
@pytest.mark.parametrize("short", ["pad", "repeat", "centre", "slide"])
@pytest.mark.parametrize("last", ["align", "pad", "drop"])
@pytest.mark.parametrize("what", [*NOTHING, *IN_PART])
def test_seconds_in_which_nothing_is_heard(what, last, short, hop):
    """Those that lie in windows without a score, and in none with one; counted here sample by sample."""
    wave = {**NOTHING, **IN_PART}[what]
    result = heard(wave, Sure(Windows(1.0, hop, last=last, short=short)), floor=-50.0)
    if result.silent:
        assert result.unheard == result.duration == len(wave) / RATE
        return
    covered, sounding = np.zeros((2, len(wave)), bool)
    for start, end, values in zip(result.windows.start, result.windows.end, result.windows.values, strict=True):
        here = slice(max(0, round(start * RATE)), max(0, round(end * RATE)))
        covered[here] = True
        sounding[here] |= values.any()
    assert result.unheard * RATE == pytest.approx((covered & ~sounding).sum(), abs=1e-6)
    assert (result.unheard > 0) == (what not in ("all", "less than a window"))


@pytest.mark.parametrize(("native", "rate"), [(44_100, RATE), (48_000, 16_000), (8_000, 44_100), (11_025, RATE)])
@pytest.mark.parametrize("level", [12 / 32_768, -0.3])
@pytest.mark.parametrize("seconds", [0.4, 1.0, 3.3])
def test_a_constant_at_another_rate_is_silence(tmp_path, native, rate, level, seconds):
    soundfile.write(tmp_path / "a.wav", np.full(round(seconds * native), level), native)
    scorer = Sure(Windows(1.0, 0.5))
    scorer.sample_rate = rate
    (result,) = score(scorer, [Recording(tmp_path / "a.wav")], keep_windows=True)
    assert result.silent and not result.windows.values.any()


@pytest.mark.parametrize(
    "wave",
    [
        noise(3),
        noise(3, 5e-5),  # very quiet, but sound
        np.concatenate([np.zeros(2 * RATE), noise(0.03)]),
        np.eye(1, 2 * RATE, RATE)[0] * 0.1,  # one click
        0.3 + noise(2, 1e-3),
        np.sin(2 * np.pi * 20 * np.arange(2 * RATE) / RATE) * 1e-4,
    ],
)
def test_what_holds_something_is_heard(wave):
    result = heard(wave)
    assert not result.silent and result.values[0] == np.float32(0.75)


def test_silent_windows_have_no_scores_and_count_for_nothing():
    wave = np.concatenate([noise(2), np.zeros(4 * RATE), noise(1)])
    result = heard(wave, Sure(Windows(1.0, 1.0)))
    assert result.windows.values[:, 0].tolist() == [0.75, 0.75, 0, 0, 0, 0, 0.75]
    assert result.values.tolist() == [0.75, 0.5]
    assert result.notes == ("-: has digital silence in part of it, where nothing is heard",)
    assert not result.silent


def test_frames_in_silence_have_no_scores():
    wave = np.concatenate([noise(2), np.zeros(3 * RATE), noise(5)])
    result = heard(wave, SureMoments(Windows(10.0, 10.0)))
    frames = result.windows.values[0] > 0
    assert frames.tolist() == [True] * 4 + [False] * 6 + [True] * 10
    pause = np.concatenate([noise(2), np.zeros(round(0.9 * RATE)), noise(7.1)])
    assert heard(pause, SureMoments(Windows(10.0, 10.0))).windows.values.all()


@pytest.mark.parametrize("together", [1, 3, 8])
def test_what_is_silent_does_not_depend_on_how_windows_come(together):
    wave = np.concatenate([noise(2), np.zeros(3 * RATE), noise(2.2), np.zeros(2 * RATE)])
    cutter = Cutter(RATE, RATE // 4, together=together)
    stretches = cutter.push(wave) + cutter.finish()
    quiet = {int(s.starts[run.number]) for s in stretches for run in runs(s, RATE) if run.whole}
    # by the definition: a window is silent where all its samples are equal
    begins = [*range(0, len(wave) - RATE + 1, RATE // 4), len(wave) - RATE]
    assert quiet == {s for s in begins if (wave[s : s + RATE] == wave[s]).all()}


def test_a_run_within_a_window():
    wave = np.concatenate([noise(1), np.zeros(2 * RATE), noise(1)])
    (run,) = runs(Stretch(wave, np.array([0]), 4 * RATE, 4 * RATE), RATE)
    assert (run.first, run.end, run.whole) == (RATE, 3 * RATE, False)


def test_silence_can_be_heard_all_the_same():
    result = heard(np.zeros(3 * RATE), hear_silence=True)
    assert not result.silent and result.values.tolist() == [0.75, 0.5]
    assert result.notes == ("-: is silent: its samples are all equal, or below -90 dBFS",)


def test_a_quiet_recording_is_told_with_its_level_and_can_be_raised():
    quiet = heard(noise(3, 10 ** (-60 / 20)))
    assert quiet.peak == pytest.approx(-60, abs=0.1)
    assert "its loudest sample is at -60 dBFS" in quiet.notes[0] and "--gain 40" in quiet.notes[0]
    raised = heard(noise(3, 10 ** (-60 / 20)), gain=40.0)
    assert raised.notes == () and raised.peak == pytest.approx(-20, abs=0.1)
    assert heard(noise(3, 10 ** (-54 / 20))).notes == ()
    with pytest.raises(library.EarmarkError, match="gain is nan dB: give from -200 to 200"):
        heard(noise(1), gain=float("nan"))


def test_gain_is_the_factor_that_it_says():
    wave = noise(3, 0.01)

    class Peak(Sure):
        def score(self, waves):
            return np.abs(waves).max(1)[:, None].repeat(2, 1)

    plain, raised = (heard(wave, Peak(Windows(3.0, 3.0)), gain=gain).values[0] for gain in (0.0, 20.0))
    assert raised == pytest.approx(10 * plain, rel=1e-6)


@pytest.fixture
def sounds(tmp_path):
    folder = tmp_path / "sounds"
    folder.mkdir()
    soundfile.write(folder / "quiet.wav", np.zeros(5 * RATE), RATE)
    soundfile.write(folder / "one.wav", [0.5], RATE)
    soundfile.write(folder / "mute.flac", np.zeros((3 * RATE, 2)), RATE)
    soundfile.write(folder / "opposite.wav", np.stack([noise(3), -noise(3)], 1), RATE)
    return folder


@pytest.mark.parametrize("tagger", loading.shipped())
def test_shipped_taggers_hear_nothing_of_nothing(sounds, tagger):
    loaded = loading.load(tagger)
    for path in sorted(sounds.iterdir()):
        assert loaded.tag(path) == [], path.name


FORMS = {"tag": list(outputs.Format), "events": ["table", *EVENT_FORMATS.files()]}


@pytest.mark.parametrize(("verb", "form"), [(verb, str(form)) for verb, forms in FORMS.items() for form in forms])
@pytest.mark.parametrize("kept", [False, True])
def test_every_form_tells_of_silence(sounds, tmp_path, verb, form, kept):
    place = ["--job", tmp_path / "job"] if kept else ["--out", tmp_path / "out"] if form != "table" else []
    done = earmark(verb, sounds, "--tagger", "digits", "--format", form, *place)
    assert done.returncode == 0, done.stderr
    assert "mute.flac and 2 more: is silent: its samples are all equal" in done.stderr
    assert "lasts less than 0.025 s" in done.stderr
    files = [
        path
        for path in tmp_path.rglob("*")
        if path.is_file() and path.parent != sounds and path.name != "journal.jsonl"
    ]
    texts = [path.read_text() for path in files] + [done.stdout]
    assert not any(label in text for text in texts for label in ("0.75", "zero", "\tone", "seven"))
    if form == "table":
        assert sum(text.count("silent") for text in texts) >= 4
    if verb == "tag" and form == "json":
        records = json.loads(next(path for path in files if path.name in ("out", "tags.json")).read_text())
        assert all(record["tags"] == [] and record["silent"] for record in records) and len(records) == 4


def test_scores_of_silent_windows_are_zero_in_files(sounds, tmp_path):
    earmark("tag", sounds / "quiet.wav", "--tagger", "digits", "--windows", tmp_path / "w.parquet")
    windows = Scores.load(tmp_path / "w.parquet")
    assert len(windows) == 9 and not windows.values.any()


def test_an_ensemble_hears_nothing_of_nothing(sounds, tmp_path):
    from earmark.models.ensemble import Ensemble

    member = loading.load("digits")
    for rule in ("arithmetic", "geometric", "rank"):
        (result,) = score(Ensemble([member, member], rule), [Recording(sounds / "quiet.wav")], keep_windows=True)
        assert result.silent and not result.values.any() and not result.windows.values.any()


def test_a_recording_at_minus_sixty_decibels(tmp_path):
    wave = noise(2)
    soundfile.write(tmp_path / "a.wav", wave / np.abs(wave).max() / 1_000, RATE, subtype="FLOAT")
    done = earmark("tag", tmp_path / "a.wav", "--tagger", "digits")
    assert "its loudest sample is at -60 dBFS" in done.stderr and "--gain 40" in done.stderr
    assert earmark("tag", tmp_path / "a.wav", "--tagger", "digits", "--gain", "40").stderr == ""
