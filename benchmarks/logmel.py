"""How fast waves become log-mel spectrograms on one core, and how exact they are.

earmark.models.features.LogMel beside torch.stft with what one would write around it, torchlibrosa and librosa: the same waves,
window, bands and floor, no centring. Each wave is loud noise and then a tone as a 16-bit file holds it, with little
beside it: `off, dB` is the largest difference from NumPy in float64, which shows what float32 loses there.
"""

from __future__ import annotations

import contextlib
import importlib.util
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.timing import compare, interleave
from earmark.engines.features.mel import mel_filters
from earmark.models.features import LogMel

EARMARK, BARE = "earmark LogMel", "torch.stft, float32"
GOAL = 0.9
FLOOR = 1e-10  # under the mel power
SETTLING = 31 << 20  # bytes

Way = Callable[[], Any]


@dataclass(frozen=True)
class Size:
    """window, fft, hop: samples."""

    sample_rate: int
    seconds: int
    window: int
    fft: int
    hop: int
    bands: int

    def __str__(self) -> str:
        return f"{self.seconds} s at {self.sample_rate / 1000:g} kHz, {self.bands} bands"


SIZES = Size(16_000, 10, 400, 512, 160, 64), Size(44_100, 2, 2048, 2048, 256, 128)
BATCHES = 1, 16


def main(quick: bool = False, say: Callable[[str], None] = lambda line: None) -> dict[str, Any]:
    """Figures of each size and batch."""
    tables, goals = [], []
    with _one_core():
        _settle()
        for size in SIZES:
            for batch in BATCHES:
                title = f"log-mel of {size}, batch {batch}"
                say(title)
                rows = _compare(size, batch, 3 if quick else 25)
                tables.append(_table(title, rows, batch))
                goals.append({"what": title, "value": rows[EARMARK]["ratio"], "at_least": GOAL})
    missing = [package for package in ("torchlibrosa", "librosa") if not importlib.util.find_spec(package)]
    notes = [
        "One core. A large block of memory is freed once beforehand, after which the C library keeps what is freed, as in "
        "any program that has run for a while; without it the first figures would be those of the system's page faults."
    ]
    return {"tables": tables, "goals": goals, "missing": missing, "notes": notes}


def _table(title: str, rows: dict[str, dict[str, float]], batch: int) -> dict[str, Any]:
    columns = ["", "ratio", "best", "median, ms", "min, ms", "spread", "clips/s", "off, dB"]
    cells = [
        [name, r["ratio"], r["best"], 1e3 * r["median"], 1e3 * r["min"], r["spread"], batch / r["median"], r["off"]]
        for name, r in rows.items()
    ]
    return {"title": title, "columns": columns, "rows": cells}


def _compare(size: Size, batch: int, rounds: int) -> dict[str, dict[str, float]]:
    waves = _waves(size, batch)
    ways = _ways(size, waves)
    with torch.inference_mode():
        times = interleave({name: way for name, (way, _) in ways.items()}, rounds, at_least=0.03)
        exact = _exact(size, waves)
        off = {name: float(np.abs(shape(way()) - exact).max()) for name, (way, shape) in ways.items()}
    return {name: {**row, "off": off[name]} for name, row in compare(times, BARE).items()}


def _waves(size: Size, batch: int) -> NDArray[np.float32]:
    """(batch, samples) as 16 bits hold them: noise at -20 dB re full scale, then a tone."""
    chance = np.random.default_rng(0)
    samples = size.sample_rate * size.seconds
    half = samples // 2
    waves = 0.1 * chance.standard_normal((batch, samples))
    pitch = chance.uniform(200, 400, (batch, 1))
    waves[:, half:] = 0.5 * np.sin(2 * np.pi * pitch * np.arange(samples - half) / size.sample_rate)
    steps = np.clip(np.rint(waves * 32768), -32768, 32767)
    return (steps / 32768).astype(np.float32)


