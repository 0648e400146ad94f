"""Any ONNX file as a box: against its layers in NumPy, against the tagger that was exported, and what is refused."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from tests.adopt.onnxes import SAMPLES, TAGS, Made, changed, made
from tests.small import tagger as small

import earmark
from earmark.engines import features, sessions, splitting
from earmark.errors import EarmarkError, ManifestError, TaggerError
from earmark.models import export
from earmark.models.adopted import onnxbox
from earmark.models.adopted.asked import Asked
from earmark.models.adopted.onnxbox import Told

WAVES = Told(sample_rate=16_000, length="0.1", scores="scores", embedding="embedding", values="probabilities")
HEARS = "audioset-yamnet"  # the recipe of features for maps: 96 frames of 64 bands
MAPS = Told(input=HEARS, scores="scores", values="probabilities")


@pytest.fixture
def adopt(tmp_path):
    labels = tmp_path / "names.csv"
    labels.write_text("name\nDog\nRain\nWind\n")

    def adopted(net: Made | bytes, told: Told = WAVES, **more):
        file = tmp_path / "net.onnx"
        file.write_bytes(net.data if isinstance(net, Made) else net)
        asked = Asked(file, labels, **({"licence": "MIT", "source": "made up"} | more))
        return onnxbox.adopt(asked, told)

    return adopted


def noise(count: int, samples: int = SAMPLES, seed: int = 5) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 0.2, (count, samples)).astype("f4")


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
@pytest.mark.parametrize("batch", ["n", 1])
def test_it_scores_as_its_layers_do_in_numpy(adopt, tmp_path, engine, batch):
    if engine not in sessions.installed():
        pytest.skip(f"{engine} is not installed here")
    net = made(batch=batch)
    adopt(net).save(tmp_path / "t.safetensors")
    tagger = earmark.load(tmp_path / "t.safetensors", engine=engine)
    waves = noise(7)
    np.testing.assert_allclose(tagger.score_windows(waves), net.scores(waves), rtol=0, atol=1e-6)
    np.testing.assert_allclose(tagger.embed_windows(waves), net.embedding(waves), rtol=0, atol=1e-5)
    assert tagger.vocabulary == ("Dog", "Rain", "Wind") and tagger.task == "many"
    assert tagger.windows.samples(16_000) == (SAMPLES, SAMPLES)


@pytest.mark.parametrize(("sides", "layout"), [
    ((SAMPLES,), "windows samples"), ((1, SAMPLES), "windows 1 samples"), ((SAMPLES, 1), "windows samples 1"),
    (("time",), "windows samples"),
])  # fmt: skip
def test_axes_of_waves(adopt, sides, layout):
    net = made(*(SAMPLES if side == "time" else side for side in sides))
    if "time" in sides:
        net.data = changed(
            net.data, lambda m: setattr(m.graph.input[0].type.tensor_type.shape.dim[1], "dim_param", "t")
        )
    tagger = adopt(net)
    assert tagger.recipe.net.arguments["layout"] == layout
    np.testing.assert_allclose(tagger.score_windows(noise(2)), net.scores(noise(2)), rtol=0, atol=1e-6)


def test_one_wave_without_an_axis_of_windows(adopt):
    net = made()

    def alone(model):
        del model.graph.input[0].type.tensor_type.shape.dim[0]

    tagger = adopt(changed(net.data, alone))
    assert tagger.recipe.net.arguments["layout"] == "samples" and tagger.recipe.net.arguments["several"] is False
    np.testing.assert_allclose(tagger.score_windows(noise(3)), net.scores(noise(3)), rtol=0, atol=1e-6)


@pytest.mark.parametrize(("sides", "order"), [
    ((1, 64, 96), None), ((64, 96), None), ((96, 64), (0, 2, 1)), ((1, 96, 64), (0, 1, 3, 2)), ((96, 64, 1), (0, 3, 2, 1)),
    ((64, 96, 1), (0, 3, 1, 2)),
])  # fmt: skip
def test_maps_are_those_of_the_recipe_in_the_net_s_own_order(adopt, sides, order):
    net = made(*sides, order=order)
    tagger = adopt(net, MAPS)
    waves = noise(2, 15_600)
    maps = features.build(tagger.recipe)(waves).reshape(2, -1)
    assert tagger.features.frames(15_600) == 96
    np.testing.assert_allclose(tagger.score_windows(waves), net.scores(maps), rtol=0, atol=1e-5)


def test_overlapping_windows_and_recordings(adopt, tmp_path):
    """A recording of two windows and a half, through everything that stands before a net."""
    tagger = adopt(made(1, 64, 96), replace(MAPS, hop="0.48"))
    wave = noise(1, 15_600 + 2 * 7_680)[0]
    apart = tagger.score_windows(np.stack([wave[k * 7_680 : k * 7_680 + 15_600] for k in range(3)]))
    np.testing.assert_allclose(tagger.score_overlapping(wave, 7_680, 3), apart, rtol=0, atol=1e-6)


def test_logits_become_probabilities_by_the_task(adopt):
    waves = noise(4)
    for task, last in (("many", "Sigmoid"), ("one", "Softmax")):
        net = made(last="Identity")
        tagger = adopt(net, replace(WAVES, values="logits", task=task))
        np.testing.assert_allclose(tagger.score_windows(waves), net.scores(waves, last), rtol=0, atol=1e-6)
    assert adopt(made(last="Softmax")).task == "one"


def test_its_file_tells_what_it_is_and_holds_the_weights_once(adopt, tmp_path):
    from safetensors import safe_open

    net = made()
    tagger = adopt(net)
    tagger.save(tmp_path / "t.safetensors")
    with safe_open(tmp_path / "t.safetensors", "np") as file:
        assert sorted(file.keys()) == ["box.first"]  # the second, of 96 bytes, is in the graph
        np.testing.assert_array_equal(file.get_tensor("box.first"), net.first)
    again = earmark.load(tmp_path / "t.safetensors")
    assert again.identity() == tagger.identity() and again.facts.adopted == tagger.facts.adopted
    origin = again.facts.adopted
    assert (origin.layout, origin.licence, origin.weights) == ("a graph in ONNX", "MIT", "float32 as they are")
    again.save(tmp_path / "u.safetensors")
    assert (tmp_path / "u.safetensors").read_bytes() == (tmp_path / "t.safetensors").read_bytes()
    other = adopt(made(seed=1))
    assert other.identity() != tagger.identity()


def test_pytorch_is_refused_in_words_of_its_own(adopt, tmp_path):
    adopt(made()).save(tmp_path / "t.safetensors")
    with pytest.raises(TaggerError, match="no net of PyTorch stands behind it"):
        earmark.load(tmp_path / "t.safetensors", engine="torch")
    with pytest.raises(TaggerError, match="no net of PyTorch stands behind it"):
        earmark.load(tmp_path / "t.safetensors", precision="int8")
    with pytest.raises(TaggerError, match="no net of PyTorch stands behind it"):
        _ = earmark.load(tmp_path / "t.safetensors").alone


def test_without_an_embedding_none_is_made_up(adopt):
    tagger = adopt(made(), replace(WAVES, embedding=None))
    assert tagger.score_windows(noise(1)).shape == (1, TAGS)
    with pytest.raises(
        TaggerError, match="no embedding that is known: adopt its ONNX file again, and say with --embedding"
    ):
        tagger.embed_windows(noise(1))


def test_an_ensemble_of_boxes(adopt, tmp_path):
    from earmark.models.ensemble import Ensemble

    nets = [made(seed=seed) for seed in (1, 2)]
    both = Ensemble([adopt(net) for net in nets], "arithmetic", [1, 1])
    both.save(tmp_path / "both.safetensors")
    loaded = earmark.load(tmp_path / "both.safetensors")
    waves = noise(2)
    told = np.mean([net.scores(waves) for net in nets], 0)
    got = np.mean([member.score_windows(waves) for member in loaded.members], 0)
    np.testing.assert_allclose(got, told, rtol=0, atol=1e-6)


def test_the_verb_puts_boxes_together(adopt, tmp_path):
    from earmark.train.ensembles import join

    for seed in (1, 2):
        adopt(made(seed=seed)).save(tmp_path / f"{seed}.safetensors")
    told = join([tmp_path / "1.safetensors", tmp_path / "2.safetensors"], "arithmetic", [1, 1])
    np.testing.assert_allclose(
        told.tagger.score_windows(noise(2)),
        (made(seed=1).scores(noise(2)) + made(seed=2).scores(noise(2))) / 2,
        atol=1e-6,
    )


def described(**own):
    """A net with what `earmark export` writes beside a graph."""

    def put(model):
        for key, value in own.items():
            model.metadata_props.add(key=f"earmark.{key}", value=value)

    return changed(made().data, put)


def nan(model):
    model.graph.node.insert(len(model.graph.node) - 1, helper.make_node("Sub", ["pre", "pre"], ["zero"]))
    model.graph.node.insert(len(model.graph.node) - 1, helper.make_node("Div", ["zero", "zero"], ["nan"]))
    model.graph.node[-1].input[0] = "nan"


def deaf(model):
    model.graph.node.insert(len(model.graph.node) - 1, helper.make_node("Sub", ["pre", "pre"], ["zero"]))
    model.graph.node[-1].input[0] = "zero"


CHANCE = helper.make_node("RandomNormalLike", ["pre"], ["chance"])
MEAN = helper.make_node("ReduceMean", ["pre"], ["of_all"], axes=[0], keepdims=1)
WIDER = helper.make_node("Sub", ["pre", "of_all"], ["apart"])


@pytest.mark.parametrize(("net", "told", "words"), [
    (made(), replace(WAVES, values=None), r"say --logits or --probabilities: on noise its scores go from 0\.\d+ to 0\.\d+"),
    (made(last="Identity"), WAVES, r"--probabilities: on noise its scores go from -\d\S* to \d\S*: take --logits"),
    (made(), replace(WAVES, task="one"), r"--task one: its scores of a window add up to \d\.\d+, and not to 1"),
    (made(last="Identity"), replace(WAVES, values="logits"), "say --task one or --task many"),
    (made(last="Softmax"), replace(WAVES, values="logits", task="one"), "add up to 1: these are probabilities: take --probabilities"),
    *(
        (net, replace(told, values="logits", task=task), r"--logits: of 19 sounds, .* lie from 0\S* to \S+, so between 0 and 1: .*: take "
         "--probabilities")
        for net, told in ((made(), WAVES), (made(batch=1), WAVES), (made(64, 96), MAPS)) for task in ("one", "many")
    ),
    *(
        (changed(made(last=last).data, deaf), replace(WAVES, values=values, task="many"), "its scores are the same of 19 sounds")
        for last, values in (("Identity", "logits"), ("Sigmoid", "logits"), ("Sigmoid", "probabilities"))
    ),
    (described(sample_rate="44100"), WAVES, "--sample-rate: is 16000 here, and the file says 44100 of itself"),
    (described(task="one"), WAVES, "--task: is many here, and the file says one of itself"),
    (described(tags='["Dog", "Wind", "Rain"]'), WAVES, "--labels: names 'Rain' for score 2, which the file .* calls 'Wind'"),
    (described(tags="nonsense"), WAVES, "what it tells of its tags cannot be read"),
    (made(), replace(WAVES, scores=None), r"say with --scores which of its outputs are .* scores \(n × 3\), embedding \(n × 8\)"),
    (made(), replace(WAVES, embedding="vector"), r"--embedding vector: it has no such output, but scores"),
    (made(), replace(WAVES, length="0.2"), r"its input heard is n × 1600, and windows of 0.2 s are 3,200 samples: look at"),
    (made(), replace(WAVES, sample_rate=None), "--sample-rate is missing: the Hz"),
    (made(), replace(WAVES, length=None), "--window is missing: the seconds"),
    (made(batch=4), WAVES, "it takes 4 windows at a time: export it for one, or for any number"),
    (made(64, 96), replace(MAPS, sample_rate=8000), "--sample-rate 8000: the features of audioset-yamnet are of 16000 Hz"),
    (made(64, 95), MAPS, "are 64 bands by 96 frames: look at"),
    (made(64, 96), replace(MAPS, input="esc10-samplecnn"), "that recipe has no features: take --input waves"),
    (made(nodes=(CHANCE,), head="chance"), WAVES, "others when it is run again: it draws by chance"),
    (made(nodes=(MEAN, WIDER), head="apart"), WAVES, "depend on the others in the batch, by .*: export it for inference"),
    (made(kind=TensorProto.INT64), WAVES, r"ONNX Runtime cannot take it"),
    (made(inputs=(helper.make_tensor_value_info("state", TensorProto.FLOAT, [1]),)), WAVES, "it has 2 inputs, heard"),
    (changed(made().data, nan), WAVES, "its scores of noise are not all numbers"),
    (b"", WAVES, "its graph is empty"),
    (b"not a model at all", WAVES, "is no ONNX file, or damaged"),
    (made().data[:-40], WAVES, "is no ONNX file, or damaged"),
])  # fmt: skip
def test_what_does_not_do_what_was_told_is_refused(adopt, net, told, words):
    with pytest.raises(EarmarkError, match=words):
        adopt(net, told)


def loop(model):
    inner = helper.make_graph([helper.make_node("Identity", ["c"], ["d"])], "inner", [], [])
    model.graph.node.append(helper.make_node("Loop", ["", "pre"], ["x"], body=inner))


def foreign(model):
    model.graph.node.append(helper.make_node("FusedConv", ["pre"], ["x"], domain="com.microsoft"))


def outside(model):
    tensor = model.graph.initializer[1]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", "/etc/passwd"


def function(model):
    model.functions.append(helper.make_function("my", "f", ["a"], ["b"], [], [helper.make_opsetid("", 17)]))


@pytest.mark.parametrize(("change", "words"), [
    (loop, "graphs within it (loops or branches)"), (foreign, "FusedConv is no operator of the standard set but of 'com.microsoft'"),
    (outside, "another file with its weights"), (function, "functions of its own"),
])  # fmt: skip
def test_what_could_read_elsewhere_or_run_without_end_is_never_run(adopt, monkeypatch, change, words):
    monkeypatch.setattr(onnxbox, "open_runtime", lambda *_: pytest.fail("it was run"))
    with pytest.raises(TaggerError, match=re.escape(words)):
        adopt(changed(made().data, change))


def test_sets_of_operators_that_nothing_is_of_do_no_harm(adopt):
    net = made()
    more = changed(net.data, lambda m: m.opset_import.append(helper.make_opsetid("com.microsoft", 1)))
    np.testing.assert_allclose(adopt(more).score_windows(noise(1)), net.scores(noise(1)), rtol=0, atol=1e-6)


def test_another_number_of_labels(adopt, tmp_path):
    (tmp_path / "names.csv").write_text("name\nDog\nRain\n")
    with pytest.raises(ManifestError, match="names 2 tags, and the net has 3"):
        adopt(made())


def test_sizes_are_bounded_before_anything_is_read(adopt, monkeypatch):
    monkeypatch.setattr(onnxbox, "LARGEST", 1000)
    with pytest.raises(TaggerError, match=r"has [\d,]+ bytes, more than the 1,000 that are taken in"):
        adopt(made())


def test_which_axis_is_which_is_asked_for_where_nobody_sees_it(adopt):
    net = made(64, 96)

    def free(model):
        for place, name in ((1, "a"), (2, "b")):
            model.graph.input[0].type.tensor_type.shape.dim[place].dim_param = name

    with pytest.raises(TaggerError, match="say --layout 'windows bands frames' or 'windows frames bands'"):
        adopt(changed(net.data, free), MAPS)
    tagger = adopt(changed(net.data, free), replace(MAPS, layout="windows bands frames"))
    waves = noise(2, 15_600)
    told = net.scores(features.build(tagger.recipe)(waves).reshape(2, -1))
    np.testing.assert_allclose(tagger.score_windows(waves), told, rtol=0, atol=1e-5)


def test_weights_are_told_apart_as_onnx_itself_reads_them():
    """Raw bytes, floats one by one, whole numbers that stay in the graph; what is put together again is the same model."""
    data = made().data

    def listed(model):
        tensor = model.graph.initializer[1]
        values = onnx.numpy_helper.to_array(tensor)
        tensor.CopyFrom(helper.make_tensor(tensor.name, TensorProto.FLOAT, values.shape, values.ravel()))

    for whole in (data, changed(data, listed)):
        bare, weights = splitting.split(whole)
        truth = {t.name: onnx.numpy_helper.to_array(t) for t in onnx.load_from_string(data).graph.initializer}
        assert list(weights) == ["first"]
        np.testing.assert_array_equal(weights["first"], truth["first"])
        again = onnx.load_from_string(onnxbox.graph.with_weights(bare, weights))
        assert {t.name: onnx.numpy_helper.to_array(t).tolist() for t in again.graph.initializer} == {
            name: value.tolist() for name, value in truth.items()
        }
        assert splitting.outputs(bare) == ["scores", "embedding"]


def test_a_tagger_that_was_exported_whole_comes_back_the_same(adopt, tmp_path):
    """A small one of ours, from waves to scores: 1e-5 is what engines promise of each other in float32."""
    own = small("cnnspec", 1.024, 0.128)
    told = Told(
        sample_rate=own.sample_rate, length="1.024", scores="scores", embedding="embedding", values="probabilities"
    )
    tagger = adopt(export.whole(own), told)
    waves = noise(4, own.windows.samples(own.sample_rate)[0])
    np.testing.assert_allclose(tagger.score_windows(waves), own.score_windows(waves), rtol=0, atol=1e-5)
    np.testing.assert_allclose(tagger.embed_windows(waves), own.embed_windows(waves), rtol=0, atol=1e-4)


@pytest.mark.slow
def test_esc10_comes_back_the_same_on_real_sounds(data, tmp_path):
    """The shipped tagger, exported whole, on ten recordings: 1e-6 was measured."""
    import soundfile

    files = sorted((data / "esc10/audio").glob("*.ogg"))[:10]
    if not files:
        pytest.skip(f"{data / 'esc10'} is not here")
    own = earmark.load("esc10", engine="torch").alone
    (tmp_path / "names.csv").write_text("\n".join(["name", *own.vocabulary]))
    (tmp_path / "esc10.onnx").write_bytes(export.whole(own))
    told = Told(sample_rate=44_100, length=2, scores="scores", embedding="embedding", values="probabilities")
    asked = Asked(tmp_path / "esc10.onnx", tmp_path / "names.csv", "CC BY-NC 3.0", "shipped")
    tagger = onnxbox.adopt(asked, told)
    waves = np.stack([soundfile.read(file, 88_200, dtype="float32")[0] for file in files])
    assert tagger.task == "one"
    np.testing.assert_allclose(tagger.score_windows(waves), own.score_windows(waves), rtol=0, atol=1e-5)


WITHOUT = """
import sys
sys.modules["torch"] = sys.modules["onnx"] = None
from earmark import cli
for line in sys.stdin:
    sys.argv = ["earmark", *line.rstrip("\\n").split("\\t")]
    try:
        cli.main()
    except SystemExit as leave:
        assert not leave.code, (line, leave.code)
    print("\\0", end="", flush=True)
