"""Scenes mixed from clips: cases worked by hand, levels measured on the parts, and what is never allowed to happen."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import soundfile

from earmark.audio import load
from earmark.data import datasets
from earmark.data import soundscapes as mixing
from earmark.data.leaks import leaks
from earmark.data.manifest import build
from earmark.data.soundscapes.plan import room
from earmark.data.soundscapes.render import noise
from earmark.errors import AudioError, EarmarkError, ManifestError
from earmark.progress import Quiet

RATE = 2000
TAGS = ("bell", "dog", "rain")
MIX = mixing.Mix(length=2.0, events=(1, 4), overlap=2, snr=(-5, 20), sample_rate=RATE)


def db(a, b) -> float:
    return 20 * np.log10(np.linalg.norm(a) / np.sqrt(len(a)) / (np.linalg.norm(b) / np.sqrt(len(b))))


def write(path, wave, rate=RATE):
    soundfile.write(path, np.asarray(wave, np.float32), rate, subtype="FLOAT")
    return path


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    """2 folds × 3 tags × 4 clips, two to a group: noise of 0.2 to 1.2 s, silence before and after."""
    folder, chance = tmp_path_factory.mktemp("clips"), np.random.default_rng(0)
    columns = {"id": [], "path": [], "tags": [], "fold": [], "group": []}
    for fold in "12":
        for tag in TAGS:
            for take in range(4):
                name = f"{tag}-{fold}-{take}"
                quiet = [np.zeros(round(RATE * each)) for each in chance.uniform(0.05, 0.3, 2)]
                sound = chance.normal(0, 0.1, round(RATE * chance.uniform(0.2, 1.2)))
                write(folder / f"{name}.wav", np.concatenate([quiet[0], sound, quiet[1]]))
                row = (name, f"{name}.wav", [tag], fold, f"{tag}-{fold}-{take // 2}")
                for column, value in zip(columns, row, strict=True):
                    columns[column].append(value)
    return build(columns, folder)


def sounds_of(clips, fold, mix=MIX):
    listed = [clip for clip in mixing.single(clips)[0] if clip.fold == fold]
    found = [mixing.locate(clip, mix.sample_rate, mix.trim) for clip in listed]
    return mixing.pool(fold, found, mix), {clip.id: clip.path for clip in listed}


def lone(path, start=None, end=None, sure=False):
    return mixing.Single("a", "dog", "a", "", path, start, end, sure)


# ------------------------------------------------------------------------------------------------------------ plans


def test_room_by_hand():
    """Ten samples. A sounds over 2 … 5 and B over 4 … 7, so that two are heard over 4 and 5 only (4 ≤ t < 6)."""
    heard = [(2, 6, False), (4, 8, False)]
    assert room([], 4, 10, 1) == [(0, 6)]
    assert room([], 10, 10, 1) == [(0, 0)]
    assert room([], 11, 10, 1) == []
    assert room(heard, 2, 10, 1) == [(0, 0), (8, 8)]
    assert room(heard, 2, 10, 2) == [(0, 2), (6, 8)]
    assert room(heard, 5, 10, 2) == []
    assert room(heard, 5, 10, 3) == [(0, 5)]
    assert room([(2, 6, True), (4, 8, False)], 2, 10, 3) == [(0, 0), (6, 8)]  # never beside one of its own tag


@pytest.mark.parametrize("overlap", [1, 2, 3])
def test_limits_hold(clips, overlap):
    mix = replace(MIX, overlap=overlap)
    pool, _ = sounds_of(clips, "1", mix)
    most = 0
    for scene in range(60):
        plan = mixing.draw(pool, mix, scene)
        at_once = np.zeros((plan.samples, len(TAGS)), int)
        for event in plan.events:
            first, end = round(event.onset * RATE), round(event.offset * RATE)
            assert 0 <= first < end <= plan.samples and first / RATE == event.onset
            at_once[first:end, TAGS.index(event.tag)] += 1
            assert -5 <= event.snr <= 20
        assert at_once.max() <= 1
        most = max(most, at_once.sum(1).max())
        assert 1 <= len(plan.events) <= plan.wanted <= 4
        assert len({event.clip for event in plan.events}) == len(plan.events)
        assert [event.onset for event in plan.events] == sorted(event.onset for event in plan.events)
    assert most == overlap


def test_a_scene_depends_on_seed_fold_and_number_alone(clips):
    pool, _ = sounds_of(clips, "1")
    shuffled, _ = sounds_of(clips.select(np.random.default_rng(1).permutation(len(clips))), "1")
    plan = mixing.draw(pool, MIX, 7)
    assert mixing.draw(shuffled, MIX, 7) == plan
    others = [
        mixing.draw(pool, MIX, 8),
        mixing.draw(pool, replace(MIX, seed=1), 7),
        mixing.draw(replace(pool, fold="x"), MIX, 7),
    ]
    assert all(other.events != plan.events for other in others)
    assert json.loads(json.dumps(plan.as_dict())) == plan.as_dict()


def test_numbers_and_tags_are_even(clips):
    mix = replace(MIX, length=8.0, events=(0, 3), overlap=3)
    pool, _ = sounds_of(clips, "2", mix)
    plans = [mixing.draw(pool, mix, scene) for scene in range(400)]
    counts = np.bincount([len(plan.events) for plan in plans], minlength=4)
    assert np.abs(counts - 100).max() < 4 * np.sqrt(400 * 0.25 * 0.75)
    tags = np.unique([event.tag for plan in plans for event in plan.events], return_counts=True)[1]
    assert np.abs(tags - tags.sum() / 3).max() < 4 * np.sqrt(tags.sum() * 2 / 9)


def test_what_does_not_fit(clips):
    pool, _ = sounds_of(clips, "1")
    with pytest.raises(
        EarmarkError, match=r"scene 0 of 1: no 9 events fit in 0\.4 s with at most 1 at once .* --length"
    ):
        mixing.draw(pool, replace(MIX, length=0.4, events=(9, 9), overlap=1), 0)
    fewer = [mixing.draw(pool, replace(MIX, length=0.4, events=(1, 9), overlap=1), scene) for scene in range(20)]
    assert any(len(plan.events) < plan.wanted for plan in fewer) and all(plan.events for plan in fewer)
    with pytest.raises(EarmarkError, match="fold '1' has 12 clips .* up to 13 events a scene need 13"):
        sounds_of(clips, "1", replace(MIX, events=(1, 13)))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"length": float("nan")}, "a scene of nan s"),
        ({"length": 0.0}, "a scene of 0 s: give a length from 0.1 to 600 s"),
        ({"events": (3, 1)}, "3:1 events a scene"),
        ({"events": (0, 0)}, "0:0 events a scene"),
        ({"overlap": 0}, "an overlap of 0"),
        ({"snr": (20.0, 0.0)}, "ratio of 20:0 dB"),
        ({"snr": (float("nan"), 0.0)}, "ratio of nan:0 dB"),
        ({"snr": (0.0, float("inf"))}, "ratio of 0:inf dB"),
        ({"seed": -1}, "a seed of -1"),
        ({"seed": 1 << 32}, "a seed of 4294967296"),
        ({"trim": 0.0}, "quieter by 0 dB"),
        ({"background": "borwn"}, "'borwn' is no background, did you mean 'brown'"),
        ({"sample_rate": 10}, "10 Hz is no sample rate"),
    ],
)
def test_mixes_that_make_no_sense(change, message):
    with pytest.raises(EarmarkError, match=message):
        replace(MIX, **change)


# ------------------------------------------------------------------------------------------------------------ clips


def test_quiet_ends_by_hand(tmp_path):
    """Frames of 20 samples: 2 at −41 dB, 3 at 0 dB, 2 silent, 1 at −39 dB, 1 at −41 dB and half of one."""
    levels = np.array([-41, -41, 0, 0, 0, -np.inf, -np.inf, -39, -41, -41])
    wave = np.repeat(0.5 * 10 ** (levels / 20), 20)[:190]
    sound = mixing.locate(lone(write(tmp_path / "a.wav", wave)), RATE, 40)
    assert (sound.first, sound.samples) == (40, 120)
    np.testing.assert_array_equal(sound.heard, [1, 1, 1, 0, 0, 1])
    sound = mixing.locate(lone(tmp_path / "a.wav"), RATE, 42)
    assert (sound.first, sound.samples) == (0, 190)  # the last frame is a half
    sound = mixing.locate(lone(tmp_path / "a.wav", 0.03, 0.09), RATE, 40)  # 60 … 180
    assert (sound.first, sound.samples) == (60, 100)
    sound = mixing.locate(lone(tmp_path / "a.wav", 0.01, 0.09, sure=True), RATE, 40)
    assert (sound.first, sound.samples) == (20, 160)  # told: taken at its word


def test_silent_clips_are_said(tmp_path):
    with pytest.raises(AudioError, match="is silent"):
        mixing.locate(lone(write(tmp_path / "a.wav", np.zeros(100))), RATE, 40)


def test_clips_with_one_event_are_taken(tmp_path):
    columns = {
        "id": list("gfedcba"),
        "path": ["x.wav"] * 7,
        "tags": [["dog"], ["dog"], ["dog"], ["dog", "rain"], [], ["dog"], ["dog"]],
        "events": [None, [("dog", 1.0, 2.0)], [("dog", 1.0, 2.0), ("dog", 3.0, 4.0)], None, None, [], None],
        "fold": ["1", "1", "1", "1", "1", "1", None],
    }
    listed, why = mixing.single(build(columns, tmp_path))
    assert [(clip.id, clip.start, clip.end, clip.sure) for clip in listed] == [
        ("f", 1.0, 2.0, True),
        ("g", None, None, False),
    ]
    assert why == {"several events": 1, "several tags": 1, "no tag": 1, "a tag but no event": 1, "no fold": 1}


def test_long_clips_are_cropped_to_what_is_heard(tmp_path):
    """Bursts of 0.2 s, a second apart: a crop of half a second holds one burst, and begins and ends in it."""
    wave = np.zeros(6 * RATE)
    for second in range(6):
        wave[second * RATE : second * RATE + RATE // 5] = 0.3
    mix = replace(MIX, length=0.5, events=(1, 1), background="none")
    path = write(tmp_path / "a.wav", wave)
    pool = mixing.pool("", [mixing.locate(lone(path), RATE, 40)], mix)
    begins = set()
    for scene in range(30):
        (event,) = mixing.draw(pool, mix, scene).events
        heard = wave[round(event.at * RATE) :][: round((event.offset - event.onset) * RATE)]
        assert heard[0] and heard[-1] and len(heard) <= RATE // 5
        begins.add(int(event.at))
    assert begins == set(range(6))


# -------------------------------------------------------------------------------------------------------- rendering


def test_a_scene_by_hand(tmp_path):
    """Four equal samples, at 1 kHz, faded to (1, 2, 2, 1) / 3 of themselves, whose RMS is √10 / 6; SNR 20 dB over the
    level of −40 dB is an RMS of 0.1. So the first is 0.1 · 2 / √10 = 0.0632."""
    path = write(tmp_path / "a.wav", [0, 0, 0.5, 0.5, 0.5, 0.5], 1000)
    event = mixing.PlacedEvent("dog", 0.003, 0.007, "a", "a", 0.002, 20.0)
    plan = mixing.ScenePlan("", 0, 0, 1000, 10, "none", None, 1, (event,))
    wave, scale = mixing.render(plan, {"a": path})
    step = 0.2 / np.sqrt(10)
    np.testing.assert_allclose(wave, np.array([0, 0, 0, 1, 2, 2, 1, 0, 0, 0]) * step, atol=1e-7)
    assert scale == 1
    mixing.make(tmp_path / "out", plan, {"a": path})
    stored, rate = soundfile.read(tmp_path / "out" / "audio" / "scene_00000.flac", dtype="int16")
    assert rate == 1000
    assert stored.tolist() == [0, 0, 0, 2072, 4145, 4145, 2072, 0, 0, 0]  # 32768 · 0.06325 = 2072.4
    loud = replace(plan, events=(replace(event, snr=60.0),))  # RMS 10, so a peak of 40 / √10
    wave, scale = mixing.render(loud, {"a": path})
    assert np.abs(wave).max() == pytest.approx(0.95)
    assert scale == pytest.approx(0.95 / (40 / np.sqrt(10)))


@pytest.mark.parametrize("background", ["brown", "pink", "white", "none"])
def test_levels_and_places(clips, background):
    mix = replace(MIX, background=background)
    pool, paths = sounds_of(clips, "2", mix)
    for scene in range(8):
        plan = mixing.draw(pool, mix, scene)
        floor, events = mixing.parts(plan, paths)
        wave, scale = mixing.render(plan, paths)
        total = floor.copy()
        for event, part in zip(plan.events, events, strict=True):
            against = floor if background != "none" else np.full(plan.samples, 0.01)
            assert db(part, against) == pytest.approx(event.snr, abs=1e-3)
            first = round(event.onset * RATE)
            total[first : first + len(part)] += part
            # the very samples of the clip, save for the level and the fades of 10 samples
            clip = load(paths[event.clip], RATE)[round(event.at * RATE) :][: len(part)]
            inner = part[10:-10]
            gain = np.abs(inner).max() / np.abs(clip[10:-10]).max()
            np.testing.assert_allclose(inner, gain * clip[10:-10], atol=1e-6 * np.abs(inner).max())
            assert np.abs(load(paths[event.clip], RATE)).sum() == pytest.approx(np.abs(clip).sum(), rel=1e-6)
        np.testing.assert_allclose(wave, total * scale, atol=1e-12)
        assert np.abs(wave).max() <= 0.95 + 1e-12 and (scale == 1 or np.abs(wave).max() == pytest.approx(0.95))
        if background == "none":
            inside = np.zeros(plan.samples, bool)
            for event in plan.events:
                inside[round(event.onset * RATE) : round(event.offset * RATE)] = True
            assert not wave[~inside].any()


@pytest.mark.parametrize(("colour", "slope"), [(0.0, 0.0), (1.0, -3.01), (2.0, -6.02)])
def test_noise_falls_as_told(colour, slope):
    from scipy.signal import welch

    wave = noise(160_000, 16_000, colour, np.random.default_rng(0))
    assert np.sqrt(np.mean(wave**2)) == pytest.approx(1)
    frequency, power = welch(wave, 16_000, nperseg=4096)
    band = (frequency > 100) & (frequency < 7000)
    fitted = np.polyfit(np.log2(frequency[band]), 10 * np.log10(power[band]), 1)[0]
    assert fitted == pytest.approx(slope, abs=0.15)


def test_backgrounds_are_dealt_to_folds(tmp_path, clips):
    chance, mix = np.random.default_rng(3), replace(MIX, background=str(tmp_path))
    for name, seconds in (("a", 5.0), ("b", 2.0), ("c", 3.0), ("d", 1.0)):
        write(tmp_path / f"{name}.wav", chance.normal(0.1, 0.3, round(seconds * RATE)))
    (tmp_path / "e.wav").write_bytes(b"no sound")
    write(tmp_path / "f.wav", chance.normal(0, 0.3, 9 * RATE))
    whole = (tmp_path / "f.wav").read_bytes()
    (tmp_path / "f.wav").write_bytes(whole[: len(whole) * 2 // 3])  # longer than a scene still
    dealt, failures = mixing.backgrounds(tmp_path, ["1", "2"], mix.samples, RATE)
    assert {fold: [each.id for each in mine] for fold, mine in dealt.items()} == {
        "1": ["a.wav", "c.wav"],
        "2": ["b.wav"],
    }
    assert ["d.wav: is 1.00 s long, shorter than a scene of 2 s" in str(e) for e in failures] == [True, False, False]
    assert "f.wav: is cut off: its header states 9.00 s of sound" in str(failures[2])
    one, paths = sounds_of(clips, "1", mix)
    plans = [mixing.draw(replace(one, backgrounds=tuple(dealt["1"])), mix, scene) for scene in range(20)]
    assert {plan.background for plan in plans} == {"a.wav", "c.wav"}
    for plan in plans[:5]:
        floor, events = mixing.parts(plan, paths, tmp_path)
        given = load(tmp_path / plan.background, RATE)[round(plan.background_at * RATE) :][: plan.samples]
        np.testing.assert_allclose(floor, given * (0.01 / np.sqrt(np.mean(given.astype(float) ** 2))), rtol=1e-5)
        for event, part in zip(plan.events, events, strict=True):
            assert db(part, floor) == pytest.approx(event.snr, abs=1e-3)
    with pytest.raises(
        EarmarkError, match=r"no background recording falls to fold '4': 6 recordings .* 3 cannot be used"
    ):
        mixing.backgrounds(tmp_path, list("123456"), mix.samples, RATE)
    (tmp_path / "empty").mkdir()
    with pytest.raises(EarmarkError, match="0 recordings were dealt"):
        mixing.backgrounds(tmp_path / "empty", [""], mix.samples, RATE)


def test_a_silent_stretch_of_background_is_said(tmp_path, clips):
    write(tmp_path / "a.wav", np.zeros(3 * RATE))
    plan = mixing.ScenePlan("1", 0, 0, RATE, 2 * RATE, "a.wav", 0.5, 0, ())
    with pytest.raises(AudioError, match="is silent for 4,000 samples from 0.50 s on"):
        mixing.render(plan, {}, tmp_path)


# ----------------------------------------------------------------------------------------------------------- folder


def mixed(root, clips, folds="12", scenes=4, mix=MIX):
    mixing.claim(root, mix, clips)
    made = {}
    for fold in folds:
        pool, paths = sounds_of(clips, fold, mix)
        plans = [mixing.draw(pool, mix, scene) for scene in range(scenes)]
        made[fold] = list(mixing.make_all(root, plans, paths, None, 2))
        mixing.save_tables(root, fold, made[fold])
    return made


def files(root) -> dict[str, bytes]:
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("snr", "background", "bits"),
    [(-30, "none", 16), (-70, "none", 24), (-86, "none", 24), (-30, "brown", 16), (75, "white", 24), (80, "brown", 24)],
)
def test_what_is_stored_has_the_levels_that_are_told(tmp_path, clips, snr, background, bits):
    """Of each event, where nothing else is heard, and of the background where there is none: to 0.1 dB."""
    mix = replace(MIX, snr=(snr, snr), background=background, events=(1, 1))
    pool, paths = sounds_of(clips, "1", mix)
    for scene in range(4):
        plan = mixing.draw(pool, mix, scene)
        made = mixing.make(tmp_path, plan, paths)
        file = tmp_path / "audio" / "1" / f"{plan.name}.flac"
        stored, _ = soundfile.read(file)
        assert soundfile.info(file).subtype == f"PCM_{bits}"
        behind, (sound,) = mixing.parts(plan, paths)
        (event,) = plan.events
        first = round(event.onset * RATE)
        within = slice(first, first + len(sound))
        assert 20 * np.log10(np.sqrt(np.mean((sound * made.scale) ** 2))) == pytest.approx(
            -40 + snr + 20 * np.log10(made.scale), abs=0.01
        )
        assert db(stored[within] - behind[within] * made.scale, sound * made.scale) == pytest.approx(0, abs=0.1)
        outside = np.ones(len(stored), bool)
        outside[within] = False
        if background == "none":
            assert not stored[outside].any()
        else:
            assert db(stored[outside], behind[outside] * made.scale) == pytest.approx(0, abs=0.1)
        assert not mixing.make(tmp_path, plan, paths).made  # it is there


def test_a_scene_of_too_few_bits_is_made_again(tmp_path, clips):
    """As versions wrote it that knew 16 bits alone: nothing of its event is left in it."""
    mix = replace(MIX, snr=(-70, -70), background="none")
    pool, paths = sounds_of(clips, "1", mix)
    plan = mixing.draw(pool, mix, 0)
    mixing.make(tmp_path, plan, paths)
    file = tmp_path / "audio" / "1" / f"{plan.name}.flac"
    soundfile.write(file, np.zeros(plan.samples, np.int16), RATE, "PCM_16")
    assert mixing.make(tmp_path, plan, paths).made
    assert soundfile.read(file)[0].any()


def test_levels_that_no_bits_hold_are_refused(tmp_path, clips):
    with pytest.raises(
        EarmarkError, match="a signal-to-noise ratio of -90 dB: the event would be at -130 dB .* give -86 or more"
    ):
        mixing.make_scenes(clips, tmp_path / "out", 2, snr=(-90, -80), background="none")
    assert not (tmp_path / "out").exists()
    made = mixing.make_scenes(clips, tmp_path / "out", 2, snr=(119, 120), sample_rate=RATE, length=2.0, events=(1, 1))
    assert len(made.spoilt) == 4 and not made.scenes
    assert "its quietest part would be at -" in str(made.spoilt[0]) and "(--snr)" in str(made.spoilt[0])
    assert not list((tmp_path / "out").rglob("*.flac"))


def test_the_folder_is_read_back(tmp_path, clips):
    made = mixed(tmp_path / "out", clips, mix=replace(MIX, events=(0, 4)))
    found = datasets.index("soundscapes", tmp_path / "out")
    plans = {f"{fold}/{scene.plan.name}": scene.plan for fold, each in made.items() for scene in each}
    assert set(found.ids) == set(plans) and found.facts["events past the end of a recording"] == 0
    group_of = dict(zip(clips.ids.tolist(), clips.groups.tolist(), strict=True))
    for row in found.table.to_pylist():
        plan = plans[row["id"]]
        heard = [(event["tag"], event["onset"], event["offset"]) for event in row["events"]]
        assert heard == [(event.tag, event.onset, event.offset) for event in plan.events]
        assert set(row["tags"]) == {event.tag for event in plan.events}
        assert row["fold"] == plan.fold
        assert set(row["source"].split(", ") if row["source"] else []) == {
            group_of[event.clip] for event in plan.events
        }
        header = soundfile.info(found.root / row["path"])
        assert (header.frames, header.samplerate, header.format, header.subtype) == (4000, RATE, "FLAC", "PCM_16")
    assert leaks(found) == []
    one, two = ({event.group for s in made[fold] for event in s.plan.events} for fold in "12")
    assert one and two and not one & two


def test_what_is_there_is_not_made_again(tmp_path, clips):
    mixed(tmp_path, clips, scenes=3)
    before = files(tmp_path)
    made = mixed(tmp_path, clips, scenes=3)
    assert not any(scene.made for each in made.values() for scene in each) and files(tmp_path) == before
    (tmp_path / "audio/1/scene_1_00001.flac").write_bytes(b"cut off")
    (tmp_path / "plans/2/scene_2_00000.json").write_text("{}")
    (tmp_path / "plans/2/scene_2_00002.json").unlink()
    made = mixed(tmp_path, clips, scenes=5)
    assert [[scene.made for scene in each] for each in made.values()] == [
        [False, True, False, True, True],
        [True, False, True, True, True],
    ]
    after = files(tmp_path)
    assert all(after[name] == content for name, content in before.items() if not name.startswith("metadata"))
    assert all(after[name].startswith(content) for name, content in before.items())
    assert not list(tmp_path.rglob("*.part"))


def test_folders_of_others_are_left_alone(tmp_path, clips):
    (tmp_path / "letter.txt").write_text("dear")
    with pytest.raises(ManifestError, match=r"holds something else: letter\.txt\. Name an empty or new folder"):
        mixing.claim(tmp_path, MIX, clips)
    with pytest.raises(ManifestError, match="is a file"):
        mixing.claim(tmp_path / "letter.txt", MIX, clips)
    mixing.claim(tmp_path / "a", MIX, clips)
    with pytest.raises(ManifestError, match="mixed otherwise: length 2.0, not 3.0, seed 0, not 5"):
        mixing.claim(tmp_path / "a", replace(MIX, seed=5, length=3.0), clips)
    with pytest.raises(ManifestError, match="mixed otherwise: clips "):
        mixing.claim(tmp_path / "a", MIX, clips.select([0, 1]))
    for content in ("", "[]"):
        (tmp_path / "a" / "soundscapes.json").write_text(content)
        with pytest.raises(ManifestError, match="is damaged"):
            mixing.claim(tmp_path / "a", MIX, clips)


def test_folds_that_share_groups_are_refused(tmp_path):
    columns = {"id": ["a", "b"], "path": ["a.wav", "b.wav"], "tags": [["dog"]] * 2, "fold": ["1", "2"]}
    assert mixing.groups_apart(build(columns, tmp_path)) == []
    with pytest.raises(ManifestError, match="group 'g' lies in fold 1 and fold 2.*earmark index --folds"):
        mixing.groups_apart(build(columns | {"group": ["g", "g"]}, tmp_path))
    same = columns | {"path": ["a.wav", "a.wav"], "start": [0.0, 1.0], "end": [1.5, 3.0]}
    with pytest.raises(ManifestError, match="overlapping clips of a.wav"):
        mixing.groups_apart(build(same, tmp_path))
    (sentence,) = mixing.groups_apart(build(same | {"end": [1.0, 3.0]}, tmp_path))
    assert sentence.startswith("clips of a.wav lie in fold 1 and fold 2")
    for name in ("a/b", "..", ".x", "x.", "a\\b", "c:"):
        with pytest.raises(ManifestError, match="cannot be the name of a folder"):
            mixing.groups_apart(build(columns | {"fold": [name, "2"]}, tmp_path))


def test_odd_tags_survive(tmp_path):
    """Commas, quotes and spaces in tags, and no folds."""
    tags = ("Vehicle, car horn", 'so-called "music"', "a b")
    chance = np.random.default_rng(0)
    for name in "abc":
        write(tmp_path / f"{name}.wav", chance.normal(0, 0.1, 600))
    columns = {"id": list("abc"), "path": [f"{name}.wav" for name in "abc"], "tags": [[tag] for tag in tags]}
    clips = build(columns, tmp_path)
    (scene,) = mixed(tmp_path / "out", clips, [""], 1, replace(MIX, events=(3, 3)))[""]
    found = datasets.index("soundscapes", tmp_path / "out")
    (row,) = found.table.to_pylist()
    assert row["id"] == "scene_00000" and row["fold"] is None
    assert [(e["tag"], e["onset"], e["offset"]) for e in row["events"]] == [
        (e.tag, e.onset, e.offset) for e in scene.plan.events
    ]
    assert {e["tag"] for e in row["events"]} == set(tags)


def test_a_scene_without_its_plan_is_not_taken_for_another(tmp_path, clips, monkeypatch):
    """Stopped between scene and plan, where a scene of another plan was before."""
    pool, paths = sounds_of(clips, "1")
    one = mixing.draw(pool, MIX, 0)
    other = replace(one, events=one.events[:-1])
    assert mixing.make(tmp_path, one, paths).made
    sound = tmp_path / "audio/1/scene_1_00000.flac"
    right = sound.read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(mixing.ScenePlan, "as_dict", lambda self: stop() if sound.read_bytes() != right else {})
        with pytest.raises(KeyboardInterrupt):
            mixing.make(tmp_path, other, paths)
    assert sound.read_bytes() != right
    assert mixing.make(tmp_path, one, paths).made and sound.read_bytes() == right


def stop():
    raise KeyboardInterrupt


def test_scenes_are_made_by_one_function(tmp_path, clips):
    """The same files as of the parts, told by callback; a second call finds them."""
    steps: list[str] = []

    class Told(Quiet):
        def begin(self, what, total):
            steps.append(what)

    settings = {"length": 1.5, "sample_rate": 4000, "events": (1, 3), "folds": ["2"]}
    made = mixing.make_scenes(clips, tmp_path / "a", 2, **settings, progress=Told())
    assert [(scene.plan.fold, scene.made) for scene in made.scenes] == [("2", True)] * 2
    assert steps[1] == "2 scenes" and (made.unread, made.spoilt, made.warnings()) == ((), (), [])
    again = mixing.make_scenes(clips, tmp_path / "a", 1, **settings)
    assert [scene.made for scene in again.scenes] == [False] and "1 scene of earlier runs lies in" in again.warnings()[
        0
    ]
    with pytest.raises(ManifestError, match="is a folder, not a manifest"):
        mixing.make_scenes(tmp_path, tmp_path / "b")