def _exact(size: Size, waves: NDArray[np.float32]) -> NDArray[np.float64]:
    """(batch, bands, frames) in float64."""
    window = np.zeros(size.fft)
    before = (size.fft - size.window) // 2
    window[before : before + size.window] = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(size.window) / size.window)
    filters = mel_filters(size.sample_rate, size.fft, size.bands, 0.0, size.sample_rate / 2).astype(np.float64)
    rows = []
    for wave in waves.astype(np.float64):
        frames = np.lib.stride_tricks.sliding_window_view(wave, size.fft)[:: size.hop]
        power = np.abs(np.fft.rfft(frames * window)) ** 2
        rows.append(10 * np.log10(np.maximum(filters @ power.T, FLOOR)))
    return np.stack(rows)


def _ways(size: Size, waves: NDArray[np.float32]) -> dict[str, tuple[Way, Callable[[Any], NDArray[np.float32]]]]:
    """name → (a call, its result → (batch, bands, frames))."""
    batch = torch.from_numpy(waves)
    rate = size.sample_rate
    feature = LogMel(rate, size.window / rate, size.hop / rate, size.bands, fft=size.fft, floor=FLOOR)
    ways: dict[str, tuple[Way, Callable[[Any], NDArray[np.float32]]]] = {
        BARE: (_bare(size, batch), lambda mel: mel.numpy()),
        EARMARK: (lambda: feature(batch), lambda mel: mel[:, 0].numpy()),
    }
    if importlib.util.find_spec("torchlibrosa"):
        ways["torchlibrosa"] = _torchlibrosa(size, batch), lambda mel: mel[:, 0].transpose(1, 2).numpy()
    if importlib.util.find_spec("librosa"):
        ways["librosa"] = _librosa(size, waves), lambda mel: mel
    return ways


def _bare(size: Size, waves: Tensor) -> Way:
    """What one writes in five lines. Parts are squared: the fastest of three spellings, ahead of `abs` and of a sum."""
    window = torch.hann_window(size.window)
    filters = torch.from_numpy(mel_filters(size.sample_rate, size.fft, size.bands, 0.0, size.sample_rate / 2))

    def log_mel() -> Tensor:
        bins = torch.stft(waves, size.fft, size.hop, size.window, window, center=False, return_complex=True)
        power = bins.real.square() + bins.imag.square()
        return 10 * torch.log10((filters @ power).clamp(min=FLOOR))

    return log_mel


def _torchlibrosa(size: Size, waves: Tensor) -> Way:
    from torchlibrosa.stft import LogmelFilterBank, Spectrogram

    spectrogram = Spectrogram(
        n_fft=size.fft, hop_length=size.hop, win_length=size.window, center=False, freeze_parameters=True
    )
    log_mel = LogmelFilterBank(
        sr=size.sample_rate,
        n_fft=size.fft,
        n_mels=size.bands,
        fmin=0,
        fmax=size.sample_rate // 2,
        ref=1.0,
        amin=FLOOR,
        top_db=None,
        freeze_parameters=True,
    )
    return lambda: log_mel(spectrogram(waves))


def _librosa(size: Size, waves: NDArray[np.float32]) -> Way:
    import librosa

    def log_mel() -> Any:
        mel = librosa.feature.melspectrogram(
            y=waves,
            sr=size.sample_rate,
            n_fft=size.fft,
            hop_length=size.hop,
            win_length=size.window,
            n_mels=size.bands,
            center=False,
        )
        return librosa.power_to_db(mel, ref=1.0, amin=FLOOR, top_db=None)

    return log_mel


@contextlib.contextmanager
def _one_core() -> Iterator[None]:
    """PyTorch and, where librosa brings threadpoolctl, NumPy's BLAS on one thread."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    with contextlib.ExitStack() as stack:
        if importlib.util.find_spec("threadpoolctl"):
            from threadpoolctl import threadpool_limits

            stack.enter_context(threadpool_limits(1, "blas"))
        try:
            yield
        finally:
            torch.set_num_threads(before)


def _settle() -> None:
    """glibc raises its limits for giving memory back to the system to the largest block freed, up to 32 MiB."""
    torch.empty(SETTLING, dtype=torch.uint8)