"""


def test_all_of_it_without_torch_and_onnx(tmp_path):
    """From the file to tags, events, embeddings and a search, in a program in which neither can be imported."""
    import json
    import subprocess
    import sys

    import soundfile

    (tmp_path / "names.csv").write_text("name\nDog\nRain\nWind\n")
    (tmp_path / "net.onnx").write_bytes(made().data)
    wave = noise(1, 5 * SAMPLES)[0]
    soundfile.write(tmp_path / "a.wav", wave, 16_000, "FLOAT")
    heard = ("a.wav", "--tagger", "t.safetensors")
    commands = (
        ("adopt", "net.onnx", "--labels", "names.csv", "--sample-rate", "16000", "--window", "0.1", "--scores", "scores",
         "--embedding", "embedding", "--probabilities", "--licence", "MIT", "--origin", "made up", "-o", "t.safetensors"),
        ("tag", *heard, "--json", "--top", "3"),
        ("events", *heard, "--threshold", "0.01"),
        ("embed", *heard, "-o", "e.parquet"),
        ("search", "e.parquet", *heard, "--from", "0.1", "--to", "0.2"),
        ("show", "t.safetensors"),
    )  # fmt: skip
    lines = "".join("\t".join(words) + "\n" for words in commands)
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT], cwd=tmp_path, input=lines, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    adopted, tagged, found, _, searched, shown, _ = done.stdout.split("\0")
    assert "3 tags" in adopted and "licence MIT" in adopted
    tags = json.loads(tagged)[0]["tags"]
    wanted = made().scores(wave.reshape(5, SAMPLES)).mean(0)
    got = {each["label"]: each["score"] for each in tags}
    assert [got[tag] for tag in ("Dog", "Rain", "Wind")] == pytest.approx(wanted.tolist(), abs=1e-4)
    assert found and "a.wav" in searched and "a graph in ONNX" in shown


def test_a_file_in_whole_numbers_is_held_to_what_rounding_explains(adopt, tmp_path):
    """Engines join quantised layers and round otherwise than the graph as it is written: up to a level of 1/50 here."""
    scale = onnx.numpy_helper.from_array(np.float32(0.02), "scale")
    zero = onnx.numpy_helper.from_array(np.int8(0), "zero")

    def quantised(model):
        model.graph.initializer.extend([scale, zero])
        nodes = list(model.graph.node)
        del model.graph.node[:]
        for node in nodes:
            if node.op_type == "MatMul" and node.output[0] == "pre":
                model.graph.node.append(helper.make_node("QuantizeLinear", ["embedding", "scale", "zero"], ["q"]))
                model.graph.node.append(helper.make_node("DequantizeLinear", ["q", "scale", "zero"], ["dq"]))
                node.input[0] = "dq"
            model.graph.node.append(node)

    net = made()
    tagger = adopt(changed(net.data, quantised))
    assert tagger.recipe.net.arguments["rounded"] is True and tagger.running.rounded
    waves = noise(3)
    levels = np.clip(np.round(net.embedding(waves) / 0.02), -128, 127) * 0.02
    told = 1 / (1 + np.exp(-(levels @ net.second)))
    np.testing.assert_allclose(tagger.score_windows(waves), told, rtol=0, atol=0.02)


def test_without_what_runs_it_that_is_told(adopt, monkeypatch):
    monkeypatch.setattr(sessions, "find_spec", lambda name: None)
    with pytest.raises(TaggerError, match=r"^engine 'onnxruntime': is not installed\. `pip install onnxruntime`$"):
        adopt(made())
