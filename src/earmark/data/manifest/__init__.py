"""Manifests: which clips there are, what is heard in them, and which of them belong together.

A manifest is a table with one row a clip, kept as columns, so that two million rows load in seconds. Files: Parquet
(exact; keeps the order of the tags and the facts) or CSV/TSV (for people and spreadsheets: tags joined by "|", events
as JSON [[tag, onset, offset], …], tags in alphabetical order). Paths use "/" and are relative to the root, or absolute.

Times are seconds from the start of the recording, those of the events too, also where the clip starts later. Rows are
counted from 1; a header does not count. No fold is the empty name "" in arrays. Tags in the column `unknown` are neither there nor
absent, and no loss or figure counts them; a tag in neither column is absent.
"""

from earmark.data.clipset import natural
from earmark.data.manifest.checks import few
from earmark.data.manifest.clips import Manifest, build
from earmark.data.manifest.columns import LATER, SCHEMA, tag_codes
from earmark.data.manifest.files import columns_left_out, load_table, read, write

__all__ = [
    "LATER",
    "SCHEMA",
    "Manifest",
    "build",
    "columns_left_out",
    "few",
    "load_table",
    "natural",
    "read",
    "tag_codes",
    "write",
]
