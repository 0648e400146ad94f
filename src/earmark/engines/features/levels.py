"""Logarithms of power and of magnitude: their choices and bounds, and what they are in NumPy."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np

from earmark.engines.features.constants import check_known
from earmark.engines.features.framing import Singles
from earmark.errors.refusals import refuse

Log = Literal["db", "ln"]
# Power under which the root is that of this: its slope at 0 is infinite, and gradients through silence would be NaN
TINY = 1e-30
FLOORS = (1e-37, 1e6)  # the smallest is a whole float32, not one of those that processors may take for 0
DECIBELS = 10 / math.log(
    10
)  # of a natural logarithm: NumPy computes that to the base of ten without SIMD on most machines


def check_level(floor: float, deviation: float, log: Log = "db", mean: float = 0.0) -> None:
    """Refuse arguments that levels cannot be made with, in float32."""
    check_known("log", log, Log)
    if not floor > 0:
        refuse(f"floor is {floor:g}: it must be above 0, or silence has no logarithm")
    else:
        check_floor(floor)
    if not deviation > 0:
        refuse(f"deviation is {deviation:g}: it must be above 0, because values are divided by it")
    elif not 1e-6 <= deviation <= 1e6:
        refuse(f"deviation is {deviation:g}: it lies between 1e-06 and 1e+06")
    if not -1e6 <= mean <= 1e6:
        refuse(f"mean is {mean:g}: it lies between -1e+06 and 1e+06")


def check_floor(floor: float) -> None:
    """Raises ValueError for a floor that float32 has not: silence would be as without one, minus infinity."""
    low, high = FLOORS
    if not low <= floor <= high:
        refuse(
            f"floor is {floor:g}: it lies between {low:g} and {high:g}, as the smaller is nothing in float32, and silence would have no "
            "logarithm"
        )


def to_amplitude(power: Singles) -> None:
    """The root of the power, in its place."""
    np.maximum(power, TINY, out=power)
    np.sqrt(power, out=power)


def to_level(power: Singles, log: Log, floor: float, mean: float = 0.0, deviation: float = 1.0) -> None:
    """Power, or magnitude, → its logarithm less `mean`, divided by `deviation`, in its place.

    log: "db" for 10·log10 with a floor of `floor` under the power, "ln" for ln(power + floor).
    """
    if log == "db":
        np.maximum(power, floor, out=power)
    else:
        np.add(power, floor, out=power)
    with np.errstate(divide="ignore"):  # a floor below the smallest float32 is none
        np.log(power, out=power)
    np.multiply(power, (DECIBELS if log == "db" else 1.0) / deviation, out=power)
    if mean:
        np.subtract(power, mean / deviation, out=power)
