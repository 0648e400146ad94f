"""Packs: clips in tar shards with an index, to learn from where millions of files would be too many.

    FOLDER/pack.json        what it is: format, version, the clips, how they were packed, each shard's size and digest,
                            the index's digest
    FOLDER/index.parquet    the manifest, a row a clip in its order, with digest, frames, rate and level of each
    FOLDER/00000.tar …      shards in WebDataset's layout: 000000123.flac, then 000000123.json with what is told of the clip
    FOLDER/errors.csv       clips that could not be read when it was packed, if any
    FOLDER/notes.csv        what was done to the sound of clips when it was packed, as to be clipped, if anything
    FOLDER/unreadable.csv   clips that could not be read when it was learnt from, if any
    FOLDER/parts/           while it is being packed: what is in each shard that is done

Tar, and not Parquet with bytes of audio: read in order it costs no more than the bytes themselves, and a clip from anywhere is
one read at a place that the index tells, where Parquet decodes a whole row group for it (docs/shards.md has the figures); and
every reader of WebDataset's layout reads it. Clips of one fold share shards, those of two do not, so that a fold can be
left away or kept elsewhere. A recording of the index has a path such as 00000.tar/1536+80432/000000123.flac, which all that
reads recordings understands: see `earmark.audio.members`.
"""

from earmark.data.packs.checking import Found, check
from earmark.data.packs.folder import ERRORS, INDEX, NOTES, PACK, Pack, check_not_left, describe, is_pack, read
from earmark.data.packs.packing import Packed, pack
from earmark.data.packs.remembered import UNREADABLE, remember, unreadable

__all__ = [
    "ERRORS", "INDEX", "NOTES", "PACK", "UNREADABLE", "Found", "Pack", "Packed", "check", "check_not_left", "describe", "is_pack", "pack",
    "read", "remember", "unreadable",
]  # fmt: skip
