"""What goes on inside a tagger: what its filters listen for, what its gates let through, where its attention lies.

`explain` writes into a folder a picture of each thing, `explain.json` with the numbers, and `index.html` with all
pictures. The JSON:

    {"tagger": identity, "net", "sample_rate", "seed", "steps",
     "layers": [{"number", "name", "kernel", "stride", "filters", "samples", "chosen": [places of filters],
                 "centres": [Hz], "before", "after": [activation by noise and by the input found, at one level],
                 "heard": [the highest by a piece of the recordings at that level] or null,
                 "mel_distance", "linear_distance", "picture"}],
     "responses": the same centres and distances, of the first layer's kernels, or null,
     "kernels": {"name", "shape", "picture"} of a first layer on maps, or null,
     "gates": {"blocks": [names], "tags": {tag: [[gates of a block's channels]]}, "recordings": {tag: n}, "picture"} or null,
     "recordings": [{"path", "start", "seconds", "windows": [{"start", "end", "scores": {tag: …},
                     "levels": [{tag: …}], "tracks": [{"name", "edges", "values": {tag: […]}}], "silent": true}], "picture"}
                    or, of a silent one, {"path", "start", "seconds", "silent": true, "windows": []}],
     "notes": [sentences]}

Windows tell of the recording's strongest tags alone. A distance is the mean one of the sorted centre frequencies from
a curve even in mel or in Hz, in mel, as a share of all mels up to half the sample rate. What `earmark tag` calls silent is called so
here, a recording and a window of one (others have no "silent"): whatever the net makes of it, nothing is heard in it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from earmark.errors import EarmarkError, TaggerError, agreed, counted
from earmark.files import write_text
from earmark.files.stores import place
from earmark.files.texts import check_name
from earmark.registry import did_you_mean
from earmark.report import pictures
from earmark.report.explain import drawing, filters, stage
from earmark.report.explain.filters import STEPS, Maximised
from earmark.report.explain.gates import blocks, opened
from earmark.report.explain.layers import Layer, raw_layers
from earmark.report.explain.moments import Curve, Moments, Passage, cut, hear, listen, silence, tells
from earmark.report.explain.page import page_of
from earmark.scores.reserved import told

if TYPE_CHECKING:
    from earmark.models.anytagger import AnyTagger
    from earmark.models.tagger import Tagger

__all__ = ["MOST", "STEPS", "Explanation", "select"]

MOST = 64  # filters of a layer
KERNELS = 64  # of a layer on maps
SECONDS_KEPT = 10  # s of a recording, to hold against what excites the filters: 256 recordings at 44.1 kHz are 450 MB
LONGEST_NAME = 60  # letters of a picture's file: file systems take 255 bytes, and a letter has up to four


class Explanation:
    """What is found about one tagger, written into `folder` piece by piece; `close` writes the JSON and the page.

    Raises TaggerError for an ensemble, which has no layers of its own.
    """

    def __init__(self, tagger: AnyTagger, folder: str | Path, *, steps: int = STEPS, seed: int = 0):
        self.tagger, self.folder = tagger.alone, place(folder)
        self.layers = raw_layers(self.tagger)
        self._gates: dict[str, list[dict[str, Any]]] = {}
        self._waves: list[NDArray[np.float32]] = []
        self.facts: dict[str, Any] = {
            "tagger": tagger.identity(), "net": tagger.recipe.net.name, "sample_rate": tagger.sample_rate, "seed": seed,
            "steps": steps, "layers": [], "responses": None, "kernels": None, "gates": None, "recordings": [], "notes": [],
        }  # fmt: skip

    def add_filters(
        self, layers: Sequence[Layer], most: int = MOST, before: Callable[[Layer], None] = lambda _: None
    ) -> None:
        """What excites the filters of these layers most, held against the recordings that were added. before: called before
        each.
        """
        rate = self.tagger.sample_rate
        centres: dict[str, filters.Floats] = {}
        hz = filters.frequencies(rate)
        for layer in layers:
            before(layer)
            maximised = filters.maximise(
                self.tagger,
                layer,
                most=most,
                steps=self.facts["steps"],
                seed=self.facts["seed"],
                recordings=self._waves,
            )
            centres[f"{layer.number}  {layer.name}"] = maximised.centres
            title = (
                f"layer {layer.number}, {layer.name}: what excites {_of(len(maximised.chosen), layer.filters)} "
                f"{agreed(layer.filters, 'filter', 'filters')} most"
            )
            figure = drawing.spectra(maximised.power, hz, maximised.centres, title)
            row = _layer(maximised, rate)
            row["picture"] = self._save(figure, f"filters-{layer.number:02}-{layer.name}")
            self.facts["layers"].append(row)
        if len(layers) > 1:
            figure = drawing.centres(centres, rate, "centre frequencies of what excites the filters most")
            self.facts["centres"] = self._save(figure, "filters")

    def add_responses(self) -> None:
        """What the kernels of the first layer let through, of one on samples and of one on maps."""
        net, rate = self.tagger.net, self.tagger.sample_rate
        if self.layers:
            first = self.layers[0]
            hz, gains, centres = filters.responses(self.tagger, first)
            title = (
                f"layer 1, {first.name}: frequency response of its {counted(first.filters, 'kernel')} of "
                f"{counted(first.kernel, 'sample')}"
            )
            picture = self._save(drawing.responses(gains**2, hz, centres, title), "responses")
            self.facts["responses"] = {"name": first.name, **_centres(centres, rate), "picture": picture}
        if self.tagger.input != "waves":
            name, conv = _first_on_maps(net)
            weights = conv.weight.detach().cpu().numpy()[:KERNELS, 0]
            title = (
                f"{name}: {_of(len(weights), conv.out_channels)} {agreed(conv.out_channels, 'kernel', 'kernels')} on the map "
                "(each by its own scale, 0 is white)"
            )
            picture = self._save(drawing.kernels(weights, title), "kernels")
            self.facts["kernels"] = {"name": name, "shape": list(conv.weight.shape), "picture": picture}

    def add_recording(self, path: Path, start: float = 0.0, *, salvage: bool = False) -> list[str]:
        """What the net makes of a recording's moments, and what its gates let through; returns what is to be said of it.

        Raises AudioError where it cannot be read.
        """
        check_name(path)  # its page and its numbers are UTF-8
        excerpt = listen(str(path), self.tagger, start, salvage=salvage)
        seconds = len(excerpt.wave) / self.tagger.sample_rate
        notes = list(excerpt.notes)
        if not excerpt.whole:
            notes.append(f"{path}: only {seconds:.1f} s from {start:g} s on are explained; --start moves there")
        (silent,), said = silence(self.tagger, path, [excerpt.wave])
        notes += said
        self.facts["notes"] += notes
        if silent:
            told_of = {"path": str(path), "start": excerpt.start, "seconds": round(seconds, 4)}
            self.facts["recordings"].append({**told_of, "silent": True, "windows": []})
            return notes
        self._keep(excerpt.wave)
        windows, starts = cut(excerpt, self.tagger)
        moments = hear(self.tagger, windows, starts)
        if blocks(self.tagger):
            which = told(self.tagger.vocabulary, self.tagger.reserved)
            means = np.where(which, np.mean([window.scores for window in moments], 0), -1.0)
            tag = self.tagger.vocabulary[int(means.argmax())]
            self._gates.setdefault(tag, []).append(opened(self.tagger, windows))
        row = _recording(path, excerpt, moments, self.tagger)
        if len(windows) > 1:
            for window, nothing in zip(row["windows"], silence(self.tagger, path, [*windows])[0], strict=True):
                window |= {"silent": True} if nothing else {}
        if tells(self.tagger):
            figure = stage.draw(excerpt, moments, self.tagger.vocabulary, self.tagger.sample_rate, path.name)
            row["picture"] = self._save(figure, f"moments-{len(self.facts['recordings']) + 1:02}-{path.name}")
        self.facts["recordings"].append(row)
        return notes

    @property
    def hears(self) -> bool:
        """Whether recordings show anything: what `shows` says, or filters on samples to hold them against."""
        return self.shows or bool(self.layers)

    @property
    def shows(self) -> bool:
        """Whether the net can be seen at work on a recording: it tells of moments, or has gates."""
        return tells(self.tagger) or bool(blocks(self.tagger))

    def close(self) -> Path:
        """Write what is left; returns the page."""
        names = blocks(self.tagger)
        if self._gates:
            by_count = sorted(self._gates.items(), key=lambda item: -len(item[1]))
            of_tags = {
                tag: [np.mean([gates[n] for gates in recordings], 0) for n in names] for tag, recordings in by_count
            }
            counts = {tag: len(recordings) for tag, recordings in by_count}
            labels = {f"{tag} ({counts[tag]})": by_block for tag, by_block in of_tags.items()}
            picture = self._save(drawing.gates(labels, names, "gates, by the tag that a recording gets"), "gates")
            numbers = {
                tag: [[round(float(gate), 5) for gate in block] for block in by_block]
                for tag, by_block in of_tags.items()
            }
            self.facts["gates"] = {"blocks": names, "tags": numbers, "recordings": counts, "picture": picture}
        self.folder.mkdir(parents=True, exist_ok=True)
        text = json.dumps(self.facts, indent=1, ensure_ascii=False, allow_nan=False)
        write_text(self.folder / "explain.json", text + "\n")
        page = self.folder / "index.html"
        write_text(page, page_of(self.facts, self.folder, self.tagger.recipe.summary))
        return page

    def _keep(self, wave: NDArray[np.float32]) -> None:
        """The beginning of a recording, for `add_filters`, as long as there are not too many."""
        if self.layers and len(self._waves) < filters.PIECES:
            self._waves.append(wave[: SECONDS_KEPT * self.tagger.sample_rate])

    def _save(self, figure: Any, name: str) -> str:
        file = re.sub(r"[^\w.-]+", "-", name)[:LONGEST_NAME] + ".png"
        self.folder.mkdir(parents=True, exist_ok=True)
        pictures.save(figure, self.folder / file)
        return file


def select(layers: Sequence[Layer], choice: Sequence[str] | None) -> list[Layer]:
    """Layers by number (3), range (1-3) or name; None: all. Raises EarmarkError, with those that there are."""
    if choice is None:
        return list(layers)
    chosen: set[int] = set()
    by_name = {layer.name: layer.number for layer in layers}
    for part in choice:
        span = re.fullmatch(r"(\d+)(?:-(\d+))?", part)
        wanted = range(int(span[1]), int(span[2] or span[1]) + 1) if span else [by_name.get(part, 0)]
        if not wanted or min(wanted) < 1 or max(wanted) > len(layers):
            there = ", ".join(f"{layer.number} ({layer.name})" for layer in layers)
            raise EarmarkError(f"no layer {part}{did_you_mean(part, by_name)} There are {there}")
        chosen |= set(wanted)
    return [layer for layer in layers if layer.number in chosen]


def _of(shown: int, all_of_them: int) -> str:
    return f"its {shown:,}" if shown == all_of_them else f"{shown:,} of {all_of_them:,}"


def _centres(centres: filters.Floats, rate: int) -> dict[str, Any]:
    even = (np.arange(len(centres)) + 0.5) / len(centres) * rate / 2
    return {
        "centres": [round(float(hz), 2) for hz in centres],
        "mel_distance": round(filters.mel_distance(centres, filters.mel_curve(len(centres), rate), rate), 5),
        "linear_distance": round(filters.mel_distance(centres, even, rate), 5),
    }


def _layer(maximised: Maximised, rate: int) -> dict[str, Any]:
    layer = maximised.layer
    return {
        "number": layer.number, "name": layer.name, "kernel": layer.kernel, "stride": layer.stride, "filters": layer.filters,
        "samples": maximised.waves.shape[1], "chosen": maximised.chosen.tolist(), **_centres(maximised.centres, rate),
        "before": [float(f"{value:.6g}") for value in maximised.before],
        "after": [float(f"{value:.6g}") for value in maximised.after],
        "heard": None if maximised.by_recordings is None else [float(f"{value:.6g}") for value in maximised.by_recordings],
    }  # fmt: skip


def _first_on_maps(net: nn.Module) -> tuple[str, nn.Conv2d]:
    for name, part in net.named_modules():
        if isinstance(part, nn.Conv2d) and part.kernel_size[0] > 1:
            return name, part
    raise TaggerError("this net has no convolution over bands and frames: there are no kernels to show")


def _recording(path: Path, excerpt: Passage, moments: Sequence[Moments], tagger: Tagger) -> dict[str, Any]:
    chosen = {tagger.vocabulary[i]: i for i in stage.strongest(moments)}

    def by_tag(values: Any) -> dict[str, Any]:
        return {tag: np.round(values[..., i].astype(float), 5).tolist() for tag, i in chosen.items()}

    def track(curve: Curve) -> dict[str, Any]:
        return {"name": curve.name, "edges": np.round(curve.edges, 4).tolist(), "values": by_tag(curve.values)}

    windows = [
        {
            "start": round(window.start, 4), "end": round(window.end, 4), "scores": by_tag(window.scores),
            "levels": [by_tag(level) for level in window.levels],
            "tracks": [track(curve) for curve in (*window.attention, *filter(None, [window.frames]))],
        }
        for window in moments
    ]  # fmt: skip
    seconds = len(excerpt.wave) / tagger.sample_rate
    return {"path": str(path), "start": excerpt.start, "seconds": round(seconds, 4), "windows": windows}
