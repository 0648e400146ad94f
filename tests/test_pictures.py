"""Pictures: what is in them, and what they refuse. How they look was judged by eye."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from earmark.errors import ScoresError
from earmark.evaluation.figures import TagFigures
from earmark.report import pictures


def test_bars_say_which_tags_they_leave_out() -> None:
    rows = [TagFigures(f"tag{i:03d}", i + 1, i / 100, *[0.5] * 4) for i in range(100)]
    rows.append(TagFigures("unheard", 0, *[math.nan] * 5))
    figure = pictures.bars(rows, 300, 0.5, "mAP")
    assert "20 tags between the best and the worst 40 are not drawn" in figure.axes[0].get_title(loc="left")
    assert len(figure.axes[0].get_yticklabels()) == 80


def test_cells_of_the_confusion_hold_the_counts() -> None:
    counts = np.array([[3, 0, 1], [0, 2, 0], [1, 1, 0]])
    axes = pictures.confusion(counts, ["dog", "rain", "sea"], "accuracy").axes[0]
    cells = {(round(t.get_position()[1]), round(t.get_position()[0])): int(t.get_text()) for t in axes.texts}
    assert cells == {(r, c): n for r, row in enumerate(counts.tolist()) for c, n in enumerate(row) if n}
    assert [label.get_text() for label in axes.get_yticklabels()] == ["dog", "rain", "sea"]


HISTORY = [
    {"epoch": 1, "train_loss": 2.0, "valid_loss": 1.9, "valid_map": 0.3, "lr": 1e-3},
    {"epoch": 2, "train_loss": 1.0, "valid_loss": 1.2, "valid_map": 0.7, "lr": 1e-3},
    {"epoch": 3, "train_loss": 0.5, "valid_loss": 1.1, "valid_map": 0.6, "lr": 1e-4, "valid_dprime": 2.1},
    {"epoch": 4, "train_loss": float("nan"), "valid_loss": None, "valid_map": None, "lr": 0.0},
]


@pytest.mark.parametrize(
    ("monitor", "told"),
    [
        (None, "best epoch 2: valid map 0.7"),
        ("valid_loss", "best epoch 3: valid loss 1.1"),
        ("valid_dprime", "best epoch 3: valid dprime 2.1"),
    ],
)
def test_curves_mark_the_best_epoch(tmp_path: Path, monitor: str | None, told: str) -> None:
    figure = pictures.curves(HISTORY, monitor)
    pictures.save(figure, tmp_path / "curves.png")
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")
    assert figure.axes[0].get_title(loc="left") == told
    assert [axes.get_ylabel() for axes in figure.axes] == ["loss", "metric", "", "learning rate"]


def test_curves_name_the_epoch_that_was_kept() -> None:
    """With keep: last the tagger is not that of the best epoch, which the picture must not name."""
    title = pictures.curves(HISTORY, "valid_loss", kept=1).axes[0].get_title("left")
    assert title.startswith("kept epoch 1: valid loss ")


def test_curves_of_one_epoch_and_of_losses_alone() -> None:
    pictures.curves(HISTORY[:1])
    pictures.curves([{"epoch": 0, "train_loss": 1.0}, {"epoch": 1, "train_loss": None}])
    pictures.curves([{"epoch": 0, "train_loss": 1.0, "valid_loss": float("nan"), "lr": 0.0}])


def test_curves_say_what_is_wrong() -> None:
    with pytest.raises(ScoresError, match="no epochs"):
        pictures.curves([])
    with pytest.raises(ScoresError, match="a row of the history has no 'epoch'; it has loss"):
        pictures.curves([{"loss": 1.0}])
    with pytest.raises(ScoresError, match="no 'valid_mpa', did you mean 'valid_map'"):
        pictures.curves(HISTORY, monitor="valid_mpa")
    with pytest.raises(ScoresError, match="nothing but epochs"):
        pictures.curves([{"epoch": 1}])
