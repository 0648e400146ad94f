"""Spectral features: the first stage of every tagger that listens to spectrograms; one file a feature, found by looking.

Each feature is an `nn.Module` from waves (batch, samples) to maps (batch, channels, bands, frames). It runs on any
device that knows float64, lets gradients through, has no trainable parameters and keeps nothing in the tagger file: its
constants follow from its arguments. Windows and hops are given in seconds and rounded to whole samples once;
frequencies are Hz. It takes the sample rate first; what it tells of itself is `earmark.models.features.Feature`.

Conventions are librosa's unless an argument says otherwise: periodic Hann window, power spectrum, Slaney's mel scale
with bands of equal area, decibels re 1 with a floor of 1e-10. Decibels are never cut at a distance below the loudest
frame (librosa's top_db), because then what a frame looks like would depend on the window that it is heard in.
"""

from earmark.models.features.feature import Feature, NoFeature
from earmark.models.features.logmel import LogMel
from earmark.models.features.resize import Resize, Resized

__all__ = ["Feature", "LogMel", "NoFeature", "Resize", "Resized"]
