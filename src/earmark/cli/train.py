"""`earmark train`: a recipe and clips → a run folder with a tagger in it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer


def train(
    recipe: Annotated[str, typer.Argument(help="A recipe's name or file: see `earmark list recipes`.")],
    data: Annotated[Path, typer.Option(help="The data set's folder, or a manifest.")],
    out: Annotated[Path, typer.Option(help="The run folder.")],
    settings: Annotated[list[str] | None, typer.Option("--set", help="key.path=value, over the recipe's.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a run that was stopped.")] = False,
    workers: Annotated[int, typer.Option(help="Threads that decode.")] = 2,
    strict: Annotated[bool, typer.Option("--strict", help="Stop at the first clip that cannot be read.")] = False,
    salvage: Annotated[bool, typer.Option("--salvage", help="Use what can be read of damaged clips.")] = False,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
) -> None:
    """Train a tagger. The epoch is chosen on validation clips, never on the fold that is reported."""
    from earmark import recipe as recipes
    from earmark.cli.console import open_data, progress, say

    plan = recipes.load(recipe, settings or [])
    clips = open_data(data, plan.data.dataset, plan.data.options)
    try:
        from earmark import train as training
    except ModuleNotFoundError as error:
        from earmark.errors import EarmarkError

        raise EarmarkError(f"training needs {error.name}: pip install 'earmark[train]'") from error
    with progress() as bar:
        task = bar.add_task("reading", total=None, told="")

        def listener(epoch: int, epochs: int, share: float, row: dict[str, Any]) -> None:
            if bar.disable and share == 1.0:
                return
            told = "  ".join(f"{k} {v:.3f}" for k, v in row.items() if k not in ("epoch", "lr"))
            bar.update(
                task, description=f"epoch {epoch}/{epochs}", total=epochs, completed=epoch - 1 + share, told=told
            )

        try:
            path = training.train(
                plan, clips, out,
                resume=resume, workers=workers, strict=strict, salvage=salvage, device=device,
                say=bar.console.print if not bar.disable else say, listener=listener,
            )  # fmt: skip
        except KeyboardInterrupt:
            bar.stop()
            say(f"stopped; the last whole epoch is saved: go on with the same command and --resume ({out})")
            raise typer.Exit(130) from None
    say(f"{path}")
