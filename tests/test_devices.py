"""Which device PyTorch computes on, with GPUs that are made up here: none of this has run on one."""

import contextlib
from types import SimpleNamespace

import pytest

pytest.importorskip("torch")

import torch

from earmark.errors import TaggerError
from earmark.models import devices, loading


def gpus(monkeypatch, count):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)


def nodes(monkeypatch, *names):
    monkeypatch.setattr(devices.os, "listdir", lambda path: list(names))


def made(engine=None, kind="cpu"):
    """A tagger as far as devices are concerned: by an engine it has none of PyTorch's."""
    member = SimpleNamespace(engine=engine) if engine else SimpleNamespace(device=torch.device(kind))
    return SimpleNamespace(members=(member,))


@pytest.mark.parametrize(
    ("asked", "there", "taken"),
    [("auto", 0, "cpu"), ("auto", 2, "cuda"), ("cpu", 2, "cpu"), ("cuda", 1, "cuda"), ("cuda:1", 2, "cuda:1")],
)
def test_the_device(monkeypatch, asked, there, taken):
    gpus(monkeypatch, there)
    assert devices.taken(asked) == taken


@pytest.mark.parametrize(
    ("asked", "there", "told"),
    [
        ("gpu", 1, "device 'gpu': is not known, take auto, cpu, cuda or mps"),
        ("", 1, "device '': is not known"),
        ("cuda", 0, "no GPU is here, or torch was built without CUDA. Take cpu"),
        ("cuda:2", 2, "there are 2 GPUs, counted from 0. Take another"),
    ],
)
def test_a_device_that_is_not_there(monkeypatch, asked, there, told):
    gpus(monkeypatch, there)
    with pytest.raises(TaggerError, match=told):
        devices.taken(asked)


def test_where_torch_runs_the_tagger_its_gpu_is_taken(monkeypatch, tmp_path):
    gpus(monkeypatch, 1)
    path = loading.find("digits")
    head = {"format": 1}  # of a file without graphs
    assert loading.choose(head, path, "auto", "auto", "auto").device == "cuda"
    assert loading.choose(head, path, "auto", "torch", "auto").device == "cuda"
    assert loading.choose(head, path, "cpu", "auto", "auto").device == "cpu"
    graph = {"format": 1, "graphs": [{}]}  # an engine answers at once, on the processor
    taken = loading.choose(graph, path, "auto", "auto", "auto")
    assert (taken.engine, taken.device) == ("onnxruntime", "cpu")
    with pytest.raises(TaggerError, match="device 'cuda': onnxruntime runs on the processor here"):
        loading.choose(graph, path, "cuda", "onnxruntime", "auto")


@pytest.mark.parametrize(
    ("names", "here"),
    [
        ((), False),
        (("null", "sda"), False),
        (("nvidia0", "null"), True),
        (("nvidia12",), True),
        (("kfd",), True),
        (("nvidiactl", "nvidia-uvm", "nvidia-modeset"), False),  # of the driver, without a card
    ],
)
def test_what_a_system_shows(monkeypatch, names, here):
    nodes(monkeypatch, *names)
    assert devices.gpu_here() is here


def test_a_system_without_such_a_folder(monkeypatch):
    def none(path):
        raise FileNotFoundError(path)

    monkeypatch.setattr(devices.os, "listdir", none)
    assert not devices.gpu_here()


def test_a_gpu_that_lies_idle_is_told_in_one_line(monkeypatch):
    nodes(monkeypatch, "nvidia0")
    line = devices.unused(made("onnxruntime 1.32.0, float32"), "auto")
    assert "a GPU is here and not used: onnxruntime 1.32.0, float32 runs on the processor" in line
    assert "`--engine torch --device cuda` uses it" in line and "`--device cpu` is silent" in line
    assert "PyTorch sees none" in devices.unused(made(kind="cpu"), "auto")


@pytest.mark.parametrize("asked", ["cpu", "cuda"])
def test_who_chose_is_not_told(monkeypatch, asked):
    nodes(monkeypatch, "nvidia0")
    assert devices.unused(made("onnxruntime 1.32.0, float32"), asked) == ""


def test_a_gpu_that_is_used_or_not_there_is_not_told(monkeypatch):
    nodes(monkeypatch, "nvidia0")
    assert devices.unused(made(kind="cuda"), "auto") == ""
    nodes(monkeypatch)
    assert devices.unused(made("onnxruntime 1.32.0, float32"), "auto") == ""


def test_a_gpu_is_given_as_many_windows_as_are_gathered():
    """What is fastest on a processor says nothing of a GPU."""
    import earmark

    tagger = earmark.load("digits", engine="torch")
    assert tagger.pace
    assert tagger.to("meta").pace == ""


@pytest.mark.parametrize("verb", ["bench", "evaluate"])
def test_commands_that_measure_and_judge_tell_of_an_idle_gpu(verb, monkeypatch, tmp_path, capsys):
    """Once, on stderr, and not where the processor was chosen."""
    import numpy as np
    import soundfile

    from earmark import cli

    soundfile.write(tmp_path / "a.wav", np.random.default_rng(0).uniform(-0.5, 0.5, 8000), 8000)
    (tmp_path / "clips.csv").write_text("id,path,tags\na,a.wav,0\n")
    words = {"bench": [str(tmp_path / "a.wav")], "evaluate": ["--data", str(tmp_path / "clips.csv"), "--seen"]}[verb]
    monkeypatch.setattr(devices, "gpu_here", lambda: True)
    for chosen, times in (([], 1), (["--device", "cpu"], 0)):
        out = ["--out", str(tmp_path / f"report{times}")] if verb == "evaluate" else []
        monkeypatch.setattr("sys.argv", ["earmark", verb, "digits", *words, *out, *chosen])
        with contextlib.suppress(SystemExit):
            cli.main()
        assert capsys.readouterr().err.count("a GPU is here and not used") == times
