"""How long a training step takes: earmark's own against plain eager PyTorch in float32, with the same net and batch.

A step is what `earmark.train.phase.PhaseModule` does with a batch (mixing, log-mel, net, loss), then backward and Adam. What
earmark adds is put on one after the other: 2D nets are laid out channels last, freed memory is kept, and bf16 autocast
is taken where earmark's probe finds it faster. Each way lives in a process of its own, since the second holds for a
whole process; they take their steps in turn. The convolutions and dense layers of the step alone, forward and backward, on
what reaches them, are the bound of what float32 can gain without faster ones; a product of matrices says how fast those could be.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.timing import compare, interleave

PLAIN = "plain float32"
LAST, KEPT, BF16 = "channels last", "memory kept", "bf16 autocast"
WAYS = {  # of each recipe; the first is the base
    "esc10-cnnspec": ((), (LAST,), (LAST, KEPT), (LAST, KEPT, BF16)),
    "esc10-convnet1d": ((), (KEPT,), (KEPT, BF16)),
}
BOUND = "its convolutions and products alone, float32"
GOAL = 2.0  # for a 2D net
SIDE = 1024  # of the matrices whose product tells what the processor can do
TAGS = 10
ROOT = Path(__file__).parent.parent

Ask = Callable[[str], Any]


def main(quick: bool = False, say: Callable[[str], None] = lambda line: None) -> dict[str, Any]:
    """Figures of a 2D and a 1D net."""
    tables, goals, notes = [], [], []
    for recipe, ways in WAYS.items():
        say(f"training step of {recipe}")
        table, ratio, note, bound = _net(recipe, ways, 2 if quick else 5)
        tables.append(table)
        notes.append(note)
        if any(LAST in way for way in ways):
            goals.append({"what": table["title"], "value": ratio, "at_least": GOAL} | bound)
    return {"tables": tables, "goals": goals, "missing": [], "notes": notes}


def _net(
    recipe: str, ways: tuple[tuple[str, ...], ...], rounds: int
) -> tuple[dict[str, Any], float, str, dict[str, float]]:
    """The table of one net, the ratio of what earmark does by default, what its probe says, and the bound where it is float32."""
    with contextlib.ExitStack() as stack:
        place = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        workers = {way: stack.enter_context(_worker(recipe, place, way)) for way in ways}
        facts = workers[ways[-1]]("facts")
        steps = {_name(way): lambda ask=ask: ask("step") for way, ask in workers.items()}
        floating = workers[[way for way in ways if BF16 not in way][-1]]
        work = floating("work")
        rows = compare(interleave({**steps, BOUND: lambda: floating("alone")}, rounds), PLAIN)
    default = _name(ways[-1] if facts["precision"] != "32-true" else ways[-2])
    cells = [
        [
            f"{name} (earmark)" if name == default else name,
            row["ratio"],
            row["best"],
            1e3 * row["median"],
            1e3 * row["min"],
            row["spread"],
            facts["batch"] / row["median"],
        ]
        for name, row in rows.items()
    ]
    title = f"training step of {recipe}, batch {facts['batch']}, {facts['seconds']:g} s"
    columns = ["", "ratio", "best", "median, ms", "min, ms", "spread", "clips/s"]
    note = f"{recipe}: the probe says: {facts['why']}"
    alone, product = rows[BOUND]["median"], work["gflop"] / work["rate"]
    note += (
        f"; its convolutions and products are {work['gflop']:.1f} GFLOP forward and backward, at {work['gflop'] / alone:.0f} "
        f"GFLOP/s alone, and matrices of {SIDE:,} are multiplied at {work['rate']:.0f}: without anything else a step would be "
        f"{rows[PLAIN]['median'] / alone:.2f} times as fast as the plain one, and {rows[PLAIN]['median'] / product:.2f} times "
        "at that speed"
    )
    if facts["features"]:
        note += f"; the features of a batch take {1e3 * facts['features']:.0f} ms of every step"
    bound = {} if BF16 in default else {"bound": rows[PLAIN]["median"] / product}
    return {"title": title, "columns": columns, "rows": cells}, rows[default]["ratio"], note, bound


def _name(way: tuple[str, ...]) -> str:
    return ", ".join(way) or PLAIN


@contextlib.contextmanager
def _worker(recipe: str, place: Path, way: tuple[str, ...]) -> Iterator[Ask]:
    """A process that does what it is asked: see `serve`."""
    run = [sys.executable, "-m", "benchmarks.step", recipe, str(place), *way]
    process = subprocess.Popen(run, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None and process.stdout is not None

    def ask(request: str) -> Any:
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(request + "\n")
        process.stdin.flush()
        answer = process.stdout.readline()
        if not answer:
            raise RuntimeError(f"the training of {recipe} ({_name(way)}) ended with status {process.wait()}")
        return json.loads(answer)

    try:
        ask("ready")  # one after the other: what they prepare in `place` is shared
        yield ask
    finally:
        process.stdin.close()
        process.stdout.close()
        process.wait()


def serve(recipe: str, place: Path, way: tuple[str, ...]) -> None:
    """Answers lines of stdin with lines of JSON: `step` once a step is done, `facts` with what was chosen and why.

    `work` tells what its products are and how fast they could be, and `alone` takes them once.
    """
    answers = sys.stdout
    with contextlib.redirect_stdout(sys.stderr):
        module = _lesson(recipe, place, way)
        step = _step(module, BF16 in way)
        layers = None
        for request in sys.stdin:
            answer: Any = request.strip()
            if answer == "step":
                step()
            elif answer == "facts":
                answer = _facts(module)
            elif answer == "work":
                layers = _layers(module)
                answer = {"gflop": sum(layer.gflop for layer in layers), "rate": _product_rate()}
            elif answer == "alone":
                for layer in layers or []:
                    layer.take()
            print(json.dumps(answer), file=answers, flush=True)


def _lesson(name: str, place: Path, way: tuple[str, ...]) -> Any:
    """The module of a recipe on a batch's worth of noise."""
    import torch

    from earmark import recipe
    from earmark.inference.allocator import keep_freed_memory
    from earmark.models import tagger
    from earmark.train.loader import Waves
    from earmark.train.phase import PhaseModule
    from earmark.train.state import State

    if KEPT in way:
        keep_freed_memory()
    plan = recipe.load(name)
    manifest = _clips(place, plan.train.batch, plan.sample_rate, plan.windows.length + 1)
    waves = Waves(manifest, plan.sample_rate)
    torch.manual_seed(0)
    module = PhaseModule(tagger.build(plan, manifest.vocabulary), waves, waves, place, State())
    if LAST in way:
        module.tagger.net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return module


