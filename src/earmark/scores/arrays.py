"""What Scores and Embeddings hold, in the kinds that their files keep: whatever is taken is written, and read back the same.

Numbers are float32 and seconds float64, as files have them; what these cannot hold, and what is no such thing, is refused.
"""

from __future__ import annotations

import json
import math
import numbers
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from earmark.errors import ScoresError
from earmark.files.texts import check_ids, is_text

UNNAMED = re.compile(r"Unnamed: \d+")  # pandas' own name for a column without one, which it writes out again
LARGEST = float(np.finfo(np.float32).max)


def singles(what: str, values: NDArray[Any], shape: int) -> NDArray[np.float32]:
    """Numbers as float32, to which others are rounded. shape: how many sides the array has. Raises ScoresError.

    What is not finite stays so: whoever asks knows which row it is in.
    """
    values = _plain_array(what, values, shape)
    if values.dtype == np.float32:
        return values
    if values.dtype.kind not in "iufb":
        raise ScoresError(f"{what} are {values.dtype}: give numbers, as in values.astype(numpy.float32)")
    beyond = np.isfinite(values) & (np.abs(values, dtype=np.float64) > LARGEST)
    if beyond.any():
        first = values[tuple(np.argwhere(beyond)[0])]
        raise ScoresError(
            f"{what} hold {first:g}, beyond the largest number of float32, {LARGEST:.2g}, which files keep"
        )
    return values.astype(np.float32)


def seconds(what: str, values: NDArray[Any]) -> NDArray[np.float64]:
    """(rows,) float64; nan where it is not known. Raises ScoresError."""
    values = _plain_array(what, values, 1)
    if values.dtype == np.float64:
        return values
    if values.dtype.kind not in "iuf":
        raise ScoresError(f"{what} is {values.dtype}: give seconds from the start of the recording, as numbers")
    return values.astype(np.float64)


def names(values: NDArray[Any]) -> NDArray[np.str_]:
    """(rows,) text, of which none is empty: the ids of rows. Raises ScoresError."""
    values = _plain_array("ids", values, 1)
    if not len(values):
        return np.zeros(0, str)
    if values.dtype.kind == "O" and all(isinstance(each, str) for each in values):
        values = np.array([str(each) for each in values.tolist()])
    if values.dtype.kind != "U":
        row = next((i for i, each in enumerate(values.tolist()) if not isinstance(each, str)), 0)
        raise ScoresError(
            f"the id in row {row + 1} is {values[row]!r}, no text: name the clip or recording, as in ids.astype(str) where these "
            "are numbers"
        )
    if (blank := values == "").any():
        raise ScoresError(f"row {int(blank.argmax()) + 1} has no id: name its clip or recording")
    codes = np.ascontiguousarray(values).view(np.uint32)
    if ((codes >= 0xD800) & (codes <= 0xDFFF)).any():
        check_ids(values.tolist())
    return values


def tag_names(tags: Sequence[Any]) -> tuple[str, ...]:
    """Raises ScoresError for what is no text, or none that can be written, and for a name of nothing or of blanks alone."""
    wrong = [tag for tag in tags if not isinstance(tag, str) or not is_text(tag)]
    if wrong:
        why = "no text" if not isinstance(wrong[0], str) else "not UTF-8, so that no table can keep it"
        raise ScoresError(f"the tag {wrong[0]!r} is {why}: give tags as text")
    if (place := nameless(tags)) is not None:
        raise ScoresError(
            f"tag {place + 1} of {len(tags)} is {tags[place]!r}, which names nothing: mostly the index of a table that pandas wrote. "
            "Write it with to_csv(…, index=False), or leave that column out, or name the tag"
        )
    return tuple(map(str, tags))


def nameless(tags: Sequence[str]) -> int | None:
    """The place of the first that names nothing: an empty one, one of blanks alone, what pandas makes of such; None: there is none.

    >>> nameless(["dog", " "]), nameless(["Unnamed: 0", "dog"]), nameless(["dog", "rain"])
    (1, 0, None)
    """
    return next((place for place, tag in enumerate(tags) if not tag.strip() or UNNAMED.fullmatch(tag)), None)


def plain_facts(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Facts as JSON has them, NumPy's numbers and arrays too. Raises ScoresError for what JSON cannot tell."""
    return {key: _plain(value, key) for key, value in _keyed(facts, "").items()}


def _plain(value: Any, place: str) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(each, f"{place}.{key}") for key, each in _keyed(value, place).items()}
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return [_plain(each, f"{place}[{i}]") for i, each in enumerate(value)]
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, str) and is_text(value):
        return str(value)
    if isinstance(value, numbers.Real) and math.isfinite(value):
        return float(value)
    raise ScoresError(
        f"facts tell {value!r} under {place!r}, which JSON does not: give text, finite numbers, lists and dictionaries of them"
    )


def _keyed(facts: Mapping[Any, Any], place: str) -> Mapping[str, Any]:
    if wrong := [key for key in facts if not isinstance(key, str) or not is_text(key)]:
        raise ScoresError(
            f"facts have the key {wrong[0]!r}{f' under {place!r}' if place else ''}: JSON knows text alone"
        )
    return facts


def _plain_array(what: str, values: NDArray[Any], sides: int) -> NDArray[Any]:
    """The same of NumPy's own class. Raises ScoresError for another shape, and for a mask, which would be forgotten."""
    if isinstance(values, np.ma.MaskedArray):
        raise ScoresError(
            f"{what} is a masked array, whose mask no file keeps: leave those rows out, or fill them, as in {what}.filled(0)"
        )
    if values.ndim != sides:
        need = "(rows,)" if sides == 1 else "two sides, (rows, numbers)"
        raise ScoresError(f"{what} has the shape {values.shape}; it must be {need}")
    return np.asarray(values)


def read(metadata: Mapping[bytes, bytes] | None, key: str) -> Any:
    """What `told` wrote under a key of a file's metadata; None where it has none. Files of before may tell numbers that are none."""
    return json.loads((metadata or {}).get(key.encode(), b"null"), parse_constant=lambda _: None)


def told(head: Mapping[str, Any]) -> str:
    """What a file's metadata holds, as JSON."""
    return json.dumps(head, allow_nan=False)
