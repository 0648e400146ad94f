"""The mel scale and its triangular filters, which features in torch and in NumPy have in common."""

from earmark.engines.features.mel import LARGEST, MelScale, Triangles, band_parts, hz_to_mel, mel_filters, mel_to_hz

__all__ = ["LARGEST", "MelScale", "Triangles", "band_parts", "hz_to_mel", "mel_filters", "mel_to_hz"]
