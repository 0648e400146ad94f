"""Batches: the same whatever the memory and the threads, and what cannot be read is told."""

import numpy as np
import pytest
import soundfile
import torch

from earmark.data.manifest import build
from earmark.errors import AudioError, ManifestError
from earmark.recipe.schema import Component
from earmark.registry import AUGMENTATIONS
from earmark.train import augment
from earmark.train.loader import Batches, Waves, draw_order, draw_segments, segment_counts, validation_batches
from earmark.windows import Windows, fit, starts

RATE = 4000
LENGTH = 400


def signal(clip: int, samples: int):
    """A ramp that tells each sample of each clip from all others: clip / 100 + place / 1e6, which 24 bits hold."""
    return (clip / 100 + np.arange(samples) / 1e6).astype(np.float32)


SAMPLES = [1000, 350, 400, 2111, 777, 401, 1200]
BALANCED = [6, 5, 0, 7, 1, 1, 4, 8, 1, 2, 6, 5]


@pytest.fixture
def manifest(tmp_path):
    for clip, samples in enumerate(SAMPLES):
        soundfile.write(tmp_path / f"{clip}.wav", signal(clip, samples), RATE, "FLOAT")
    return of_files(tmp_path, [f"{clip}.wav" for clip in range(len(SAMPLES))])


def of_files(folder, paths, **columns):
    ids = [f"c{i}" for i in range(len(paths))]
    tags = [["even" if i % 2 == 0 else "odd"] for i in range(len(paths))]
    return build({"id": ids, "path": paths, "tags": tags, **columns}, folder, vocabulary=("even", "odd"))


@pytest.fixture
def with_broken(tmp_path, manifest):
    """Rows 2 and 5 cannot be read."""
    (tmp_path / "2.wav").write_bytes(b"RIFF, but no recording")
    (tmp_path / "5.wav").unlink()
    return manifest


def augmentations(*names):
    return augment.staged([Component(name=name) for name in (names or ("gain", "crop"))], RATE)["clip"]


def batches(waves, *, batch=3, seed=0, epoch=1, names=()):
    targets = waves.manifest.truth().astype(np.float32)
    rows = draw_order(waves.readable, targets, False, None, seed, epoch)
    loaded = Batches(waves, targets, rows, batch, LENGTH, seed=seed, epoch=epoch, clips=augmentations(*names))
    return [(made, told) for made, told, _ in loaded]


def same(one, other):
    return len(one) == len(other) and all(
        torch.equal(a, c) and torch.equal(b, d) for (a, b), (c, d) in zip(one, other, strict=True)
    )


def clips_of(batch_list):
    """Which clips the windows come from, told by their values; needs crops without gain and without padding."""
    return [round(float(wave.max()) * 100 - 0.1) for waves, _ in batch_list for wave in waves]


# Waves


def test_a_clip_that_is_held_cannot_be_changed(manifest):
    """It is heard again in every epoch."""
    waves = Waves(manifest, RATE)
    assert waves.held == 7
    with pytest.raises(ValueError, match="read-only"):
        waves[0][:] = 0
    np.testing.assert_array_equal(waves.heard(0)[0], signal(0, SAMPLES[0]))


def test_waves_are_the_recordings(manifest):
    waves = Waves(manifest, RATE)
    assert waves.readable.tolist() == list(range(7))
    assert waves.failures == []
    assert waves.notes == []
    assert waves.held == 7
    for row, samples in enumerate(SAMPLES):
        np.testing.assert_array_equal(waves[row], signal(row, samples))


def test_start_and_end_of_a_clip(tmp_path, manifest):
    """Seconds of the manifest: 0.1 s are 400 samples. Nan is from the beginning, or to the end."""
    clips = of_files(tmp_path, ["3.wav"] * 4, start=[None, 0.1, 0.1, None], end=[None, None, 0.35, 0.25])
    whole = signal(3, 2111)
    waves = Waves(clips, RATE)
    for row, part in enumerate([whole, whole[400:], whole[400:1400], whole[:1000]]):
        np.testing.assert_array_equal(waves[row], part)
    on_demand = Waves(clips, RATE, memory=0)
    assert on_demand.held == 0
    assert all(np.array_equal(waves[row], on_demand[row]) for row in range(4))


