"""Places on the earth: how far apart they are, and the boxes that hold all that is near one.

Distances are along great circles of a sphere; that differs from the earth's true form by half a percent at most.

Spec: FHIR R4, hl7.org/fhir/R4/location.html#positional
"""

from __future__ import annotations

from math import asin, cos, degrees, pi, radians, sin

from healix_fhir.kernel.database import Fragment
from healix_fhir.search.circle import RADIUS, Circle
from healix_fhir.search.fragments import all_of, any_of


def within(circle: Circle, alias: str) -> Fragment:
    """The condition that a row of index_position lies in the circle: first by ranges, then by its exact distance."""
    longitudes = _longitudes(circle)
    reach = degrees(circle.metres / RADIUS)
    latitude = Fragment(f"{alias}.latitude BETWEEN %s AND %s", (circle.latitude - reach, circle.latitude + reach))
    ranges = [Fragment(f"{alias}.longitude BETWEEN %s AND %s", pair) for pair in longitudes]
    return all_of([latitude, *([any_of(ranges)] if ranges else []), _distance(circle, alias)])


def _longitudes(circle: Circle) -> list[tuple[float, float]]:
    """The ranges of longitude, two across the date line; none where there is a pole in the circle."""
    angle = circle.metres / RADIUS
    if radians(abs(circle.latitude)) + angle >= pi / 2:
        return []
    reach = degrees(asin(sin(angle) / cos(radians(circle.latitude))))
    low, high = circle.longitude - reach, circle.longitude + reach
    if low < -180:
        return [(-180, high), (low + 360, 180)]
    if high > 180:
        return [(low, 180), (-180, high - 360)]
    return [(low, high)]


def _distance(circle: Circle, alias: str) -> Fragment:
    """The haversine formula. A hair is added for what lies on the circle itself."""
    latitude, longitude = f"radians({alias}.latitude)", f"radians({alias}.longitude)"
    haversine = f"sin(({latitude} - %s) / 2) ^ 2 + cos(%s) * cos({latitude}) * sin(({longitude} - %s) / 2) ^ 2"
    here = radians(circle.latitude)
    return Fragment(
        f"2 * %s * asin(least(1, sqrt({haversine}))) <= %s",
        (RADIUS, here, here, radians(circle.longitude), circle.metres + 1e-3),
    )
