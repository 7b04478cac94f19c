"""A place on the earth with what is near it."""

from __future__ import annotations

from typing import NamedTuple

RADIUS = 6_371_008.8
"""Metres, of the sphere that has the earth's mean radius."""


class Circle(NamedTuple):
    """All within `metres` of a place given in degrees."""

    latitude: float
    longitude: float
    metres: float
