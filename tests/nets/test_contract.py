"""What every registered net must do. A new net is tested because it exists."""

import pytest
import torch

from earmark.nets.blocks import Prediction, count, loss
from earmark.registry import NETS

# parameters + running statistics at the paper's number of tags, as published (Keras counts both)
PUBLISHED = {"convnet1d": 2_099_801, "cnnspec": 2_398_761}


def inputs(name: str, module: torch.nn.Module, batch: int, extra: int = 0, seed: int = 0) -> torch.Tensor:
    size = module.shortest + extra
    generator = torch.Generator().manual_seed(seed)
    if NETS[name].facts["eats"] == "waves":
        return torch.randn(batch, size, generator=generator)
    return torch.randn(batch, 1, 128, size, generator=generator)


@pytest.fixture(params=NETS.names())
def name(request):
    return request.param


@pytest.fixture
def module(name):
    torch.manual_seed(0)
    return NETS[name].function(tags=5)


def test_says_what_and_whose(name):
    entry = NETS[name]
    assert entry.summary.endswith(".")
    assert entry.facts["paper"] in ("000", "001", "002", "003", "004")


@pytest.mark.parametrize("published", PUBLISHED.items(), ids=lambda item: item[0])
def test_published_counts(published):
    name, total = published
    with torch.device("meta"):
        assert sum(count(NETS[name].function())) == total


def test_shapes_at_the_shortest_and_beyond(name, module):
    module.eval()
    for extra in (0, 1, 77):
        got = module(inputs(name, module, 3, extra))
        assert isinstance(got, Prediction)
        assert got.levels.shape[0] == 3
        assert got.levels.shape[2] == 5
        assert got.embedding.shape[0] == 3
        assert torch.isfinite(got.levels).all()


def test_too_short_is_refused(name, module):
    with pytest.raises(ValueError, match=f"needs at least {module.shortest}"):
        module(inputs(name, module, 2, -1))


def test_every_parameter_gets_a_gradient(name, module):
    targets = torch.eye(5)[torch.tensor([0, 1, 2, 3])]
    loss(module(inputs(name, module, 4, 50)), targets, "one").backward()
    without = [key for key, p in module.named_parameters() if p.grad is None or not torch.isfinite(p.grad).all()]
    assert not without
    # a bias in front of a batch norm has no effect, so its gradient is nought; everything else must be moved
    still = [key for key, p in module.named_parameters() if p.dim() > 1 and p.grad.abs().max() == 0]
    assert not still


def test_alone_or_in_a_batch(name, module):
    module.eval()
    batch = inputs(name, module, 4, 20)
    with torch.no_grad():
        together = module(batch).levels
        again = module(batch).levels
        alone = torch.cat([module(row[None]).levels for row in batch])
    assert torch.equal(together, again)
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-5)


def test_can_learn_a_few_examples_by_heart(name, module):
    batch = inputs(name, module, 4, 20)
    targets = torch.eye(5)[torch.tensor([0, 1, 2, 3])]
    optimiser = torch.optim.Adam(module.parameters(), 1e-3)
    values = []
    for _ in range(20):
        optimiser.zero_grad()
        value = loss(module(batch), targets, "one")
        value.backward()
        optimiser.step()
        values.append(value.item())
    assert values[-1] < values[0] / 10
