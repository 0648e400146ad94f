"""False alarms an hour: what is counted, in how many hours, and what a file keeps of it."""

from __future__ import annotations

import inspect
import json
from dataclasses import replace

import numpy as np
import pytest
import soundfile
from scipy.stats import chi2
from tests import small
from tests.program import earmark

from earmark.cli.alarms import alarms as alarms_verb
from earmark.cli.events import events as events_verb
from earmark.errors import AudioError, EarmarkError
from earmark.evaluation.alarms import Hearing, false_alarms, record
from earmark.evaluation.scoring import Settings
from earmark.evaluation.vocabulary import Vocabulary
from earmark.events import EventRules
from earmark.models import loading
from earmark.models.facts import Alarms, EventTuning, Facts

RATE = 8000


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A tagger by chance, and noise of 30 and 6 s, silence of 36 s."""
    pytest.importorskip("torch")
    folder = tmp_path_factory.mktemp("alarms")
    small.tagger("resnet_b_att", 0.5, 0.25).save(folder / "t.safetensors")
    chance = np.random.default_rng(0)
    (folder / "wind").mkdir()
    for name, seconds in (("a", 30), ("b", 6)):
        soundfile.write(folder / "wind" / f"{name}.wav", chance.normal(0, 0.2, seconds * RATE), RATE)
    soundfile.write(folder / "night.wav", np.zeros(36 * RATE), RATE)
    return folder


def test_they_are_the_events_that_the_tagger_tells(place):
    tagger = loading.load(place / "t.safetensors")
    wind = sorted((place / "wind").iterdir())
    rules = EventRules.alike(tagger.vocabulary, 0.3)
    found = false_alarms(tagger, {"wind": wind, "night": [place / "night.wav"]}, rules)
    events = [event.tag for each in tagger.events(wind, rules) for event in each]
    assert events  # or nothing would be counted
    wind_, night = found.alarms
    assert wind_.tags == {tag: events.count(tag) for tag in set(events)} and wind_.events == len(events)
    assert (wind_.recordings, wind_.hours) == (2, 0.01) and wind_.rate.value == pytest.approx(len(events) / 0.01)
    assert (night.events, night.hours, night.unheard, night.rate) == (0, 0.0, 0.01, None)
    together = found.together
    assert (together.hours, together.unheard, together.events) == (0.01, 0.01, len(events))


@pytest.mark.parametrize("count", [0, 1, 7, 243])
def test_the_interval_is_that_of_a_poisson_count(count):
    """The exact one (Garwood 1936); Byar's approximation is within 2 % of it, and of the lower end of a single event 0.03 off."""
    rate = Alarms("wind", 3, 2.0, {"owl": count}).rate
    low = chi2.ppf(0.025, 2 * count) / 2 if count else 0.0
    high = chi2.ppf(0.975, 2 * count + 2) / 2
    assert rate.value == count / 2
    assert rate.low * 2 == pytest.approx(low, rel=0.02, abs=0.03) and rate.high * 2 == pytest.approx(high, rel=0.02)


def test_a_file_keeps_them_and_what_is_said_anew_replaces_what_was(place, tmp_path):
    tagger = loading.load(place / "t.safetensors")
    tagger.save(tmp_path / "t.safetensors")
    before = tagger.identity()
    record(tmp_path / "t.safetensors", tagger, [Alarms("wind", 1, 1.0, {"a": 1}), Alarms("rain", 1, 1.0)])
    record(tmp_path / "t.safetensors", tagger, [Alarms("wind", 2, 3.0, {"a": 5, "b": 1}, "its own rules")])
    kept = loading.load(tmp_path / "t.safetensors")
    assert kept.identity() == before
    assert kept.facts.alarms == (Alarms("rain", 1, 1.0), Alarms("wind", 2, 3.0, {"a": 5, "b": 1}, "its own rules"))
    assert Facts.read(json.loads(json.dumps(kept.facts.as_dict()))) == kept.facts
    shown = earmark("show", tmp_path / "t.safetensors").stdout
    assert "alarms      2 (0.73 to 4.4) an hour of wind: 6 in 3 h" in shown and "0 (0 to 3.7) an hour of rain" in shown


