"""Searching places by distance and names by sound."""

from __future__ import annotations

import math
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from healix_fhir.kernel.errors import Category, HealixError
from tests.support.resources import patient
from tests.support.search import Clinic

PLACES = {
    "vienna": (48.2082, 16.3738),
    "bratislava": (48.1486, 17.1077),  # 55 km east
    "fiji": (-17.7134, 178.0650),
    "samoa": (-13.7590, -172.1046),  # 1,144 km east of Fiji, across the date line
    "north": (89.9, 0.0),
    "beyond": (89.9, 180.0),  # 22 km from there, across the pole
}


def _put(clinic: Clinic) -> None:
    for id_, (latitude, longitude) in PLACES.items():
        position = {"latitude": Decimal(str(latitude)), "longitude": Decimal(str(longitude))}
        clinic.put({"resourceType": "Location", "id": id_, "position": position})


@pytest.mark.spec("FHIR R4 location.html#positional")
@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("48.2082|16.3738|1|km", "vienna"),
        ("48.2082|16.3738", "vienna"),
        ("48.2082|16.3738|54|km", "vienna"),
        ("48.2082|16.3738|56|km", "bratislava vienna"),
        ("48.2082|16.3738|56000|m", "bratislava vienna"),
        ("48.2082|16.3738|34|[mi_i]", "vienna"),
        ("48.2082|16.3738|35|[mi_i]", "bratislava vienna"),
        ("48.2082|16.3738|56", "bratislava vienna"),
        ("-17.7134|178.0650|1100|km", "fiji"),
        ("-17.7134|178.0650|1200|km", "fiji samoa"),
        ("-13.7590|-172.1046|1200|km", "fiji samoa"),
        ("90|0|12|km", "beyond north"),
        ("89.9|0|20|km", "north"),
        ("89.9|0|23|km", "beyond north"),
        ("0|0|0|km", ""),
        ("48.2082|16.3738|0|km", "vienna"),
        ("0|0|1e9|km", "beyond bratislava fiji north samoa vienna"),
        ("48.2082|16.3738|1|km,89.9|0|1|km", "north vienna"),
    ],
)
def test_what_is_near_is_found(clinic: Clinic, value: str, expected: str) -> None:
    """By distance along great circles, in any unit of length, over the date line and the poles."""
    _put(clinic)
    assert sorted(clinic.find("Location", [("near", value)])) == expected.split()
    assert clinic.find("Location", [("near:missing", "true")]) == []


@pytest.mark.parametrize(
    "value",
    ["", "1", "1|2|3|km|x", "91|0", "0|181", "a|b", "1|2|-3|km", "1|2|3|kg", "1|2|3|miles", "1|2|x", "NaN|0", "1||3"],
)
def test_a_place_that_cannot_be_read_is_refused(clinic: Clinic, value: str) -> None:
    """Coordinates out of range, no number, no length."""
    with pytest.raises(HealixError, match="near") as refusal:
        clinic.ids(f"Location?near={value}&_count=1") if value else clinic.page("Location?near=", strict=True)
    assert refusal.value.category is Category.INVALID


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(st.integers(-90, 90), st.integers(-180, 180)), min_size=1, max_size=8),
    st.tuples(st.integers(-90, 90), st.integers(-180, 180)),
    st.integers(1, 20_000),
)
def test_boxes_leave_nothing_out(
    clinic: Clinic, places: list[tuple[int, int]], here: tuple[int, int], kilometres: int
) -> None:
    """Whatever the place, the same is found as by the angle between two vectors."""
    clinic.run("TRUNCATE resource, index_position")
    clinic.put(
        *(
            {"resourceType": "Location", "id": str(n), "position": {"latitude": Decimal(a), "longitude": Decimal(b)}}
            for n, (a, b) in enumerate(places)
        )
    )
    distances = {str(n): _distance(here, place) for n, place in enumerate(places)}
    found = set(clinic.find("Location", [("near", f"{here[0]}|{here[1]}|{kilometres}|km")]))
    for id_, distance in distances.items():
        if abs(distance - kilometres) > 0.01:
            assert (id_ in found) == (distance < kilometres)


def _distance(one: tuple[int, int], other: tuple[int, int]) -> float:
    a, b = _vector(one), _vector(other)
    cross = math.hypot(a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0])
    return 6371.0088 * math.atan2(cross, sum(x * y for x, y in zip(a, b, strict=True)))


def _vector(place: tuple[int, int]) -> tuple[float, float, float]:
    latitude, longitude = map(math.radians, place)
    return math.cos(latitude) * math.cos(longitude), math.cos(latitude) * math.sin(longitude), math.sin(latitude)


@pytest.mark.spec("FHIR R4 patient.html#search")
@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("smyth", "smith"),
        ("Maier", "meyer"),
        ("jon smyth", "smith"),
        ("jon maier", ""),
        ("smyth,maier", "meyer smith"),
        ("jonathan", ""),
        ("Lí", "li"),
        ("李", "han"),
    ],
)
def test_names_are_found_by_sound(clinic: Clinic, value: str, expected: str) -> None:
    """Each word of the value sounds like one of the name; words in other scripts sound like themselves."""
    names = {"smith": ("Smith", "John"), "meyer": ("Meyer", "Ann"), "li": ("Li", "Wei"), "han": ("李", "伟")}
    clinic.put(*(patient(id=id_, name=[{"family": f, "given": [g]}]) for id_, (f, g) in names.items()))
    assert sorted(clinic.ids(f"Patient?phonetic={value}")) == expected.split()
    assert clinic.ids("Patient?phonetic:missing=true") == []
    with pytest.raises(HealixError, match="phonetic"):
        clinic.ids("Patient?phonetic:exact=smith")
