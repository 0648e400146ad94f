"""How far a training is where stderr is no terminal: a line an epoch, not many a second, and always the last one's."""

from __future__ import annotations

from earmark.cli.terminal.epochlines import EpochLines


def told(seconds: float, epochs: int, phases: tuple[str, ...] = ("",)) -> list[str]:
    """The lines of a training whose epochs take so many seconds and have four batches."""
    lines: list[str] = []
    now = [100.0]
    listen = EpochLines(lines.append, "fold 2", clock=lambda: now[0])
    for phase in phases:
        row: dict[str, float] = {}
        for epoch in range(1, epochs + 1):
            for batch in range(1, 5):
                now[0] += seconds / 4
                listen(phase, epoch, epochs, min(0.99, batch / 4), row)
            row = {"epoch": epoch, "lr": 0.01, "train_loss": 1.0 / epoch, "valid_loss": 2.0, "valid_map": 0.25}
        listen(phase, epochs, epochs, 1.0, row)
    return lines


def test_each_slow_epoch_has_its_line():
    lines = told(60.0, 3)
    assert [line.split("  ")[0] for line in lines] == [f"fold 2: epoch {n}/3" for n in (1, 2, 3)]
    assert lines[1] == "fold 2: epoch 2/3  train_loss 0.500  valid_loss 2.000  valid_map 0.250"


def test_quick_epochs_are_told_every_ten_seconds_and_the_last_always():
    lines = told(1.0, 25)  # 25 s: one at once, one after 10 s and one after 20 s, and the last
    assert len(lines) == 4
    assert lines[-1].startswith("fold 2: epoch 25/25")


def test_each_phase_has_its_last_epoch():
    lines = told(0.1, 2, ("first", "second"))
    ends = [line.split("  ")[0] for line in lines]
    assert "fold 2 first: epoch 2/2" in ends and "fold 2 second: epoch 2/2" in ends
    assert len(ends) == len(set(ends))