def test_what_cannot_be_read_counts_nowhere(place, tmp_path):
    (tmp_path / "broken.wav").write_bytes(b"RIFF")
    tagger = loading.load(place / "t.safetensors")
    paths = [tmp_path / "broken.wav", place / "wind/b.wav"]
    found = false_alarms(tagger, {"wind": paths})
    assert found.alarms[0].recordings == 1 and [each.path for each in found.unread] == [str(paths[0])]
    with pytest.raises(EarmarkError, match=r"wind: none of the 1 recording could be heard, the first: .*broken.wav"):
        false_alarms(tagger, {"wind": paths[:1]})
    with pytest.raises(AudioError):
        false_alarms(tagger, {"wind": paths}, settings=Settings(strict=True))


def test_by_command(place, tmp_path):
    loading.load(place / "t.safetensors").save(tmp_path / "t.safetensors")
    asked = ["alarms", tmp_path / "t.safetensors", place / "wind", place / "night.wav"]
    rows = [line.split("\t") for line in earmark(*asked).stdout.splitlines()]
    assert [row[:3] for row in rows[1:]] == [
        ["wind", "2", "0.01"],
        ["night.wav", "1", "0"],
        ["all together", "3", "0.01"],
    ]
    assert loading.load(tmp_path / "t.safetensors").facts.alarms is None
    earmark(*asked, "--of", "wind and nights", "--record")
    [kept] = loading.load(tmp_path / "t.safetensors").facts.alarms
    assert (kept.of, kept.recordings, kept.by) == ("wind and nights", 3, "threshold 0.5 for all tags")
    [told] = json.loads(earmark(*asked[:3], "--json").stdout)
    assert told["of"] == "wind" and set(told["an hour"]) == {"value", "low", "high"}


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--record", "--threshold", "0.3"], "--record and --threshold 0.3: the figures would not be those"),
        (["wind"], "another is called 'wind' too"),
        (["wind/a.wav"], "a.wav: is among 'wind' and 'a.wav', and would count twice"),
    ],
)
def test_slips_are_told(place, more, said):
    told = [place / word if word.startswith("wind") else word for word in more]
    result = earmark("alarms", place / "t.safetensors", place / "wind", *told)
    assert result.returncode == 2 and said in result.stderr


def noise(seconds: float, scale: float = 0.2) -> np.ndarray:
    return np.random.default_rng(1).normal(0, scale, round(seconds * RATE))


QUIET = 3e-4  # -70 dBFS, below any floor
WAVES = {  # and the seconds of them in which something is heard: windows of 0.5 s, each 0.25 s
    "dead": (np.zeros(40 * RATE), 0.0),
    "quiet": (noise(40, QUIET), 0.0),
    "half": (np.concatenate([noise(6), np.zeros(36 * RATE)]), 6.25),
    "later": (np.concatenate([noise(36, QUIET), noise(6)]), 6.25),
    "in between": (np.concatenate([noise(3), np.zeros(36 * RATE), noise(3)]), 6.5),
    "all": (noise(40), 40.0),
}


@pytest.mark.parametrize("of", WAVES)
def test_hours_are_those_in_which_something_is_heard(place, tmp_path, of):
    wave, seconds = WAVES[of]
    soundfile.write(tmp_path / f"{of}.wav", wave, RATE, "FLOAT")
    tagger = loading.load(place / "t.safetensors")
    [told] = false_alarms(tagger, {of: [tmp_path / f"{of}.wav"]}, 0.3).alarms
    whole = len(wave) / RATE / 3600
    assert told.hours == pytest.approx(seconds / 3600, abs=0.3 / 3600)
    assert told.hours + told.unheard == pytest.approx(whole, abs=2e-6)
    assert (told.unheard > 0) == (of != "all")
    assert (told.rate is None) == (not seconds)
    if told.rate is not None:
        assert told.rate.value == pytest.approx(told.events / told.hours)