def _clips(place: Path, count: int, sample_rate: int, seconds: float) -> Any:
    """Noise, a tag after the other, as a manifest."""
    import soundfile

    from earmark.data.manifest import build

    chance = np.random.default_rng(0)
    names = [f"{i}.wav" for i in range(count)]
    for name in names:
        if not (place / name).is_file():
            soundfile.write(place / name, 0.1 * chance.standard_normal(round(seconds * sample_rate)), sample_rate)
    return build({"id": names, "path": names, "tags": [f"tag {i % TAGS}" for i in range(count)]}, place)


def _step(module: Any, bf16: bool) -> Callable[[], None]:
    """One step on one batch, as training takes it."""
    from earmark.train.precision import NAMES
    from earmark.train.steps import Steps

    batch = next(iter(module.epoch_batches()))
    steps = Steps(module, module.optimiser(), NAMES["bf16" if bf16 else "float32"])
    module.train()

    def step() -> None:
        steps.take(batch, 0, module.plan.optimiser.lr, count=1)
        module.losses.clear()

    return step


class Layer(NamedTuple):
    """A convolution or a dense layer by itself: forward and backward on what reached it in a step."""

    take: Callable[[], None]
    gflop: float


def _layers(module: Any) -> list[Layer]:
    """Those of the net, in the order in which a batch reaches them. What the first hears needs no gradient."""
    import torch
    from torch import nn

    reached: list[tuple[nn.Module, Any, Any]] = []

    def reach(part: nn.Module, inputs: Any, output: Any) -> None:
        reached.append((part, inputs[0].detach(), torch.randn_like(output)))

    kinds = (nn.Conv1d, nn.Conv2d, nn.Linear)
    hooks = [part.register_forward_hook(reach) for part in module.tagger.net.modules() if isinstance(part, kinds)]
    with torch.no_grad():
        module.tagger(next(iter(module.epoch_batches()))[0])
    for hook in hooks:
        hook.remove()

    def alone(part: Any, heard: Any, gradient: Any, deep: bool) -> Layer:
        heard = heard.requires_grad_(deep)
        of = [part.weight, heard] if deep else [part.weight]
        # forward, and backward for each of the gradients: two operations for each weight and output
        gflop = 2e-9 * (1 + len(of)) * part.weight[0].numel() * gradient.numel()
        return Layer(lambda: torch.autograd.grad(part(heard), of, gradient) and None, gflop)

    return [alone(*each, deep=number > 0) for number, each in enumerate(reached)]


def _product_rate() -> float:
    """GFLOP/s of a product of two matrices, float32, as many threads as a step has."""
    import torch

    left, right = torch.randn(2, SIDE, SIDE)
    return 2e-9 * SIDE**3 / float(interleave({"": lambda: left @ right}, 9, at_least=0.1)[""].min())


def _facts(module: Any) -> dict[str, Any]:
    """What the probe chooses and why, and the seconds of a step that no layout and no autocast makes fewer."""
    import torch

    from earmark.train.precision import choose

    waves, targets, _ = next(iter(module.epoch_batches()))
    precision, why = choose(module.tagger, waves, targets, "auto")
    features = 0.0
    if module.recipe.features is not None:
        with torch.no_grad():
            features = float(np.median(interleave({"": lambda: module.tagger.features(waves)}, 5)[""]))
    told = {"batch": module.plan.batch, "seconds": module.recipe.windows.length, "features": features}
    return {**told, "precision": precision, "why": why}


if __name__ == "__main__":
    serve(sys.argv[1], Path(sys.argv[2]), tuple(sys.argv[3:]))
