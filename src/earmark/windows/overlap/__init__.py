"""Overlapping windows of a recording as one tensor-like object, on which convolutions are computed once."""

from earmark.windows.overlap.operations import framed
from earmark.windows.overlap.tensor import Overlap, Trace, overlapping

__all__ = ["Overlap", "Trace", "framed", "overlapping"]
