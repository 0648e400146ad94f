"""What every registered net must do. A new net is tested because it exists."""

from __future__ import annotations

import inspect
import re

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from tests.narrow import narrow
from torch import Tensor, nn

from earmark import audio
from earmark.errors.refusals import Mistakes
from earmark.inference.allocator import keep_freed_memory
from earmark.models import making
from earmark.models.autocast import Autocast
from earmark.models.layers.blocks import count
from earmark.models.prediction import Prediction, loss
from earmark.recipe.checks import FILLED_IN
from earmark.registry import NETS

RATE = 16_000
CLIPS = 16


def sides(name: str) -> tuple[int, int]:
    """Channels and bands of the maps that the narrow net eats."""
    told = NETS[name].arguments()
    return told["channels"].default, narrow(name).get("bands", told["bands"].default)


def inputs(name: str, module: nn.Module, batch: int, extra: int = 0, seed: int = 0) -> tuple[Tensor, ...]:
    """What the net eats, of its shortest length and `extra` more."""
    generator = torch.Generator().manual_seed(seed)
    entry, size = NETS[name], module.shortest + extra
    made = []
    if entry.facts["input"] in ("waves", "both"):
        made.append(torch.randn(batch, size, generator=generator))
    if entry.facts["input"] in ("maps", "both"):
        frames = module.shortest_frames + extra if entry.facts["input"] == "both" else size
        made.append(torch.randn(batch, *sides(name), frames, generator=generator))
    return tuple(made)


@pytest.fixture(params=NETS.names())
def name(request):
    return request.param


@pytest.fixture
def module(name):
    torch.manual_seed(0)
    return NETS[name].function(tags=5, **narrow(name))


def test_says_what_and_whose(name):
    entry = NETS[name]
    assert entry.summary.endswith(".")
    # one of the five papers, or in words whose it is
    assert entry.facts["paper"] in ("000", "001", "002", "003", "004") or len(entry.facts["paper"]) > 3
    assert "shortest" in inspect.getdoc(entry.function) or "any length" in inspect.getdoc(entry.function)


def test_counts(name):
    """Keras counts running statistics too, and so do the published totals of papers 002 and 004."""
    entry = NETS[name]
    with torch.device("meta"):
        parameters, statistics = count(entry.function())
    told = {"parameters": entry.facts["parameters"], "total": entry.facts["total"]}
    wanted = {"parameters": parameters, "total": parameters + statistics}
    assert any(told.values()), f"@net of {name} does not say how many parameters were counted by hand"
    assert all(told[key] in (None, wanted[key]) for key in told), (told, wanted)


def test_shapes_at_the_shortest_and_beyond(name, module):
    module.eval()
    for extra in (0, 1, 77):
        with torch.no_grad():
            got = module(*inputs(name, module, 2, extra))
        assert isinstance(got, Prediction)
        assert got.levels.shape[0] == got.embedding.shape[0] == 2
        assert got.levels.shape[2] == 5
        assert torch.isfinite(got.levels).all()
        if got.frames is not None:
            assert got.frames.shape[0] == 2
            assert got.frames.shape[1] >= 1
            assert got.frames.shape[2] == 5
            assert module.grid.step >= 1
            assert torch.isfinite(got.frames).all()


def test_too_short_is_refused(name, module):
    with pytest.raises(ValueError, match=f"needs at least {module.shortest}"):
        module(*inputs(name, module, 2, -1))


def test_every_parameter_gets_a_gradient(name, module):
    targets = torch.eye(5)[torch.tensor([0, 1, 2, 3])]
    loss(module(*inputs(name, module, 4, 50)), targets, "one").backward()
    learnt = [(key, p) for key, p in module.named_parameters() if p.requires_grad]
    without = [key for key, p in learnt if p.grad is None or not torch.isfinite(p.grad).all()]
    assert not without
    # a bias in front of a batch norm has no effect, so its gradient is nought; everything else must be moved
    still = [key for key, p in learnt if p.dim() > 1 and p.grad.abs().max() == 0]
    assert not still


def test_trains_in_half_precision(name, module):
    """As GPUs and newer processors do it: the loss of float32, but for bfloat16's eight bits, and gradients that are numbers."""
    batch, targets = inputs(name, module.eval(), 4, 50), torch.eye(5)[torch.tensor([0, 1, 2, 3])]
    with Autocast("cpu", torch.bfloat16):
        half = loss(module(*batch), targets, "one")
    half.backward()
    assert all(torch.isfinite(p.grad).all() for p in module.parameters() if p.grad is not None)
    assert half.item() == pytest.approx(loss(module(*batch), targets, "one").item(), rel=0.05)


def test_alone_or_in_a_batch(name, module):
    module.eval()
    batch = inputs(name, module, 3, 20)
    with torch.no_grad():
        together = module(*batch).levels
        again = module(*batch).levels
        alone = torch.cat([module(*(part[i : i + 1] for part in batch)).levels for i in range(3)])
    assert torch.equal(together, again)
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-5)


