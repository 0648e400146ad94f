"""An HTML page in one file: its frame, and the parts that several kinds of page share.

A page asks for nothing from outside: style, script, sound and pictures are in it, and its content security policy
forbids the rest, scripts other than its own included. Every text that comes from data goes through `escape`.
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
from collections.abc import Sequence
from functools import cache
from html import escape
from importlib.resources import files
from typing import Any

from earmark.report.excerpt import RATE, SECONDS, Excerpt, Excerpts

TALL = 60  # rows of a table beyond which it scrolls by itself, under its head
Cell = tuple[str, str | float | None]  # HTML, and what the column is sorted by


@cache
def _part(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8").strip()


def page(kind: str, title: str, lead: str, sections: Sequence[tuple[str, str, str]], data: Any = None) -> str:
    """The document. lead: plain text. sections: (name, title, HTML), empty ones are left out. data: for the script."""
    shown = [(name, head, body) for name, head, body in sections if body]
    links = "".join(f'<li><a href="#{name}">{escape(head)}</a></li>' for name, head, _ in shown)
    body = "\n".join(
        f'<section id="{name}" aria-labelledby="{name}-title">\n<h2 id="{name}-title">{escape(head)}</h2>\n{html}\n</section>'
        for name, head, html in shown
    )
    script = _part("page.js")
    policy = (
        "default-src 'none'; img-src data:; media-src data:; style-src 'unsafe-inline'; base-uri 'none'; "
        f"form-action 'none'; script-src '{digest(script)}'"
    )
    # "<" would let data end the element that it stands in
    held = json.dumps(data or {}, ensure_ascii=False, allow_nan=False).replace("<", "\\u003c")
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<title>{escape(title)} · earmark</title>
<link rel="icon" href="data:,">
<style>
{_part("page.css")}
</style>
</head>
<body>
<a class="skip" href="#main">Skip to the report</a>
<header>
<p class="kind">{escape(kind)}</p>
<h1>{escape(title)}</h1>
<p class="lead">{escape(lead)}</p>
<nav aria-label="Sections"><ul>{links}</ul></nav>
</header>
<main id="main">
{body}
</main>
<footer><p>Written by earmark. This page is complete in itself: it loads nothing from anywhere.</p></footer>
<script type="application/json" id="data">{held}</script>
<script>{script}</script>
</body>
</html>
"""


def digest(script: str) -> str:
    """What a content security policy knows a script by."""
    return "sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii")


def table(
    caption: str,
    head: Sequence[str],
    rows: Sequence[Sequence[Cell]],
    *,
    words: Sequence[int] = (0,),
    plain: Sequence[int] = (),
    sortable: bool = False,
) -> str:
    """A table whose first column heads its rows. words: columns set left. plain: columns that cannot be sorted by."""

    def header(i: int, name: str) -> str:
        kind = ' class="words"' if i in words else ""
        if not sortable or i in plain:
            return f'<th scope="col"{kind}>{escape(name)}</th>'
        return f'<th scope="col"{kind} aria-sort="none"><button type="button">{escape(name)}</button></th>'

    def body(i: int, cell: Cell) -> str:
        html, key = cell
        kind = ' class="words"' if i in words else ""
        order = f' data-key="{escape(str(key))}"' if sortable and key is not None else ""
        return f'<th scope="row"{kind}{order}>{html}</th>' if i == 0 else f"<td{kind}{order}>{html}</td>"

    top = "".join(header(i, name) for i, name in enumerate(head))
    lines = "\n".join("<tr>" + "".join(body(i, cell) for i, cell in enumerate(row)) + "</tr>" for row in rows)
    sorts = ' class="sortable"' if sortable else ""
    return (
        f'<div class="wide{" tall" if len(rows) > TALL else ""}" tabindex="0" role="region" aria-label="{escape(caption)}">'
        f"<table{sorts}><caption>{escape(caption)}</caption>"
        f"<thead><tr>{top}</tr></thead>\n<tbody>\n{lines}\n</tbody></table></div>"
    )


def figure(number: float | None, digits: int = 3) -> Cell:
    """A number, sorted by its full value; what has none comes last."""
    if number is None or not math.isfinite(number):
        return "–", None
    return f"{number:.{digits}f}", number


def words(text: Any) -> Cell:
    return escape(str(text)), str(text).casefold()


def bullets(sentences: Sequence[str], kind: str) -> str:
    if not sentences:
        return ""
    items = "".join(f"<li>{escape(sentence)}</li>" for sentence in sentences)
    return f'<ul class="{kind}">{items}</ul>'


def clip(excerpts: Excerpts | None, id_: str, path: str, inside: str, place: int, facts: str = "") -> str:
    """A clip by its id, with its spectrogram and player. inside: HTML below them. facts: attributes for the script."""
    heard = excerpts.of(id_) if excerpts else None
    media = ""
    if isinstance(heard, Excerpt):
        told = ", ".join([f"{heard.seconds:.1f} s from {heard.start:.1f} s on", *heard.told])
        media = (
            f'<div class="scene"><img src="{heard.picture}" alt="Spectrogram of {escape(path)}, {escape(told)}">'
            '<span class="playhead" hidden></span></div>'
            f'<audio controls preload="metadata" aria-label="{escape(path)}" src="{heard.sound}"></audio>'
        )
        shown = f'{escape(path)} <span class="aside">{escape(told)}</span>'
    else:
        shown = escape(path)
        media = f'<p class="unheard">{escape(heard)}</p>' if heard else ""
    return f'<li class="clip"{facts}>{media}<h3><span class="rank">{place}</span> {inside}</h3><p class="path">{shown}</p></li>'


def arrow(meaning: str) -> str:
    """An arrow, which is read out as what it means."""
    return f'<span class="arrow"><span aria-hidden="true">→</span><span class="unseen">{escape(meaning)}</span></span>'


def about_excerpts(excerpts: Excerpts | None) -> list[str]:
    """What people must know of the players, once they are made."""
    if excerpts is None:
        return []
    told = [
        f"Players hold at most {SECONDS:g} s around the loudest part, one channel, {RATE / 1000:g} kHz; spectrograms show "
        f"the same seconds from 0 to {RATE / 2000:g} kHz (mel scale)."
    ]
    if excerpts.full:
        told.append(
            f"They take {excerpts.budget / 1e6:g} MB at most, which is reached: the clips after that have none."
        )
    return told
