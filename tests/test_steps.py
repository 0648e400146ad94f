"""Steps of an optimiser against sums by hand, fp16's scaler, and a training that is told to end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import pytest
import torch
import yaml
from safetensors import safe_open
from tests.test_train import recipe

from earmark.train.steps import Steps, interrupted_by_term

training = pytest.importorskip("earmark.train")

pytestmark = pytest.mark.usefixtures("sketched")


class Slope(torch.nn.Module):
    """Loss weight · mean of the waves: its gradient is that mean."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.tensor(1.0))

    def forward(self, waves, targets, total, index):
        return self.weight * waves.mean()


def batch(value):
    return torch.full((2, 3), value), torch.zeros(2, 1), 2


def test_batches_that_share_a_step_are_of_their_mean_loss_and_the_last_ends_in_one():
    net = Slope()
    steps = Steps(net, torch.optim.SGD(net.parameters(), lr=9.0), "32-true", accumulate=2)
    taken = [steps.take(batch(value), i, 0.5, count=3) for i, value in enumerate((1.0, 3.0, 4.0))]
    assert taken == [False, True, True]
    # (1 + 3) / 2 at a rate of 0.5, then 4: the last step is of the one batch that is left
    assert net.weight.item() == 1.0 - 0.5 * 2.0 - 0.5 * 4.0


@pytest.mark.parametrize("accumulate", [1, 2, 3, 4, 5, 7, 40, 10**9])
def test_a_step_is_of_the_mean_of_the_batches_that_share_it(accumulate):
    values = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0]
    net = Slope()
    steps = Steps(net, torch.optim.SGD(net.parameters(), lr=9.0), "32-true", accumulate=accumulate)
    for index, value in enumerate(values):
        before = net.weight.item()
        taken = steps.take(batch(value), index, 1.0, count=len(values))
        group = values[index - index % accumulate : index + 1]
        assert taken == (len(group) == accumulate or index + 1 == len(values))
        assert before - net.weight.item() == pytest.approx(sum(group) / len(group) if taken else 0.0, rel=1e-5)


def test_half_floats_out_of_range_make_no_step_and_the_scale_is_kept():
    net = Slope()
    steps = Steps(net, torch.optim.SGD(net.parameters(), lr=1.0), "16-mixed", scaler={})
    first = steps.scaler.get_scale()
    assert steps.take(batch(float("inf")), 0, 1.0, count=1)
    assert net.weight.item() == 1.0 and steps.scaler.get_scale() == first / 2
    steps.take(batch(0.25), 0, 1.0, count=1)
    assert net.weight.item() == 0.75
    kept = json.loads(json.dumps(steps.scaler.state_dict()))  # as it comes back from a run folder
    again = Steps(net, torch.optim.SGD(net.parameters(), lr=1.0), "16-mixed", scaler=kept)
    assert again.scaler.state_dict() == steps.scaler.state_dict()
    assert Steps(net, torch.optim.SGD(net.parameters(), lr=1.0), "32-true").scaler.state_dict() == {}


@pytest.mark.parametrize(("precision", "kind"), [("32-true", torch.float32), ("bf16-mixed", torch.bfloat16)])
def test_the_precision_is_that_of_products(precision, kind):
    net = torch.nn.Linear(2, 2)
    steps = Steps(net, torch.optim.SGD(net.parameters(), lr=1.0), precision)
    with steps.autocast():
        assert net(torch.zeros(1, 2)).dtype == kind


def test_term_is_ctrl_c_but_where_a_program_has_its_own():
    before = signal.signal(signal.SIGTERM, signal.SIG_DFL)  # those who run tests have one of their own
    heard = []
    try:
        with pytest.raises(KeyboardInterrupt), interrupted_by_term():
            signal.raise_signal(signal.SIGTERM)
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
        signal.signal(signal.SIGTERM, lambda number, frame: heard.append(number))
        with interrupted_by_term():
            signal.raise_signal(signal.SIGTERM)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert heard == [signal.SIGTERM]


PROGRAM = """
import os, signal, sys
from earmark.cli.terminal import training
class Lines(training.EpochLines):
    def __call__(self, phase, epoch, epochs, share, row):
        if epoch == 3 and share > 0.5:
            os.kill(os.getpid(), signal.SIGTERM)
training.EpochLines = Lines
from earmark.cli import main
main()
"""


def test_a_training_that_is_told_to_end_says_how_it_goes_on(clips, tmp_path):
    from earmark.data import manifest as manifests

    plan = recipe(train__epochs=4)
    whole = training.train(plan, clips, tmp_path / "whole")
    manifests.write(clips, tmp_path / "clips.csv")
    (tmp_path / "plan.yaml").write_text(yaml.safe_dump(plan.as_dict()))
    words = ["train", tmp_path / "plan.yaml", "--data", tmp_path / "clips.csv", "--out", tmp_path / "run"]
    command = [sys.executable, "-c", PROGRAM, *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    assert done.returncode == 130, done.stderr
    assert "the last whole epoch is saved: go on with the same command and --resume" in done.stderr
    with safe_open(str(tmp_path / "run" / "state.safetensors"), "np") as file:
        assert len(json.loads(file.metadata()["state"])["course"]["history"]) == 2
    assert training.train(plan, clips, tmp_path / "run", resume=True).read_bytes() == whole.read_bytes()


def test_nothing_else_runs_the_loops():
    code = "import sys, earmark.train.run; print([name for name in sys.modules if 'lightning' in name])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