def test_a_clip_beyond_the_end_of_its_recording(tmp_path, manifest):
    clips = of_files(tmp_path, ["0.wav", "0.wav"], start=[0.0, 0.5], end=[0.2, 0.6])
    waves = Waves(clips, RATE)
    assert waves.readable.tolist() == [0]
    ((row, error),) = waves.failures
    assert row == 1
    assert "has no sound at 0.50 s" in str(error)


def test_another_rate(manifest):
    waves = Waves(manifest, RATE // 2)
    assert [len(waves[row]) for row in range(7)] == [500, 175, 200, 1056, 389, 201, 600]


@pytest.mark.parametrize("memory", [0, 5000, 10**9])
@pytest.mark.parametrize("workers", [1, 3])
def test_what_cannot_be_read_is_told_whatever_the_memory(with_broken, memory, workers):
    """Clips that do not fit into memory are looked at too: training must not stop at them after an hour."""
    seen = []
    waves = Waves(with_broken, RATE, memory=memory, workers=workers, on_clip=lambda: seen.append(1))
    assert len(seen) == 7
    assert waves.readable.tolist() == [0, 1, 3, 4, 6]
    assert [row for row, _ in waves.failures] == [2, 5]
    assert all(isinstance(error, AudioError) for _, error in waves.failures)
    assert "2.wav" in str(waves.failures[0][1])
    assert "5.wav" in str(waves.failures[1][1])
    with pytest.raises(AudioError, match=r"2\.wav"):
        waves[2]


@pytest.mark.parametrize("memory", [0, 10**9])
def test_strict_stops_at_the_first(with_broken, memory):
    with pytest.raises(AudioError, match=r"2\.wav"):
        Waves(with_broken, RATE, strict=True, memory=memory)


def test_memory_is_kept_to(manifest):
    """Seven clips of 6239 samples of four bytes: 12 000 bytes hold some of them, in whatever order they come."""
    waves = Waves(manifest, RATE, memory=12_000, workers=1)
    assert sum(waves._held[row].nbytes for row in waves._held) <= 12_000
    # in order: 4000, 1400, 1600 bytes are 7000; 8444 more do not fit, but the 3108 and 1604 behind them do
    assert sorted(waves._held) == [0, 1, 2, 4, 5]
    for row, samples in enumerate(SAMPLES):
        np.testing.assert_array_equal(waves[row], signal(row, samples))


def test_notes_are_said_once_and_in_order(tmp_path):
    """However often a clip is decoded again."""
    for clip in range(6):
        soundfile.write(tmp_path / f"{clip}.wav", np.stack([signal(clip, 500)] * 2, 1), RATE, "FLOAT")
    stereo = of_files(tmp_path, [f"{clip}.wav" for clip in range(6)])
    waves = Waves(stereo, RATE, memory=0, workers=3)
    before = list(waves.notes)
    assert len(before) == 6
    assert all(f"{clip}.wav" in note or "channels" in note for clip, note in enumerate(before))
    batches(waves)
    assert waves.notes == before
    assert waves.notes == Waves(stereo, RATE, workers=1).notes


# Training


@pytest.mark.parametrize("arguments", [{"memory": 0}, {"memory": 6000}, {"workers": 1}, {"workers": 4}])
def test_batches_do_not_depend_on_memory_or_workers(with_broken, arguments):
    expected = batches(Waves(with_broken, RATE))
    assert same(batches(Waves(with_broken, RATE, **arguments)), expected)
    assert same(batches(Waves(with_broken, RATE)), expected)  # nor on what was run before
    torch.manual_seed(99)
    np.random.seed(99)  # noqa: NPY002 (that is the point)
    assert same(batches(Waves(with_broken, RATE)), expected)


def test_shapes_and_targets(manifest):
    got = batches(Waves(manifest, RATE), names=["crop"])
    assert [len(waves) for waves, _ in got] == [3, 4]
    assert all(waves.shape[1:] == (LENGTH,) and waves.dtype == torch.float32 for waves, _ in got)
    assert all(targets.shape[1:] == (2,) and targets.dtype == torch.float32 for _, targets in got)
    clips = clips_of(got)
    targets = torch.cat([targets for _, targets in got])
    assert targets.argmax(1).tolist() == [clip % 2 for clip in clips]
    assert targets.sum(1).tolist() == [1] * 7


def test_each_readable_clip_once_an_epoch(manifest, with_broken):
    waves = Waves(with_broken, RATE)
    orders = {tuple(clips_of(batches(waves, epoch=epoch, names=["crop"]))) for epoch in range(1, 9)}
    assert all(sorted(order) == [0, 1, 3, 4, 6] for order in orders)
    assert len(orders) > 4  # of 120 orders


def test_seed_and_epoch_change_order_and_crops(manifest):
    waves = Waves(manifest, RATE)
    first = batches(waves, seed=0, epoch=1)
    assert same(first, batches(waves, seed=0, epoch=1))
    for changes in ([{"seed": seed} for seed in range(6)], [{"epoch": epoch} for epoch in range(1, 7)]):
        runs = [batches(waves, names=["crop"], **change) for change in changes]
        assert len({tuple(clips_of(run)) for run in runs}) > 3
        crops = [torch.cat([w for w, _ in run])[clips_of(run).index(3), 0].item() for run in runs]
        assert len(set(crops)) > 3  # clip 3 has 1712 places to crop from


def test_clips_are_cropped_each_in_its_own_place(tmp_path, manifest):
    waves = Waves(of_files(tmp_path, ["3.wav"] * 6), RATE)
    assert len(set(torch.cat([w for w, _ in batches(waves, names=["crop"])])[:, 0].tolist())) > 3


def test_a_crop_does_not_depend_on_the_batch_it_is_in(manifest):
    """The draw belongs to (seed, epoch, clip)."""
    waves = Waves(manifest, RATE)
    by_size = []
    for batch in (2, 3, 7):
        got = torch.cat([w for w, _ in batches(waves, batch=batch, names=["crop"])])
        order = got.max(1).values.argsort()
        by_size.append(got[order])
    assert torch.equal(by_size[0], by_size[1])
    assert torch.equal(by_size[0], by_size[2])


@pytest.mark.parametrize(
    ("batch", "sizes"),
    [(2, [2, 2, 3]), (3, [3, 4]), (4, [4, 3]), (6, [7]), (7, [7]), (8, [7]), (100, [7])],
)
def test_a_last_single_clip_joins_the_batch_before(manifest, batch, sizes):
    assert [len(waves) for waves, _ in batches(Waves(manifest, RATE), batch=batch)] == sizes


def test_one_clip_is_one_batch(manifest):
    assert [len(waves) for waves, _ in batches(Waves(manifest.select([3]), RATE), batch=2)] == [1]


def test_augmentation_leaves_the_recordings_alone(manifest):
    waves = Waves(manifest, RATE)
    targets = manifest.truth().astype(np.float32)
    kept = targets.copy()
    clips = augmentations("trim", "gain", "crop")
    for batch, told, _ in Batches(waves, targets, waves.readable, 3, LENGTH, seed=0, epoch=1, clips=clips):
        batch.fill_(9)
        told.fill_(9)
    for row, samples in enumerate(SAMPLES):
        np.testing.assert_array_equal(waves[row], signal(row, samples))
    np.testing.assert_array_equal(targets, kept)


# Order


def several(rows, tags):
    """Targets (rows, tags): the first row has tag 0 alone, the last the last one; in between row i has tag i mod tags."""
    return np.eye(tags, dtype=np.float32)[np.minimum(np.arange(rows), tags - 1)]


def test_parts_of_epochs_go_on_where_the_last_one_ended():
    readable = np.array([2, 3, 5, 7, 11])
    targets = np.ones((12, 2), np.float32)
    parts = [draw_order(readable, targets, False, 3, 0, epoch).tolist() for epoch in range(1, 11)]
    assert all(len(part) == 3 for part in parts)
    row = [clip for part in parts for clip in part]
    for turn in range(6):
        assert sorted(row[5 * turn : 5 * turn + 5]) == readable.tolist()
    assert draw_order(readable, targets, False, 12, 0, 1).tolist()[:5] == row[:5]


def test_balance_lets_every_tag_come_up_as_often():
    targets = several(100, 4)  # one clip each of three tags, 97 of the last
    order = draw_order(np.arange(100), targets, True, None, 0, 1)
    assert len(order) == 100
    assert targets[order].sum(0).tolist() == [25] * 4
    for at in range(0, 96, 8):  # in each batch too: two turns of the four tags
        assert targets[order[at : at + 8]].sum(0).tolist() == [2] * 4
    common = order[order >= 3]
    assert len(set(common.tolist())) == 25  # none twice before each came once
    assert order.tolist() != draw_order(np.arange(100), targets, True, None, 0, 2).tolist()


def test_balance_with_several_tags_a_clip_and_tags_without_clips():
    targets = np.zeros((6, 4), np.float32)
    targets[:, 0] = 1  # all have tag 0, one of them tag 1, none tag 3
    targets[2, 1] = targets[4, 2] = 1
    order = draw_order(np.arange(6), targets, True, 30, 0, 1)
    counts = np.bincount(order, minlength=6)
    assert counts[2] >= 10
    assert counts[4] >= 10
    assert counts.sum() == 30
    assert draw_order(np.array([2, 4]), targets, True, 4, 0, 1).tolist().count(2) >= 1  # only what can be read


def test_balance_draws_clips_without_a_tag_as_often_as_those_of_a_tag():
    targets = np.zeros((100, 3), np.float32)
    targets[:2, 0] = targets[2:50, 1] = targets[50, 2] = 1  # 49 have none of the tags
    targets[90:, 0] = np.nan  # of ten of these only something is known
    order = draw_order(np.arange(100), targets, True, 100, 0, 1)
    drawn = np.nan_to_num(targets[order])
    assert drawn.sum(0).tolist() == [25] * 3 and (drawn.sum(1) == 0).sum() == 25
    for at in range(0, 100, 4):  # in each turn
        assert sorted(drawn[at : at + 4].sum(0).tolist()) == [1] * 3
    bare = order[order > 50]
    assert len(set(bare.tolist())) == 25 and (bare >= 90).any()
    # all of them come, turn after turn, and those alone where no clip has a tag
    assert set(draw_order(np.arange(100), targets, True, 400, 0, 1).tolist()) == set(range(100))
    assert sorted(draw_order(np.arange(60, 90), targets, True, None, 0, 1).tolist()) == list(range(60, 90))


def test_balance_never_draws_a_clip_of_which_nothing_is_known():
    targets = several(12, 3)
    targets[:4] = np.nan
    targets[4] = [0, np.nan, np.nan]
    order = draw_order(np.arange(12), targets, True, 40, 0, 1)
    assert set(order.tolist()) == set(range(4, 12)) and order.tolist().count(4) == 20
    with pytest.raises(
        ManifestError, match=r"train\.balance: classes .* nothing is known of those of the 4 .*take none"
    ):
        draw_order(np.arange(4), targets, True, None, 0, 1)


@pytest.mark.parametrize("unknown", [False, True])
def test_balanced_draws_of_clips_that_all_have_tags_are_what_they_ever_were(unknown):
    """As results were made that are kept."""
    targets = np.zeros((9, 4), np.float32)
    targets[np.arange(9), [0, 0, 0, 0, 1, 1, 2, 3, 3]] = targets[[1, 5, 6], [2, 3, 1]] = 1
    targets[[0, 4], [3, 0]] = np.nan if unknown else 0
    assert draw_order(np.arange(9), targets, True, 12, 7, 2).tolist() == BALANCED


def test_a_clip_that_comes_again_is_cropped_elsewhere(manifest):
    waves = Waves(manifest, RATE)
    targets = manifest.truth().astype(np.float32)
    rows = np.array([3, 3, 3, 3])
    (made,) = Batches(waves, targets, rows, 4, LENGTH, seed=0, epoch=1, clips=augmentations("crop"))
    assert len(set(made[0][:, 0].tolist())) > 1


@pytest.mark.parametrize("world", [2, 3])
def test_processes_share_the_batch(manifest, world):
    waves = Waves(manifest, RATE)
    targets = manifest.truth().astype(np.float32)
    told = {"seed": 0, "epoch": 1, "clips": augmentations("crop")}
    whole = list(Batches(waves, targets, waves.readable, 4, LENGTH, **told))
    parts = [
        list(Batches(waves, targets, waves.readable, 4, LENGTH, rank=r, world=world, **told)) for r in range(world)
    ]
    for i, (made, tags, total) in enumerate(whole):
        for r in range(world):
            assert parts[r][i][2] == total == len(made)
            assert torch.equal(parts[r][i][0], made[r::world])
            assert torch.equal(parts[r][i][1], tags[r::world])


def test_sums_take_their_partners_from_the_clips_that_can_be_read(with_broken):
    waves = Waves(with_broken, RATE)
    targets = with_broken.truth().astype(np.float32)
    sums = augment.staged([Component(name="other_class", share=1.0)], RATE)["pair"]
    seen = set()
    for epoch in range(1, 9):
        told = {"seed": 0, "epoch": epoch, "clips": augmentations("crop"), "pairs": sums}
        for _, tags, _ in Batches(waves, targets, waves.readable, 5, LENGTH, **told):
            assert torch.allclose(tags.sum(1), torch.ones(len(tags)))
            seen |= {round(float(tag[0]), 3) for tag in tags}
    assert len(seen) > 5  # weights as targets


# Validation


@pytest.mark.parametrize("last", ["align", "pad", "drop"])
@pytest.mark.parametrize("short", ["pad", "centre", "repeat"])
@pytest.mark.parametrize("batch", [1, 4, 1000])
def test_validation_windows_are_those_of_the_whole_clips(with_broken, last, short, batch):
    windows = Windows(LENGTH / RATE, 0.04, last, short)  # a hop of 160 samples
    expected, rows = [], []
    for row in (0, 1, 3, 4, 6):
        wave = signal(row, SAMPLES[row])
        for start in starts(len(wave), LENGTH, 160, last):
            part = wave[start : start + LENGTH]
            expected.append(fit(part, LENGTH, short if len(wave) < LENGTH else "pad"))
            rows.append(row)
    for memory in (0, 10**9):
        got = list(validation_batches(Waves(with_broken, RATE, memory=memory), windows, batch))
        assert max(len(waves) for waves, _ in got) <= batch
        assert min(len(waves) for waves, _ in got) > 0
        np.testing.assert_array_equal(np.concatenate([waves for waves, _ in got]), np.stack(expected))
        assert np.concatenate([r for _, r in got]).tolist() == rows


def test_validation_of_nothing(tmp_path, with_broken):
    waves = Waves(with_broken.select([2]), RATE)
    assert list(validation_batches(waves, Windows(0.1, 0.1), 4)) == []


@pytest.mark.parametrize("last", ["align", "pad", "drop"])
def test_every_segment_comes_once_an_epoch_as_tagging_cuts_it(manifest, last):
    """Windows of 400 samples: of 1000 samples there are 3 (the third from 600 on, or padded), or 2 whole ones."""
    waves, windows = Waves(manifest, RATE), Windows(LENGTH / RATE, LENGTH / RATE, last)
    counts = segment_counts(waves, windows)
    expected = {"align": [3, 1, 1, 6, 2, 2, 3], "pad": [3, 1, 1, 6, 2, 2, 3], "drop": [2, 1, 1, 5, 1, 1, 3]}[last]
    assert counts.tolist() == expected
    rows, places = draw_segments(waves.readable, counts, None, 0, 1)
    told = {"seed": 0, "epoch": 1, "clips": augmentations("crop"), "segments": windows, "places": places}
    batches = Batches(waves, manifest.truth().astype(np.float32), rows, 4, LENGTH, **told)
    got = sorted(row.tobytes() for batch, _, _ in batches for row in batch.numpy())
    tagged = sorted(row.tobytes() for batch, _ in validation_batches(waves, windows, 5) for row in batch)
    assert got == tagged and len(got) == sum(expected)
    again, _ = draw_segments(waves.readable, counts, None, 0, 2)
    assert sorted(again.tolist()) == sorted(rows.tolist()) and again.tolist() != rows.tolist()


RESIZING = [name for name in AUGMENTATIONS.names() if AUGMENTATIONS[name].facts.get("resizes")]


@pytest.mark.parametrize("last", ["align", "pad", "drop"])
@pytest.mark.parametrize("name", RESIZING)
def test_segments_whose_length_is_changed_have_no_gap_where_the_clip_goes_on(tmp_path, name, last):
    """And lie where they would without: each clip is a ramp between half a window of next to nothing, so that values tell places."""
    arguments = {"speed": {"most": 4.0}, "trim": {"below": -20.0}}.get(name, {})
    length, quiet = 10 * LENGTH, LENGTH // 2
    for clip, samples in enumerate((10 * LENGTH, 10 * LENGTH + 150, 4 * LENGTH)):
        wave = np.full(samples, 1e-4, np.float32)
        wave[quiet:-quiet] = np.linspace(0.4, 0.8, samples - 2 * quiet)
        soundfile.write(tmp_path / f"{clip}.wav", wave, RATE, "FLOAT")
    clips = of_files(tmp_path, [f"{clip}.wav" for clip in range(3)])
    waves, windows = Waves(clips, RATE), Windows(LENGTH / RATE, LENGTH / RATE, last)
    rows, places = draw_segments(waves.readable, segment_counts(waves, windows), None, 0, 1)
    used = augment.staged([Component(name=name, **arguments), Component(name="crop")], RATE)["clip"]
    told = {"seed": 0, "epoch": 1, "clips": used, "segments": windows, "places": places}
    batches = Batches(waves, clips.truth().astype(np.float32), rows, 4, LENGTH, **told)
    got = torch.cat([batch for batch, _, _ in batches]).numpy()
    assert len(got) == len(rows) and (got != 0).mean() > 0.999
    for row, place, window in zip(rows, places, got, strict=True):
        if row == 0 and 2 <= place <= 7:
            middle = 0.4 + 0.4 * ((place + 0.5) * LENGTH - quiet) / (length - 2 * quiet)
            assert abs(float(np.median(window)) - middle) < 0.04  # a window is 0.044 long
    shortest = Batches(waves, clips.truth().astype(np.float32), rows, 4, 5 * LENGTH, **told | {"places": places * 0})
    assert all(batch.shape[1] == 5 * LENGTH for batch, _, _ in shortest)  # longer than a clip: padded, as tagging does


def test_fewer_segments_an_epoch_go_on_in_the_next(manifest):
    readable, counts = np.array([0, 3]), np.array([3, 6])
    parts = [np.stack(draw_segments(readable, counts, 3, 0, epoch), 1) for epoch in (1, 2, 3)]
    assert sorted(map(tuple, np.concatenate(parts).tolist())) == [
        *((0, i) for i in range(3)),
        *((3, i) for i in range(6)),
    ]