def test_survives_a_file(name, module, tmp_path):
    """Everything that its answers depend on is in the weights; running statistics too."""
    module.train()
    with torch.no_grad():
        module(*inputs(name, module, 2, 20))
    save_file({key: value.contiguous() for key, value in module.state_dict().items()}, tmp_path / "net.safetensors")
    torch.manual_seed(1)
    other = NETS[name].function(tags=5, **narrow(name))
    other.load_state_dict(load_file(tmp_path / "net.safetensors"))
    batch = inputs(name, module, 2, 20, seed=1)
    with torch.no_grad():
        assert torch.equal(module.eval()(*batch).levels, other.eval()(*batch).levels)


def test_a_normalised_part_is_called_once(name, module):
    """In training each call moves running statistics by as much, however few clips or segments go through it."""
    norms = [part for part in module.modules() if isinstance(part, nn.modules.batchnorm._BatchNorm)]
    calls = dict.fromkeys(norms, 0)

    def count_call(part, *_):
        calls[part] += 1

    for part in norms:
        part.register_forward_hook(count_call)
    for extra in (0, 131):  # of a net that cuts its input: a whole number of segments and a last one that is short
        calls.update(dict.fromkeys(norms, 0))
        with torch.no_grad():
            module.train()(*inputs(name, module, 2, extra))
        assert set(calls.values()) == {1}


@pytest.fixture(scope="module")
def heard(data):
    """(clips, samples): the loudest second of 16 real recordings, two of each of eight tags."""
    import pyarrow.csv

    table = pyarrow.csv.read_csv(data / "esc10" / "meta" / "esc10.csv").to_pydict()
    waves, tags = [], []
    for tag in sorted(set(table["category"]))[:8]:
        names = [n for n, c in zip(table["filename"], table["category"], strict=True) if c == tag][:2]
        for file in names:
            wave = audio.load(data / "esc10" / "audio" / file, RATE)
            total = np.concatenate([[0.0], np.cumsum(wave.astype(np.float64) ** 2)])
            level = total[RATE:] - total[:-RATE]
            at = int(level.argmax())
            waves.append(wave[at : at + RATE] / np.sqrt(level[at] / RATE) * 0.1)
            tags.append(len(tags) // 2)
    return torch.from_numpy(np.stack(waves).astype(np.float32)), torch.eye(8)[torch.tensor(tags)]


def test_learns_real_clips_by_heart(name, heard):
    """The loss of 16 real clips falls below a tenth of what it was."""
    from earmark.registry import FEATURES

    keep_freed_memory()
    torch.manual_seed(1)
    entry, (waves, targets) = NETS[name], heard
    module = entry.function(tags=8, **narrow(name))
    parts: list[Tensor] = []
    if entry.facts["input"] in ("waves", "both"):
        parts.append(waves.tile(1, -(-module.shortest // waves.shape[1]))[:, : max(module.shortest, RATE // 2)])
    if entry.facts["input"] in ("maps", "both"):
        channels, bands = sides(name)
        need = module.shortest_frames if entry.facts["input"] == "both" else module.shortest
        logmel = FEATURES["logmel"].function(RATE, window=2048 / RATE, hop=160 / RATE, bands=min(bands, 128))
        maps = (logmel(waves.tile(1, 4)) + 35) / 20
        maps = maps[..., : max(need, 64)].expand(-1, channels, -1, -1)
        parts.append(nn.functional.interpolate(maps, size=(bands, maps.shape[-1])))
    if any(isinstance(layer, nn.Conv2d) for layer in module.modules()):
        module = module.to(memory_format=torch.channels_last)
    optimiser = torch.optim.Adam(module.parameters(), 3e-3)  # narrow nets bear more than the 1e-3 of wide ones
    first = None
    for _ in range(60):
        optimiser.zero_grad()
        value = loss(module(*parts), targets, "one")
        value.backward()
        optimiser.step()
        first = first or value.item()
        if value.item() < first / 10:
            return
    pytest.fail(f"the loss of 16 clips went from {first:.3f} to {value.item():.3f} in 60 steps")


def wrong(value):
    """A value of an argument that no net can be made with; of what is neither a number nor numbers, the same."""
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int | float):
        return type(value)(0) if isinstance(value, int) else -1.0
    if isinstance(value, list | tuple) and all(isinstance(each, int) for each in value):
        return [0] * len(value)
    return value


def told(name: str, **arguments) -> set[str]:
    """What a recipe's reader is told of the net."""
    try:
        making._with_all(lambda: making.size.planned(lambda: NETS[name].function(tags=5, **arguments)))
    except Mistakes as error:
        return set(error.sentences)
    except making.WRONG as error:
        return {str(error)}
    return set()


def test_what_is_wrong_with_its_arguments_is_told_at_once(name):
    """As the mistakes of the other parts of a recipe are: see tests/test_recipe.py."""
    given = {key: each.default for key, each in NETS[name].arguments().items()} | narrow(name)
    given = {key: value for key, value in given.items() if key not in FILLED_IN}
    bad = {key: wrong(value) for key, value in given.items() if wrong(value) != value}

    def named(key: str, lines: set[str]) -> bool:
        return any(re.search(rf"\b{key}\b", line) for line in lines)

    refused = [key for key, value in bad.items() if named(key, told(name, **narrow(name) | {key: value}))]
    assert refused and ("momentum" in refused) == ("momentum" in bad)
    together = told(name, **narrow(name) | {key: bad[key] for key in refused})
    assert [key for key in refused if not named(key, together)] == []
