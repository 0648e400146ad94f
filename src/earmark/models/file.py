"""The file of a tagger or an ensemble: safetensors, with what it tells of itself as JSON in the header.

Reading gives numbers and JSON; no code can come out of the file. A file that is cut, altered, added to, of a newer
version or of another kind is refused with a TaggerError.
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from earmark.errors import EarmarkError, TaggerError, counted
from earmark.files import missing_place, write_bytes
from earmark.files.bounds import HEADER, TENSORS
from earmark.scores.arrays import nameless

if TYPE_CHECKING:
    from earmark.recipe import Recipe

Weights = Mapping[str, NDArray[Any]]
FORMAT = "earmark-tagger"  # of a tagger, and the key in the header of both kinds
ENSEMBLE = "earmark-ensemble"
VERSION = 1  # that is written
NEWEST = 2  # of an ensemble that is read: one with a temperature, which earlier versions would leave out
LARGEST_HEADER = 100_000_000  # bytes; the limit of the safetensors format
# What a header can raise that is not as it should be: no JSON, JSON of another shape, JSON without end
UNFIT = (ValueError, LookupError, TypeError, AttributeError, RecursionError)
# what every description holds, and an ensemble's of each member
HELD: dict[str, type] = {
    "recipe": dict,
    "vocabulary": list,
    "facts": object,
}  # of facts `Facts.read` says what is wrong
HELD_BY_ENSEMBLES: dict[str, type] = {"members": list, "weights": list, "rule": str, "facts": object}


def write(path: str | Path, weights: Weights, head: Mapping[str, Any]) -> None:
    """Write weights and head, with the version and a checksum; the old file stays whole until the new one is.

    Raises TaggerError for a folder, and where the file's folder is not there.
    """
    from safetensors.numpy import save

    if wrong := missing_place(path):
        raise TaggerError(wrong)
    told = json.loads(
        json.dumps({"format": head["format"], "version": VERSION, **head})
    )  # as it will be read: a key 5 is a key "5"
    told["sha256"] = digest(weights, told)
    whole = {name: np.asarray(value, order="C") for name, value in weights.items()}
    write_bytes(path, save(whole, {FORMAT: json.dumps(told, ensure_ascii=False)}))


def read(path: Path) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """(head, weights), whose checksum is right."""
    head = read_head(path)
    weights = _read_weights(path)
    told = {key: value for key, value in head.items() if key != "sha256"}
    if digest(weights, told) != head.get("sha256"):
        raise TaggerError(f"{path}: is not as it was saved (its checksum differs): altered or damaged. Fetch it again")
    return head, weights


def read_head(path: str | Path) -> dict[str, Any]:
    """What a tagger file tells of itself, without reading the weights. Raises TaggerError."""
    path = Path(path)
    text, size = _read_header(path)
    try:
        header = json.loads(text)
        told = header["__metadata__"][FORMAT]
        ends = [value["data_offsets"][1] for key, value in header.items() if key != "__metadata__"]
        end = 8 + len(text) + max(ends, default=0)
        count = len(ends)
    except UNFIT as error:
        raise TaggerError(f"{path}: is not an earmark tagger, or its header is damaged") from error
    if count > TENSORS:
        raise TaggerError(f"{path}: names {counted(count, 'tensor')}, and a tagger has {TENSORS:,} at most: damaged")
    try:
        head = json.loads(told)
        if head["format"] not in (FORMAT, ENSEMBLE) or not isinstance(head["version"], int):
            raise ValueError("unknown format")
        _check_held(head)
    except UNFIT as error:
        raise TaggerError(f"{path}: its description is damaged ({error})") from error
    newest = NEWEST if head["format"] == ENSEMBLE else VERSION
    if head["version"] > newest:
        raise TaggerError(
            f"{path}: was written by a newer earmark (format {head['version']}, this one reads up to {newest}). Upgrade earmark"
        )
    if end != size:
        raise TaggerError(
            f"{path}: is cut or has been added to: it should be {counted(end, 'byte')} long and is {size:,}. Fetch it again"
        )
    return dict(head)


def _check_held(head: Mapping[str, Any]) -> None:
    """Raises ValueError for a description that lacks what all of its format hold."""
    if head["format"] == ENSEMBLE:
        _check_keys(head, HELD_BY_ENSEMBLES, "it")
    for number, told in enumerate(head["members"] if head["format"] == ENSEMBLE else [head], 1):
        who = f"member {number}" if head["format"] == ENSEMBLE else "it"
        _check_keys(told, HELD, who)
        if not told["vocabulary"] or not all(isinstance(tag, str) for tag in told["vocabulary"]):
            raise ValueError(f"the tags of {who} are not a list of names")
        if (place := nameless(told["vocabulary"])) is not None:
            raise ValueError(f"tag {place + 1} of {who} is {told['vocabulary'][place]!r}, which names nothing")


def _check_keys(told: Any, held: Mapping[str, type], who: str) -> None:
    if not isinstance(told, dict):
        raise ValueError(f"{who} is {type(told).__name__}, not an object of JSON")
    for key, kind in held.items():
        if key not in told:
            raise ValueError(f"{who} has no {key!r}")
        if not isinstance(told[key], kind):
            whose = "" if who == "it" else f" of {who}"
            raise ValueError(f"{key!r}{whose} is of the kind {type(told[key]).__name__}, not {kind.__name__}")


def _read_header(path: Path) -> tuple[bytes, int]:
    """The JSON of a safetensors file, and the file's size in bytes."""
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            start = file.read(8)
            length = struct.unpack("<Q", start)[0] if len(start) == 8 else 0
            text = file.read(length) if 2 <= length <= min(size - 8, HEADER) else b""
    except OSError as error:
        raise TaggerError(f"{path}: cannot be read ({error.strerror})") from error
    if not size:
        raise TaggerError(f"{path}: is empty. Fetch it again")
    if not 2 <= length <= LARGEST_HEADER:
        raise TaggerError(f"{path}: is not a tagger file (it does not open like one)")
    if length > HEADER and length <= size - 8:
        raise TaggerError(
            f"{path}: its header has {counted(length, 'byte')}, more than the {HEADER:,} that a tagger's may have: damaged, or made to "
            "fill the memory"
        )
    if len(text) < length:
        raise TaggerError(
            f"{path}: is cut or not a tagger file: its header should take {counted(length, 'byte')}, the file has {size:,}"
        )
    return text, size


