"""Explanations: filters made to listen for known pitches are found to, attention and gates are the net's own."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile
import torch
from tests.program import earmark

from earmark.engines.features.mel import hz_to_mel
from earmark.errors import AudioError, EarmarkError, TaggerError
from earmark.models import tagger as taggers
from earmark.recipe import parse
from earmark.report.explain import Explanation, drawing, filters, moments, select, stage
from earmark.report.explain.gates import blocks, opened
from earmark.report.explain.layers import activations, raw_layers, samples_for

RATE = 8000
LOGMEL = {"name": "logmel", "window": 0.032, "hop": 0.016, "bands": 32}
NETS = {
    "samplecnn": {"sizes": [3, 3, 3, 2], "widths": [8, 8, 8, 8], "hidden": 8},
    "rese2multi": {"sizes": [3, 3, 3, 2], "widths": [8, 8, 8, 8], "se_ratio": 0.5},
    "convnet1d": {"widths": [4, 8, 8, 8], "blocks": [1, 1, 1, 1]},
    "cnnaudio": {"widths": [8, 8, 8, 8], "hidden": 8, "pools": [4, 4, 4, 4]},
    "rawresnet": {"widths": [4, 4, 8, 32], "blocks": [1, 1, 1, 1], "map_widths": [4, 8], "map_blocks": [1, 1], "hidden": 8},
    "cnncomb": {"audio_widths": [4, 4, 4, 4], "audio_pools": [4, 4, 4, 4], "widths": [4, 4], "kernels": [3, 3],
                "band_pools": [2, 2], "frame_pools": [2, 2], "hidden": [8]},
    "resnet_b_att": {"widths": [4, 4], "blocks": [1, 1]},
    "resnet_b": {"widths": [4, 4], "blocks": [1, 1]},
    "cnnspec": {"widths": [4, 4], "kernels": [3, 3], "band_pools": [2, 2], "frame_pools": [2, 2], "hidden": 8},
}  # fmt: skip


def build(
    name: str, task: str = "many", length: float = 1.0, seed: int = 0, short: str = "pad", **arguments
) -> taggers.Tagger:
    """An untrained tagger of three tags whose batch norms and biases are not at their start."""
    raw = {
        "task": task, "sample_rate": RATE, "data": {"dataset": "folder"}, "windows": {"length": length, "hop": length / 2, "short": short},
        "net": {"name": name, **{**NETS[name], **arguments}}, "augment": ["crop"], "train": {"epochs": 1},
    }  # fmt: skip
    if name in ("resnet_b_att", "resnet_b", "cnnspec", "cnncomb"):
        raw["features"] = LOGMEL
    torch.manual_seed(seed)
    tagger = taggers.build(parse(raw), ("low", "middle", "high"))
    with torch.no_grad():
        for part in tagger.modules():
            if isinstance(part, torch.nn.BatchNorm1d | torch.nn.BatchNorm2d):
                part.running_mean.uniform_(-0.05, 0.05)
                part.running_var.uniform_(0.5, 2)
    return tagger.eval()


@pytest.fixture(scope="module")
def sounds():
    """(90, samples) tones of three pitches in noise, and their tags."""
    generator = np.random.default_rng(0)
    tags = np.arange(90) % 3
    pitches = np.array([300, 1000, 2700])[tags] * generator.uniform(0.95, 1.05, 90)
    t = np.arange(2187) / RATE
    waves = 0.3 * np.sin(2 * np.pi * pitches[:, None] * t + generator.uniform(0, 6, (90, 1)))
    return (waves + generator.normal(0, 0.05, waves.shape)).astype(np.float32), tags


def learn(tagger: taggers.Tagger, waves: torch.Tensor, tags: torch.Tensor) -> None:
    """waves (n, samples), tags (n,): 40 steps on all of them."""
    optimiser = torch.optim.Adam(tagger.train().parameters(), 1e-2)
    for _ in range(40):
        loss = torch.nn.functional.cross_entropy(tagger(waves).levels[:, 0], tags)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    tagger.eval()


@pytest.fixture(scope="module")
def trained(sounds):
    """A SampleCNN that tells the pitches apart."""
    waves, tags = torch.from_numpy(sounds[0]), torch.from_numpy(sounds[1])
    tagger = build("samplecnn", "one", 2187 / RATE, dropout=0.0, momentum=0.1)
    learn(tagger, waves, tags)
    assert (tagger.score(sounds[0]).argmax(1) == sounds[1]).mean() > 0.95
    return tagger


def test_filters_of_known_pitch_get_it_back():
    """Kernels that are sines: the centre frequencies are theirs, of the kernels and of what excites them."""
    pitches = np.array([2500.0, 300.0, 3400.0, 1200.0, 700.0, 1800.0, 3000.0, 150.0])
    tagger = build("cnnaudio", kernels=[512, 9, 9, 9])
    t = np.arange(512) / RATE
    kernels = np.sin(2 * np.pi * pitches[:, None] * t + 1) * np.hanning(512)
    first = raw_layers(tagger)[0]
    with torch.no_grad():
        conv = tagger.net.get_submodule(first.name)
        conv.weight.copy_(torch.from_numpy(kernels / 50).float().reshape(conv.weight.shape))
    one_bin = RATE / filters.SAMPLES
    assert np.abs(filters.responses(tagger, first)[2] - pitches).max() <= RATE / filters.RESPONSE
    found = filters.maximise(tagger, first)
    assert np.abs(found.centres - pitches).max() <= one_bin


def test_what_is_found_excites_more_than_noise_and_made_sounds(trained, sounds):
    """At one level. The sounds are nearly pure tones, which a filter of the first layers can hardly hear better."""
    for layer in raw_layers(trained):
        found = filters.maximise(trained, layer, recordings=list(sounds[0]))
        assert found.waves.shape[1] == filters.SAMPLES
        np.testing.assert_allclose(np.sqrt(np.square(found.waves).mean(1)), filters.LEVEL, rtol=1e-4)
        np.testing.assert_allclose(found.waves.mean(1), 0, atol=1e-6)
        alive = found.after > 1e-3  # else nothing rouses it
        assert alive.mean() >= 0.8
        assert (found.after > found.before)[alive].all()
        ratio = found.after[alive] / np.maximum(found.by_recordings[alive], 1e-6)
        assert ratio.min() > 0.95 and np.median(ratio) > 1.05


@pytest.mark.slow
def test_what_is_found_excites_more_than_real_clips(data):
    """A SampleCNN that has learnt spoken digits for a moment, against clips of all speakers and digits."""
    files = sorted((data / "fsdd" / "recordings").glob("*_7.flac"))
    clips = [soundfile.read(file, dtype="float32")[0] for file in files]
    waves = torch.from_numpy(np.stack([np.resize(clip, 2187) for clip in clips]))
    tags = torch.tensor([int(file.name[0]) % 3 for file in files])
    tagger = build("samplecnn", "one", 2187 / RATE, dropout=0.0, momentum=0.1)
    learn(tagger, waves, tags)
    ratios = []
    for layer in raw_layers(tagger):
        found = filters.maximise(tagger, layer, recordings=clips)
        alive = found.after > 1e-3
        assert alive.mean() >= 0.8
        assert (found.after > found.before)[alive].all()
        ratios.append(found.after[alive] / np.maximum(found.by_recordings[alive], 1e-6))
        assert ratios[-1].min() > 0.95 and np.median(ratios[-1]) > 1.05
    # an ascent ends at a maximum near its noise, and which filters were learnt hangs on the rounding of a training: the
    # documentation says nine in ten
    assert (np.concatenate(ratios) > 1).mean() > 0.9


def test_noises_are_of_one_level_and_many_colours():
    found = filters.noises(729, torch.Generator().manual_seed(0)).numpy()
    assert found.shape == (filters.NOISES, 729)
    np.testing.assert_allclose(np.sqrt(np.square(found).mean(1)), filters.LEVEL, rtol=1e-4)
    hz = filters.frequencies(RATE)
    middles = hz[filters.power_of(found).argmax(1)]
    assert middles.min() < 300 and middles.max() > 2500 and len(set(middles.tolist())) > 30


def test_pieces_are_spread_over_recordings_and_silence_is_left_out():
    ramp = np.arange(10, dtype=np.float32)
    cut = filters.pieces([ramp, np.zeros(50, np.float32), ramp[:2] + 1], 4)
    assert [row.tolist() for row in cut[:2]] == [[0, 1, 2, 3], [1, 2, 3, 4]]
    assert cut[6].tolist() == [6, 7, 8, 9] and cut[7].tolist() == [1, 2, 0, 0] and len(cut) == 8
    assert filters.pieces([], 4).shape == (0, 4)


def test_the_picture_is_sorted_by_centre_frequency(trained):
    found = filters.maximise(trained, raw_layers(trained)[2], steps=5)
    hz = filters.frequencies(RATE)
    (image,) = drawing.spectra(found.power, hz, found.centres, "filters").axes[0].images
    drawn = hz[np.asarray(image.get_array()).argmax(0)]
    assert (np.diff(drawn) >= 0).all() and len(set(drawn)) > 3
    np.testing.assert_array_equal(drawn, np.sort(found.centres))


def test_the_seed_decides(trained):
    layer = raw_layers(trained)[1]
    one, two, other = (filters.maximise(trained, layer, steps=3, seed=seed).waves for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, two)
    assert np.abs(one - other).max() > 0.01
    fewer = filters.maximise(trained, layer, most=2, steps=0, seed=1)
    assert fewer.chosen.tolist() == [0, 4]
    np.testing.assert_array_equal(fewer.waves, filters.maximise(trained, layer, steps=0, seed=1).waves[[0, 4]])


def test_the_spectrum_of_a_tone_peaks_at_it():
    t = np.arange(3 * filters.SAMPLES) / RATE
    waves = np.stack([np.sin(2 * np.pi * pitch * t) for pitch in (440, 3100)]).astype(np.float32)
    hz = filters.frequencies(RATE)
    assert np.abs(hz[filters.power_of(waves).argmax(1)] - [440, 3100]).max() <= RATE / filters.SAMPLES / 2


def test_the_mel_curve_is_even_in_mel():
    curve = filters.mel_curve(40, RATE)
    np.testing.assert_allclose(np.diff(hz_to_mel(curve)), hz_to_mel(np.array(RATE / 2)) / 40)
    assert filters.mel_distance(curve[::-1], curve, RATE) == pytest.approx(0, abs=1e-12)
    assert filters.mel_distance(np.zeros(40), curve, RATE) == pytest.approx(0.5)  # the mean of the curve's mels


@pytest.mark.parametrize(
    ("name", "count", "first"),
    [
        ("samplecnn", 5, "stem.0"), ("rese2multi", 9, "stem.0"), ("convnet1d", 9, "stem"), ("cnnaudio", 4, "branch.stages.0.0"),
        ("rawresnet", 9, "waves_trunk.stem"), ("cnncomb", 4, "audio.stages.0.0"), ("cnnspec", 0, ""), ("resnet_b_att", 0, ""),
    ],
)  # fmt: skip
def test_the_raw_layers_are_found(name, count, first):
    tagger = build(name)
    layers = raw_layers(tagger)
    assert [layer.number for layer in layers] == list(range(1, count + 1))
    assert not layers or layers[0].name == first
    for layer in layers:
        assert layer.kernel > 1
        wave = torch.randn(2, samples_for(tagger, layer))
        assert activations(tagger, layer, wave).shape == (2, layer.filters)
    assert all(parameter.requires_grad for parameter in tagger.net.parameters())


def test_an_activation_is_what_the_layers_say_one_after_the_other():
    tagger = build("samplecnn")
    wave = torch.randn(3, 2187)
    net = tagger.net
    with torch.no_grad():
        stem = net.stem(wave[:, None, None])
        block = net.blocks[0][1](net.blocks[0][0](stem)).relu().mean((2, 3))
    first, second = raw_layers(tagger)[:2]
    torch.testing.assert_close(activations(tagger, first, wave), stem.mean((2, 3)))
    torch.testing.assert_close(activations(tagger, second, wave), block)
    assert (first.ends, second.ends) == ("stem.1", "blocks.0.1")


def test_the_papers_lengths():
    """Paper 001: of 729 samples the sixth layer leaves one step; later ones need more."""
    tagger = build("samplecnn", length=6.0, sizes=[3] * 8, widths=[2] * 8)
    assert [samples_for(tagger, layer) for layer in raw_layers(tagger)] == [729] * 6 + [2187, 6561, 19683]
    assert tagger.net.shortest == 19683
    with pytest.raises(ValueError, match="too few"):
        tagger(torch.zeros(1, 729))


def test_gates_are_what_the_excitation_multiplies_by():
    tagger = build("rese2multi")
    waves = np.random.default_rng(0).normal(0, 0.1, (3, RATE)).astype(np.float32)
    ratios: dict[str, list[torch.Tensor]] = {name: [] for name in blocks(tagger)}
    for name, held in ratios.items():
        tagger.net.get_submodule(name).register_forward_hook(lambda m, i, o, held=held: held.append(o / i[0]))
    found = opened(tagger, waves)
    assert list(found) == [f"blocks.{n}.excitation" for n in range(4)]
    for name, gate in found.items():
        assert gate.shape == (8,) and len(ratios[name]) == 3
        expected = torch.cat(ratios[name]).nanmedian(-1).values.nanmedian(-1).values.mean(0)
        np.testing.assert_allclose(gate, expected.numpy(), rtol=1e-4)


def windows(seconds: float = 2.5, seed: int = 0):
    wave = np.random.default_rng(seed).normal(0, 0.1, round(seconds * RATE)).astype(np.float32)
    return moments.Passage(0.0, wave, True)


def test_attention_sums_to_one_and_makes_the_score():
    """Σ over time of weight × the moment's probability is the probability of the clip."""
    tagger = build("resnet_b_att")
    cuts, starts = moments.cut(windows(), tagger)
    assert starts.tolist() == [0, 1, 1.5]  # the last ends with the recording
    heard = moments.hear(tagger, cuts, starts)
    for one, wave in zip(heard, cuts, strict=True):
        (track,) = one.attention
        np.testing.assert_allclose(track.values.sum(0), 1, atol=1e-5)
        np.testing.assert_allclose((track.values * one.frames.values).sum(0), one.scores, atol=1e-5)
        np.testing.assert_allclose(one.scores, tagger.score(wave[None])[0], atol=1e-6)
        np.testing.assert_allclose(track.edges - one.start, tagger.frame_edges)
        assert np.ptp(track.values) > 0


