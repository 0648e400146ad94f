"""YAMNet's layout: a small net against NumPy in the file's own order, the whole one against its interpreter, and others."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tests.tflites import FRAMES, Writer, tiny

from earmark.errors import EarmarkError, ManifestError, RecipeError, TaggerError
from earmark.models.adopted import adopting, asked, tflite, yamnet
from earmark.models.adopted.adopting import Asked

WHERE = {"licence": "Apache-2.0", "source": "https://github.com/google-coral/coralmicro"}
SPEECH = 241 / 256  # of TensorFlow Lite's interpreter, of the file's test spectra


def adopted(net, labels, **more):
    return adopting.adopt(Asked(net, labels, **(WHERE | more)))


@pytest.mark.parametrize("strides", [(1, 2), (2, 2), (2, 1)])
def test_a_small_net_scores_as_its_layers_do_in_numpy(tmp_path, files, strides):
    made = tiny(strides=strides, widths=(5, 4, 7), seed=3)
    net = tmp_path / "other.tflite"
    net.write_bytes(made.data)
    tagger = adopted(net, files[1])
    patch = np.random.default_rng(1).normal(-2, 2, (FRAMES, 64)).astype("f4")
    with torch.inference_mode():
        told = tagger.net(torch.from_numpy(patch.T.copy())[None, None])
    assert told.embedding.shape == (1, 7)
    np.testing.assert_allclose(told.levels.sigmoid()[0, 0].numpy(), made.scores(patch), rtol=0, atol=1e-5)


def test_a_tagger_like_any_other(tmp_path, files):
    """Its tags, its windows of a patch, and whose weights it has, as its file tells them."""
    import earmark

    tagger = adopted(*files)
    tagger.save(tmp_path / "t.safetensors")
    again = earmark.load(tmp_path / "t.safetensors", engine="torch")
    assert again.vocabulary == ("Dog", "Rain, heavy", "Wind") and again.task == "many"
    assert tagger.features.frames(15_600) == FRAMES and tagger.windows.samples(16_000) == (15_600, 7_680)
    origin = again.facts.adopted
    assert origin == tagger.facts.adopted
    assert (origin.file, origin.licence, origin.weights) == ("net.tflite", "Apache-2.0", "int8 made float")
    assert (origin.sha256, origin.bytes) == (asked.digest(files[0]), files[0].stat().st_size)
    assert origin.labels_sha256 == asked.digest(files[1])
    scores = again.score_windows(np.zeros((2, 15_600), np.float32))
    assert scores.shape == (2, 3) and np.isfinite(scores).all()


@pytest.mark.parametrize(("spoilt", "told"), [
    ({"frames": 95}, "its inputs are 1 × 95 × 64, and not one of 1 × 96 × 64"),
    ({"last": "SOFTMAX"}, r"its operators are CONV_2D, DEPTHWISE_CONV_2D, CONV_2D, .* SOFTMAX, and YAMNet's are"),
    ({"padding": 1}, "padding 1, and here come steps 2, no dilation and padding SAME"),
    ({"activation": 0}, r"its activations are \[0\], and YAMNet's all RELU"),
    ({"axes": (1,)}, r"its MEAN is over axes \[1\], and YAMNet's over 1 and 2"),
    ({"strides": (3, 1)}, r"a DEPTHWISE_CONV_2D has steps \(3, 3\)"),
    ({"widths": (4,), "strides": ()}, "its operators are CONV_2D, MEAN, FULLY_CONNECTED, LOGISTIC"),
    ({"widths": (4,) * 8, "strides": (2,) * 7}, "leave nothing of 96 frames"),
])  # fmt: skip
def test_another_net_is_refused_with_what_was_found(spoilt, told):
    with pytest.raises(TaggerError, match=told) as refused:
        yamnet.recognise(tflite.read(tiny(**spoilt).data, "x.tflite"))
    assert "Known: YAMNet in TensorFlow Lite" in str(refused.value)


def test_a_net_that_is_no_chain_is_refused():
    """An operator that takes what came before the last one."""
    writer = Writer()
    first = writer.tensor("patch", [1, FRAMES, 64], "float32")
    one, two = (writer.tensor(name, [1, FRAMES, 64], "int8") for name in ("one", "two"))
    last = writer.tensor("last", [1, 3], "float32")
    for inputs, output in (([first], one), ([first], two), ([two], last)):
        writer.operator("QUANTIZE", inputs, output)
    with pytest.raises(TaggerError, match="operator 2, QUANTIZE, takes 1 computed tensor"):
        yamnet.recognise(tflite.read(writer.file(first, last), "x.tflite"))


@pytest.mark.parametrize(("rows", "told"), [
    (["0,/m/1,Dog", "1,/m/2,Wind"], "names 2 tags, and the net has 3: it is of another net"),
    (["0,/m/1,Dog", "2,/m/2,Wind", "1,/m/3,Rain"], "line 3 has index 2, and 1 comes here"),
    (["0,/m/1,Dog", "1,/m/2,Wind", "2,/m/3,Dog"], "line 4 names Dog again, after line 2"),
    (["0,/m/1,Dog", "1,/m/2,", "2,/m/3,Rain"], "line 3 names nothing"),
])  # fmt: skip
def test_labels_that_do_not_fit_are_refused(files, rows, told):
    files[1].write_text("\n".join(["index,mid,display_name", *rows]) + "\n")
    with pytest.raises(ManifestError, match=told):
        adopted(*files)


@pytest.mark.parametrize("empty", ["licence", "source"])
def test_licence_and_origin_are_asked_for(files, empty):
    with pytest.raises(EarmarkError, match="is empty: say what the weights may be used for"):
        adopted(*files, **{empty: " "})


def test_a_net_too_wide_is_refused_before_it_is_built(files, monkeypatch):
    from earmark.models import size

    monkeypatch.setattr(size, "PARAMETERS", 100)
    with pytest.raises(RecipeError, match="more than 100 parameters"):
        adopted(*files)


@pytest.fixture(scope="module")
def whole(yamnet):
    return adopted(yamnet / "yamnet_spectra_in.tflite", yamnet / "yamnet_class_map.csv")


def spectra(yamnet) -> torch.Tensor:
    """(1, 1, bands, frames): the file's own test patch."""
    patch = np.fromfile(yamnet / "yamnet_test_spectra.bin", "<f4").reshape(FRAMES, 64)
    return torch.from_numpy(patch.T.copy())[None, None]