def _read_weights(path: Path) -> dict[str, NDArray[Any]]:
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        weights: dict[str, NDArray[Any]] = load_file(str(path))
    except (SafetensorError, OSError, ValueError, KeyError, TypeError) as error:  # KeyError: a type that NumPy lacks
        raise TaggerError(f"{path}: the weights cannot be read ({error})") from error
    return weights


def bytes_of(value: NDArray[Any]) -> memoryview:
    """What `value.tobytes()` gives, without a copy where it lies in memory as it is."""
    return np.ravel(value, "C").view(np.uint8).data


def digest(weights: Weights, told: Mapping[str, Any]) -> str:
    """SHA-256 over the names, shapes, types and bytes of the weights and over what the header tells, in sorted order."""
    digest = hashlib.sha256(json.dumps(told, sort_keys=True).encode())
    for name in sorted(weights):
        value = weights[name]
        digest.update(f"{name} {tuple(value.shape)} torch.{value.dtype}".encode())  # as files of before say it
        digest.update(bytes_of(value))
    return digest.hexdigest()


def identity(weights: Weights, recipe: Recipe, vocabulary: Sequence[str]) -> str:
    """Of a tagger: twelve hexadecimal digits that change with the weights, the vocabulary or the recipe."""
    # without the defaults: a key that recipes learn later must not rename the taggers that there are
    told = {"recipe": recipe.model_dump(mode="json", exclude_defaults=True), "vocabulary": [*vocabulary]}
    return digest(weights, told)[:12]


@contextmanager
def building(path: Path) -> Iterator[None]:
    """While what a file tells is built: raises TaggerError for what this earmark does not know."""
    try:
        yield
    except EarmarkError as error:
        raise TaggerError(
            f"{path}: this earmark cannot build it ({error}). Upgrade earmark, or add the plug-in that it was made with"
        ) from error