def test_a_short_recording_lies_where_its_window_puts_it():
    tagger = build("resnet_b_att", short="centre")
    cuts, starts = moments.cut(windows(0.4), tagger)
    assert starts.tolist() == [-0.3]
    heard = moments.hear(tagger, cuts, starts)
    np.testing.assert_array_equal(cuts[0, 2400:5600], windows(0.4).wave)
    assert heard[0].attention[0].edges[[0, -1]] == pytest.approx([-0.3, 0.7])
    figure = stage.draw(windows(0.4), heard, tagger.vocabulary, RATE, "short")
    for axes in figure.axes[1:]:
        for patch in axes.patches:
            assert patch.get_data().edges[[0, -1]] == pytest.approx([0, 0.4])


def test_every_level_has_its_attention_on_its_own_grid():
    tagger = build("rawresnet", map_widths=[4, 4, 4], map_blocks=[1, 1, 1])
    (one,) = moments.hear(tagger, windows(1.0).wave[None], np.zeros(1))
    assert [track.name for track in one.attention] == [
        "level 1, on the map", "level 1, hidden", "level 2, on the map", "level 2, hidden",
    ]  # fmt: skip
    for track in one.attention:
        np.testing.assert_allclose(track.values.sum(0), 1, atol=1e-5)
        assert len(track.edges) == len(track.values) + 1
        assert (track.edges[0], track.edges[-1]) == (0, 1) and (np.diff(track.edges) > 0).all()
    fine, coarse = one.attention[0], one.attention[2]
    # 64 samples an element of the map, of which the second stage has an eighth, the third a sixteenth
    np.testing.assert_allclose(np.diff(fine.edges)[1:-1], 512 / RATE)
    np.testing.assert_allclose(np.diff(coarse.edges)[1:-1], 1024 / RATE)
    np.testing.assert_allclose(one.levels.mean(0), one.scores, atol=1e-6)


