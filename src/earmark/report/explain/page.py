"""The page of an explanation: its pictures, each with what it shows, in one HTML file."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from earmark.errors import counted
from earmark.inference.outputs import SILENT
from earmark.report import page
from earmark.report.explain.filters import LEVEL, NOISES


def page_of(facts: Mapping[str, Any], folder: Path, summary: str) -> str:
    """`facts` as earmark.report.explain says it, with the pictures out of `folder`. summary: of the tagger."""
    sections = [
        ("notes", "Notes", page.bullets(facts["notes"], "told")),
        ("first", "The first layer", _first(facts, folder)),
        ("filters", "What excites the filters most", _filters(facts, folder)),
        ("gates", "Gates", _gates(facts, folder)),
        ("recordings", "Recordings", _recordings(facts, folder)),
    ]
    lead = f"{summary or facts['net']}. Tagger {facts['tagger']}, net {facts['net']}, {facts['sample_rate']:,} Hz."
    return page.page("Explanation", "What goes on inside", lead, sections)


def _picture(folder: Path, file: str, caption: str) -> str:
    data = base64.b64encode((folder / file).read_bytes()).decode("ascii")
    return f'<p><img style="max-width:100%" alt="{escape(caption)}" src="data:image/png;base64,{data}"></p>'


def _aside(text: str) -> str:
    return f'<p class="aside">{escape(text)}</p>'


def _first(facts: Mapping[str, Any], folder: Path) -> str:
    html = ""
    if facts["responses"]:
        html += _aside(
            "The magnitude of each kernel's Fourier transform. The centre frequency is where it is largest. "
            f"From the curve that is even in mel it lies {facts['responses']['mel_distance']:.1%} of all mels away on "
            f"average, from the one that is even in Hz {facts['responses']['linear_distance']:.1%}."
        ) + _picture(folder, facts["responses"]["picture"], "Frequency responses of the first layer's kernels")
    if facts["kernels"]:
        html += _aside("The kernels that the spectrogram meets first: red adds, blue takes away.")
        html += _picture(folder, facts["kernels"]["picture"], "Kernels of the first layer on the spectrogram")
    return html


def _filters(facts: Mapping[str, Any], folder: Path) -> str:
    if not facts["layers"]:
        return ""
    lines = [
        [
            (f"{row['number']}", row["number"]), page.words(row["name"]), page.figure(row["filters"], 0),
            page.figure(row["samples"], 0), page.figure(float(np.median(row["centres"])), 0),
            page.figure(float(np.mean(row["before"]))), page.figure(float(np.mean(row["after"]))), *_heard(row),
            page.figure(row["mel_distance"]), page.figure(row["linear_distance"]),
        ]
        for row in facts["layers"]
    ]  # fmt: skip
    head = [
        "layer",
        "convolution",
        "filters",
        "samples",
        "median centre (Hz)",
        "noise",
        "found",
        *["recordings", "above them"] * any(row["heard"] for row in facts["layers"]),
        "from mel",
        "from linear",
    ]
    html = _aside(
        f"For each filter the input, of root-mean-square {LEVEL:g}, that excites it most: {counted(facts['steps'], 'step')} of gradient "
        f"ascent from noise, the one of {NOISES} that excites it most. Columns are the spectra of these inputs, "
        "sorted by the frequency at which they are largest. It need not be a sound that occurs anywhere: where the recordings "
        "that the net learnt from had nothing, as above half of their own sample rate, what it answers to is left to chance."
    )
    if facts.get("centres"):
        html += _picture(folder, facts["centres"], "Centre frequencies of all layers against the mel scale")
    html += page.table("Activations are means over filters and time", head, lines, words=(0, 1))
    for row in facts["layers"]:
        html += _picture(folder, row["picture"], f"Spectra of what excites the filters of layer {row['number']} most")
    return html


def _heard(row: Mapping[str, Any]) -> list[page.Cell]:
    """Cells: what pieces of recordings bring about at most, and of how many filters the input found brings about more."""
    if not row["heard"]:
        return []
    above = np.mean(np.array(row["after"]) > np.array(row["heard"]))
    return [page.figure(float(np.mean(row["heard"]))), (f"{above:.0%}", float(above))]


def _gates(facts: Mapping[str, Any], folder: Path) -> str:
    if not facts["gates"]:
        return ""
    return _aside(
        "How far each channel is let through, the mean over the recordings to which the tagger gives a tag. Lines that lie "
        "on each other: the gates do not depend on the sound."
    ) + _picture(folder, facts["gates"]["picture"], "Mean gates of each block")


def _recordings(facts: Mapping[str, Any], folder: Path) -> str:
    shown = [row for row in facts["recordings"] if "picture" in row]
    silent = "".join(f"<p>{escape(row['path'])} {SILENT}</p>" for row in facts["recordings"] if row.get("silent"))
    if not shown:
        return silent
    html = silent + _aside(
        "Attention is drawn times the number of moments: 1 (dashed) is what each would count if all counted the same. "
        "Below it what each moment says by itself. Pale lines part the windows that the tagger hears one by one."
    )
    if facts["net"] == "rawresnet":
        html += _aside(
            "The last layer of a level mixes the tags of its two attentions, which so need not stay those of the clip."
        )
    return html + "".join(_picture(folder, row["picture"], f"{row['path']} over time") for row in shown)
