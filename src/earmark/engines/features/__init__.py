"""The features in NumPy: the first stage of taggers whose net an engine runs without torch; one file a feature.

Here lies what makes a feature what it is: its arguments, its checks, windows, filters, where frames lie. The torch module
of the same name in `earmark.models.features` is made from the object here, and a contract test holds the maps of both
against each other. Waves (batch, samples) become maps (batch, channels, bands, frames), both float32; windows and hops are
given in seconds and rounded to whole samples once; frequencies are Hz.

    feature = build(recipe)
    maps = feature(waves)   # the recipe's normalising, feature and resizing
"""

from earmark.engines.features.building import Input, NoFeature, NumpyFeature, build
from earmark.engines.features.logmel import LogMel
from earmark.engines.features.resize import Feature, Resized

__all__ = ["Feature", "Input", "LogMel", "NoFeature", "NumpyFeature", "Resized", "build"]