def test_a_dead_microphone_is_told_and_not_written_as_a_figure(place, tmp_path):
    for of in ("dead", "half"):
        soundfile.write(tmp_path / f"{of}.wav", WAVES[of][0], RATE, "FLOAT")
    file = tmp_path / "t.safetensors"
    loading.load(place / "t.safetensors").save(file)
    said = earmark("alarms", file, tmp_path / "dead.wav", tmp_path / "half.wav")
    rows = {row[0]: row[1:] for row in (line.split("\t") for line in said.stdout.splitlines())}
    assert rows["dead.wav"][1:6] == ["0", "0.011", "0", "none", ""] and rows["half.wav"][2] == "0.0099"
    assert "0.021 h hold nothing that can be heard, and count in no rate" in said.stderr
    dead, half, together = json.loads(
        earmark("alarms", file, tmp_path / "dead.wav", tmp_path / "half.wav", "--json").stdout
    )
    assert (dead["hours"], dead["an hour"]) == (0, None) and dead["unheard"] == pytest.approx(40 / 3600, abs=1e-6)
    assert half["an hour"]["value"] >= 0 and together["hours"] == half["hours"]
    before = file.read_bytes()
    refused = earmark("alarms", file, tmp_path / "dead.wav", tmp_path / "half.wav", "--record")
    assert refused.returncode == 2 and file.read_bytes() == before and "half.wav\t1" in refused.stdout
    assert (
        "dead.wav (1 recording, 0.011 h): in none of it there is anything to be heard, as with a dead microphone"
        in refused.stderr
    )
    assert (
        earmark("alarms", file, tmp_path / "dead.wav", tmp_path / "half.wav", "--of", "gate", "--record").returncode
        == 0
    )
    [kept] = loading.load(file).facts.alarms
    assert kept.unheard == pytest.approx(76 / 3600, abs=1e-4)
    assert "in 0.0017 h, 0.021 h more unheard" in earmark("show", file).stdout
    of_before = {name: value for name, value in kept.as_dict().items() if name != "unheard"}
    assert Alarms.read(of_before).unheard is None and Alarms.read(of_before).as_dict() == of_before


def test_events_of_a_recording_that_fails_further_on_count_nowhere(place, tmp_path, monkeypatch):
    """Its seconds count nowhere either; what was told of it before the fault would make the rate too high."""
    from earmark.inference import recordings as recordings_

    whole = recordings_.Recording.blocks

    def cut(self, sample_rate, window, salvage, report):
        for number, block in enumerate(whole(self, sample_rate, window, salvage, report)):
            if self.path.name == "cut.wav" and number:
                raise AudioError(self.path, "is cut off")
            yield block

    soundfile.write(tmp_path / "cut.wav", noise(60), RATE, "FLOAT")
    soundfile.write(tmp_path / "b.wav", noise(6), RATE, "FLOAT")
    tagger = loading.load(place / "t.safetensors")
    [alone] = false_alarms(tagger, {"wind": [tmp_path / "b.wav"]}, 0.3).alarms
    monkeypatch.setattr(recordings_.Recording, "blocks", cut)
    found = false_alarms(tagger, {"wind": [tmp_path / "b.wav", tmp_path / "cut.wav"]}, 0.3, Settings(batch=1))
    assert len(found.unread) == 1 and found.alarms == (alone,)


@pytest.fixture(scope="module")
def nights(place, tmp_path_factory):
    """A tagger with rules of its own, a table that merges its tags, and recordings of two channels, loud, soft and silent by turns."""
    folder = tmp_path_factory.mktemp("nights")
    tagger = loading.load(place / "t.safetensors")
    tags = tagger.vocabulary
    rules = EventRules.alike(tags, 0.572)
    tagger.facts = replace(tagger.facts, events=EventTuning(rules))
    tagger.save(folder / "t.safetensors")
    rows = [f"{tag},{'first' if number < 2 else 'others'}" for number, tag in enumerate(tags)]
    (folder / "merge.csv").write_text("\n".join(["tag,merged", *rows]) + "\n")
    chance = np.random.default_rng(3)
    (folder / "in").mkdir()
    for name in ("a", "b"):
        level = np.repeat(chance.choice([0.0, 3e-4, 0.05, 0.5], (24, 2)), RATE, axis=0)
        tone = np.sin(
            2
            * np.pi
            * np.repeat(chance.uniform(100, 3000, (24, 2)), RATE, axis=0)
            * np.arange(24 * RATE)[:, None]
            / RATE
        )
        soundfile.write(
            folder / "in" / f"{name}.wav", level * (chance.normal(0, 0.2, level.shape) + 0.5 * tone), RATE, "FLOAT"
        )
    return folder


ASKED = [
    [], ["--gain", "30"], ["--floor", "-90"], ["--channel", "2"], ["--each-channel"], ["--threshold", "0.53"], ["--median", "2"],
    ["--gap", "3"], ["--low", "0.9"], ["--shortest", "1"], ["--merge", "merge.csv"],
    ["--merge", "merge.csv", "--merge-by", "sum", "--threshold", "0.6", "--median", "0"],
    ["--gain", "30", "--floor", "-90", "--each-channel", "--threshold", "0.53", "--gap", "1"],
]  # fmt: skip


