"""How far a training has come: what is kept from epoch to epoch, or within one, and all that a stopped one needs to go on.

The state is one safetensors file: the tagger's and the optimiser's tensors, and the history as JSON in its header. It is
replaced in one step, and no code can come out of it.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from earmark.files import whole_text, write_bytes
from earmark.files.tables import Rows
from earmark.recipe import Train


@dataclass
class State:
    """How far a run has come: what is saved and resumed besides the tensors."""

    history: list[dict[str, Any]] = field(default_factory=list)
    best: float | None = None  # the figure that chooses, the larger the better
    best_epoch: int = 0
    lr: float = 0.0
    since_gain: int = 0  # epochs since `best`
    since_cut: int = 0  # epochs since a gain or a cut of the learning rate
    precision: str = ""
    steps: int = 0  # of the optimiser
    scaler: dict[str, Any] = field(default_factory=dict)  # of fp16's gradients
    place: int = 0  # batches that are done of the epoch in work
    processes: int = 0  # that it was stopped with within an epoch

    @property
    def epochs(self) -> int:
        return len(self.history)


def learning_rate(plan: Train, state: State) -> float:
    """The learning rate of the next epoch. See `earmark.recipe.Schedule`."""
    schedule, top, epoch = plan.schedule, plan.optimiser.lr, state.epochs
    if epoch < schedule.warm_up:
        return top * (epoch + 1) / (schedule.warm_up + 1)
    if schedule.name == "constant":
        return top
    if schedule.name == "cosine":
        done = (epoch - schedule.warm_up) / max(1, plan.epochs - schedule.warm_up)
        return schedule.lowest + (top - schedule.lowest) * 0.5 * (1 + math.cos(math.pi * done))
    rate = state.lr if epoch > schedule.warm_up else top
    if min(state.since_cut, epoch - schedule.warm_up) >= schedule.patience:  # a rate that still grows is not waited on
        state.since_cut = 0
        return max(schedule.lowest, rate * schedule.factor)
    return rate


def ended(state: State, plan: Train) -> bool:
    """Whether there is nothing left to do."""
    return state.epochs >= plan.epochs or (plan.stop_after is not None and state.since_gain >= plan.stop_after)


def save_state(
    path: Path,
    tagger: nn.Module,
    optimiser: torch.optim.Optimizer,
    state: State,
    average: dict[str, torch.Tensor] | None = None,
    within: dict[str, torch.Tensor] | None = None,
) -> None:
    """Everything that the next step depends on, in one file that is replaced in one step.

    average: the moving average of the weights, where there is one. within: what an epoch in work depends on besides.
    """
    from safetensors.torch import save

    whole = optimiser.state_dict()
    tensors = {f"tagger/{name}": value for name, value in tagger.state_dict().items()}
    for index, values in whole["state"].items():
        for name, value in values.items():
            if value is not None:
                tensors[f"optimiser/{index}/{name}"] = torch.as_tensor(value)
    tensors |= {f"average/{name}": value for name, value in (average or {}).items()}
    tensors |= {f"within/{name}": value for name, value in (within or {}).items()}
    # between epochs as files of before: they can be read by what wrote those
    course = {name: value for name, value in vars(state).items() if state.place or name not in ("place", "processes")}
    plain = {"course": course, "groups": whole["param_groups"]}
    tensors = {name: value.detach().cpu().contiguous().clone() for name, value in tensors.items()}
    write_bytes(path, save(tensors, {"state": json.dumps(plain)}))


def load_state(path: Path, tagger: nn.Module) -> tuple[dict[str, Any], State]:
    """Puts the weights into the tagger; gives the optimiser's state and how far the run had come."""
    from safetensors import safe_open

    with safe_open(str(path), framework="pt") as file:
        plain = json.loads(file.metadata()["state"])
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
    tagger.load_state_dict(
        {name.removeprefix("tagger/"): v for name, v in tensors.items() if name.startswith("tagger/")}
    )
    state: dict[int, dict[str, Any]] = {}
    for name, value in tensors.items():
        if name.startswith("optimiser/"):
            _, index, key = name.split("/")
            state.setdefault(int(index), {})[key] = value
    return {"state": state, "param_groups": plain["groups"]}, State(**plain["course"])


def course(path: Path) -> State:
    """How far the run had come, without its tensors."""
    from safetensors import safe_open

    with safe_open(str(path), framework="pt") as file:
        return State(**json.loads(file.metadata()["state"])["course"])


def load_average(path: Path) -> dict[str, torch.Tensor]:
    """The moving average of the weights, by name; empty where the run keeps none."""
    return _named(path, "average/")


def load_within(path: Path) -> dict[str, torch.Tensor]:
    """What an epoch in work depends on besides; empty between epochs."""
    return _named(path, "within/")


def _named(path: Path, kind: str) -> dict[str, torch.Tensor]:
    from safetensors import safe_open

    with safe_open(str(path), framework="pt") as file:
        names = [name for name in file.keys() if name.startswith(kind)]  # noqa: SIM118 (not a dict)
        return {name.removeprefix(kind): file.get_tensor(name) for name in names}


def write_log(path: Path, history: list[dict[str, Any]]) -> None:
    """One row an epoch, replaced in one step."""
    columns = list(dict.fromkeys(key for row in history for key in row))
    with whole_text(path) as file:
        writer = Rows(file)
        writer.writerow(columns)
        for row in history:
            cells = (row.get(column, "") for column in columns)
            writer.writerow(f"{cell:.6g}" if isinstance(cell, float) else cell for cell in cells)
