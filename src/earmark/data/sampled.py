"""A sample of a set of clips, by which another manifest is told to be of the same clips or of others.

Of the ids' hashes a file keeps the smallest, up to `KEPT`. Whether an id is among them hangs on the id alone: so a clip
of another set whose hash is no larger than the largest kept one is of this set if it was kept, and otherwise is not. Of
up to `KEPT` clips the sample is all of them. A clip is the same where its id is.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

KEPT = 256
BYTES = 6  # of a hash: of a million clips two are alike in one of 500 sets


def sample(ids: Iterable[str]) -> str:
    """Text for a file: base64 of the smallest hashes, in order.

    >>> sample(["b", "a"]) == sample(["a", "b"]) != sample(["a"])
    True
    """
    return _text(np.unique(_hashes(ids))[:KEPT])


def united(samples: Iterable[str]) -> str:
    """The sample of the clips of all sets."""
    return _text(np.unique(np.concatenate([_read(each) for each in samples]))[:KEPT])


def known(sampled: str, ids: Iterable[str]) -> NDArray[np.bool_]:
    """(ids,): which are surely of the sampled set; of those that the sample does not reach nothing is known."""
    return np.isin(_hashes(ids), _read(sampled))


def share(sampled: str, ids: Iterable[str]) -> float:
    """About how much of the sampled set is among the ids."""
    kept = _read(sampled)
    return float(np.isin(kept, _hashes(ids)).mean()) if len(kept) else 0.0


def _hashes(ids: Iterable[str]) -> NDArray[np.uint64]:
    digests = (hashlib.blake2b(name.encode(), digest_size=BYTES).digest() for name in ids)
    return np.fromiter((int.from_bytes(digest, "big") for digest in digests), np.uint64)


def _text(hashes: NDArray[np.uint64]) -> str:
    return base64.b64encode(b"".join(int(each).to_bytes(BYTES, "big") for each in hashes)).decode("ascii")


def _read(text: str) -> NDArray[np.uint64]:
    """Raises ValueError for what is no sample."""
    data = base64.b64decode(text, validate=True)
    if len(data) % BYTES:
        raise ValueError(f"a sample of clips has {BYTES} bytes a clip, not {len(data)} in all")
    return np.array([int.from_bytes(data[at : at + BYTES], "big") for at in range(0, len(data), BYTES)], np.uint64)