def test_a_long_recording_is_explained_in_part(tmp_path):
    tagger = build("resnet_b_att")
    path = tmp_path / "long.wav"
    soundfile.write(path, np.repeat(np.arange(70) / 100, RATE), RATE, subtype="FLOAT")
    heard = moments.listen(str(path), tagger, 2.0)
    assert len(heard.wave) == moments.MOST * RATE and not heard.whole
    assert heard.wave[[0, -1]].tolist() == pytest.approx([0.02, 0.25])
    assert moments.listen(str(path), tagger, 60.0).whole
    with pytest.raises(AudioError, match=r"is 70\.00 s long: nothing is left from 80 s on"):
        moments.listen(str(path), tagger, 80.0)


def test_a_recording_with_a_long_name(tmp_path):
    """A file system takes 255 bytes: with the number and `.png` around it, this name would be too long."""
    path = tmp_path / ("ö" * 120 + ".wav")
    soundfile.write(path, np.random.default_rng(0).normal(0, 0.1, RATE), RATE)
    found = Explanation(build("resnet_b_att"), tmp_path / "out")
    found.add_recording(path)
    found.close()
    assert [each.name[:11] for each in (tmp_path / "out").glob("*.png")] == ["moments-01-"]


def test_layers_are_chosen_by_number_range_and_name():
    layers = raw_layers(build("samplecnn"))
    assert [layer.number for layer in select(layers, ["2-3", "stem.0"])] == [1, 2, 3]
    assert select(layers, None) == layers
    for wrong in ("0", "6", "4-9", "3-2", "stem.9"):
        with pytest.raises(EarmarkError, match=rf"no layer {wrong}.*There are 1 \(stem\.0\), 2 \(blocks\.0\.0\)"):
            select(layers, [wrong])


def test_an_ensemble_has_no_layers(tmp_path):
    from earmark.models.ensemble import Ensemble

    with pytest.raises(TaggerError, match="an ensemble of 2 taggers has no net of its own"):
        Explanation(Ensemble([build("convnet1d"), build("convnet1d", seed=1)]), tmp_path)


def test_a_recording_that_is_not_there_is_said_of_every_net(tmp_path):
    """Of one that shows nothing of recordings, too."""
    told = earmark("explain", "esc10", tmp_path / "none.wav", "--out", tmp_path / "out")
    assert told.returncode == 1 and "none.wav: does not exist" in told.stderr