@pytest.mark.parametrize("asked", ASKED, ids=lambda words: " ".join(words) or "as it is")
def test_what_is_counted_is_what_events_tells_with_the_same_options(nights, asked):
    words = [nights / word if word.endswith(".csv") else word for word in asked]
    told = json.loads(
        earmark("events", nights / "in", "--tagger", nights / "t.safetensors", "--format", "json", *words).stdout
    )
    labels = [event["label"] for each in told for event in each["events"]]
    counted = earmark("alarms", nights / "t.safetensors", nights / "in", "--json", *words)
    assert counted.returncode == 0, counted.stderr
    [alarms] = json.loads(counted.stdout)
    assert labels and alarms["tags"] == {label: labels.count(label) for label in set(labels)}
    assert alarms["hours"] + alarms["unheard"] == pytest.approx(48 / 3600, abs=2e-6)
    rules = {
        word[2:]: asked[n + 1]
        for n, word in enumerate(asked)
        if word[2:] in ("threshold", "median", "gap", "low", "shortest")
    }
    assert all(f"{name} {value}" in alarms["by"] for name, value in rules.items())
    assert "its own rules" in alarms["by"] and (alarms["by"] == "its own rules") == (not rules)
    heard = {"gain": 30.0} if "--gain" in asked else {}
    heard |= {"floor": -90.0} if "--floor" in asked else {}
    heard |= {"channel": 2} if "--channel" in asked else {"channels": "each"} if "--each-channel" in asked else {}
    heard |= {"merge": "merge.csv", "merge by": "sum" if "sum" in asked else "highest"} if "--merge" in asked else {}
    assert alarms.get("heard", {}) == heard and ("heard with" in counted.stderr) == bool(heard)
    assert f"counted by {alarms['by']}" in counted.stderr


def test_the_options_change_what_is_told(nights):
    """Or the test above would not see one that is passed over."""
    told = {}
    for asked in ASKED:
        words = [nights / word if word.endswith(".csv") else word for word in asked]
        told[" ".join(asked)] = earmark(
            "alarms", nights / "t.safetensors", nights / "in", "--json", *words
        ).stdout.split('"by"')[0]
    assert len(set(told.values())) == len(ASKED), told


@pytest.mark.parametrize("asked", [*ASKED[1:12]], ids=" ".join)
def test_figures_of_another_way_of_hearing_are_not_written(nights, tmp_path, asked):
    file = tmp_path / "t.safetensors"
    file.write_bytes((nights / "t.safetensors").read_bytes())
    words = [nights / word if word.endswith(".csv") else word for word in asked]
    refused = earmark("alarms", file, nights / "in", "--record", *words)
    assert refused.returncode == 2 and f"--record and {asked[0] if len(asked) < 3 else '--threshold'}" in refused.stderr
    assert "would not be those of the tagger as it is. Leave one out" in refused.stderr
    assert file.read_bytes() == (nights / "t.safetensors").read_bytes()


def test_figures_of_another_way_of_hearing_are_not_written_from_python(nights, tmp_path):
    file = tmp_path / "t.safetensors"
    file.write_bytes((nights / "t.safetensors").read_bytes())
    tagger = loading.load(file)
    found = false_alarms(tagger, {"in": sorted((nights / "in").iterdir())}, hearing=Hearing(gain=6.0))
    with pytest.raises(
        EarmarkError, match="in: was heard with gain 6 dB, and the figures would not be those of the tagger"
    ):
        record(file, tagger, found.alarms)
    merged = Hearing(merge=Vocabulary.load(nights / "merge.csv"))
    [of] = false_alarms(tagger, {"in": sorted((nights / "in").iterdir())}, 0.3, hearing=merged).alarms
    assert of.by == "threshold 0.3 for all tags" and set(of.tags) <= {"first", "others"}


def test_alarms_have_what_events_have_for_hearing_and_rules():
    """Each option that decides which events there are; the others say where they go, what is made beside them, or how fast."""
    aside = {
        "paths", "tagger", "form", "as_json", "out", "job", "shard", "retry", "on", "address", "cluster", "clock", "start", "names", "zone",
        "clips", "clips_as", "margin", "clips_each", "summary", "store", "pictures", "reference", "strongest", "live", "rate", "channels",
        "encoding",
    }  # fmt: skip
    events, alarms = (set(inspect.signature(verb).parameters) for verb in (events_verb, alarms_verb))
    assert events - aside <= alarms and aside <= events