def test_yamnet_has_the_published_number_of_parameters(whole):
    assert sum(each.numel() for each in whole.net.parameters()) == 3_729_481
    assert len(whole.vocabulary) == 521 and whole.vocabulary[0] == "Speech"


def test_in_float_it_says_what_the_interpreter_says_but_for_int8(yamnet, whole):
    """Speech 0.9452 here, 0.9414 there, where each layer's outputs have 256 levels from 0 to 6.

    0.01 is not quite three steps of the interpreter's scores, each 1/256.
    """
    with torch.inference_mode():
        scores = whole.net(spectra(yamnet)).levels.sigmoid()[0, 0]
    assert scores.argmax() == 0
    assert scores[0].item() == pytest.approx(0.9452, abs=5e-4)
    assert scores[0].item() == pytest.approx(SPEECH, abs=0.01)


def test_with_the_file_s_rounding_it_says_the_same(yamnet, whole):
    """Each layer's outputs rounded to the file's own int8: the interpreter's score to the last of its 256 levels."""
    model, _ = tflite.load(yamnet / "yamnet_spectra_in.tflite")
    by_name: dict[str, list] = {}
    for each in model.operators:
        by_name.setdefault(each.name, []).append(each)

    def rounded(name: str, number: int = 0):
        tensor = model.tensors[by_name[name][number].outputs[0]]
        scale, zero = float(tensor.scales[0]), int(tensor.zeros[0])
        return lambda x: ((x / scale).round().add(zero).clamp(-128, 127) - zero) * scale

    net = whole.net
    hooks = [net.stem.register_forward_hook(lambda _, __, out: rounded("CONV_2D")(out))]
    for number, (depthwise, pointwise) in enumerate(zip(net.depthwise, net.pointwise, strict=True)):
        for layer, name, place in ((depthwise, "DEPTHWISE_CONV_2D", number), (pointwise, "CONV_2D", number + 1)):
            hooks.append(layer.register_forward_hook(lambda _, __, out, name=name, at=place: rounded(name, at)(out)))
    hooks.append(net.head.register_forward_pre_hook(lambda _, given: (rounded("MEAN")(given[0]),)))
    hooks.append(net.head.register_forward_hook(lambda _, __, out: rounded("FULLY_CONNECTED")(out)))
    try:
        with torch.inference_mode():
            scores = net(rounded("QUANTIZE")(spectra(yamnet))).levels.sigmoid()[0, 0]
    finally:
        for hook in hooks:
            hook.remove()
    assert (scores * 256).round()[0].item() == SPEECH * 256


def test_its_own_recording_is_speech(yamnet, whole):
    """The test patch's recording through earmark's own log-mel, which leaves out Coral's offset."""
    wave = np.fromfile(yamnet / "yamnet_test_audio.bin", "<i2").astype(np.float32) / 32768
    scores = whole.score_windows(wave[None])[0]
    assert whole.vocabulary[int(scores.argmax())] == "Speech" and scores.max() > 0.9
    maps = whole.features(torch.from_numpy(wave)[None])[0, 0]
    assert maps.shape == (64, FRAMES)
    theirs = spectra(yamnet)[0, 0]
    slope, offset = np.polyfit(maps.flatten().numpy(), theirs.flatten().numpy(), 1)
    assert slope == pytest.approx(0.991, abs=0.01) and offset == pytest.approx(1.40, abs=0.05)
