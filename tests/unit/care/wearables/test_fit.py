"""FIT files become readings."""

from __future__ import annotations

import struct
from datetime import UTC, datetime

import pytest

from healix_fhir.care.wearables import fit as fit_file
from healix_fhir.care.wearables.fit import EPOCH, Fit
from healix_fhir.kernel.errors import HealixError
from healix_fhir.operation.measurement.reading import Reading, Refused, reading

MOMENT = datetime(2026, 6, 1, tzinfo=UTC)
START = datetime(2026, 1, 2, 8, tzinfo=UTC)
AT = int((START - EPOCH).total_seconds())
KINDS = {"B": 0x02, "H": 0x84, "I": 0x86, "h": 0x83, "E": 0x00}


def definition(local: int, message: int, *fields: tuple[int, str]) -> bytes:
    """A definition message, little endian."""
    told = b"".join(bytes((number, struct.calcsize(kind.replace("E", "B")), KINDS[kind])) for number, kind in fields)
    return bytes((0x40 | local, 0, 0)) + struct.pack("<HB", message, len(fields)) + told


def data(local: int, layout: str, *values: int) -> bytes:
    """A data message."""
    return bytes((local,)) + struct.pack("<" + layout, *values)


def file(*records: bytes) -> bytes:
    """A FIT file of these records."""
    body = b"".join(records)
    whole = struct.pack("<BBHI4sH", 14, 0x20, 2100, len(body), b".FIT", 0) + body
    return whole + struct.pack("<H", fit_file._crc(whole))


def found(body: bytes) -> list[Reading | Refused]:
    """The readings of a file."""
    return [one if isinstance(one, Refused) else reading(n, one, MOMENT) for n, one in Fit().lines(body)]


def told(body: bytes) -> list[tuple[str, str, int]]:
    """Metric, values and seconds since the start of each reading."""
    made = found(body)
    assert all(isinstance(one, Reading) for one in made), made
    return [
        (one.metric.name, "/".join(map(str, one.values)), int((one.time - START).total_seconds()))
        for one in made
        if isinstance(one, Reading)
    ]


ID = definition(0, 0, (0, "E"), (1, "H"), (3, "I")) + data(0, "BHI", 4, 1, 4711)


def test_records_and_measurements() -> None:
    """Heart rates, weights, blood pressures, saturation and breaths, each in its scale; none is left out."""
    body = file(
        ID,
        definition(1, 20, (253, "I"), (3, "B"), (6, "H")),
        data(1, "IBH", AT, 72, 100),
        data(1, "IBH", AT + 1, 0xFF, 100),
        definition(2, 30, (253, "I"), (0, "H")),
        data(2, "IH", AT + 2, 7150),
        definition(3, 51, (253, "I"), (0, "H"), (1, "H")),
        data(3, "IHH", AT + 3, 121, 79),
        definition(4, 269, (253, "I"), (0, "B")),
        data(4, "IB", AT + 4, 97),
        definition(5, 297, (253, "I"), (0, "h")),
        data(5, "Ih", AT + 5, 1450),
    )
    assert told(body) == [
        ("heart-rate", "72", 0),
        ("weight", "71.5", 2),
        ("blood-pressure", "121/79", 3),
        ("oxygen-saturation", "97", 4),
        ("respiratory-rate", "14.5", 5),
    ]
    assert {one.device for one in found(body) if isinstance(one, Reading)} == {"Garmin 4711"}


def test_monitoring() -> None:
    """Steps are what was added since the last count, with short times; a count that is less begins anew."""
    body = file(
        ID,
        definition(1, 55, (253, "I"), (5, "E"), (3, "I")),
        data(1, "IBI", AT, 6, 100),
        data(1, "IBI", AT + 60, 6, 180),
        definition(2, 55, (26, "H"), (27, "B")),
        data(2, "HB", (AT + 90) & 0xFFFF, 64),
        data(1, "IBI", AT + 120, 6, 20),
        data(1, "IBI", AT + 180, 8, 500),
    )
    assert told(body) == [("steps", "80", 0), ("heart-rate", "64", 90), ("steps", "20", 60)]


def test_levels_of_sleep_are_a_night() -> None:
    """Light, deep and REM sleep are added up; to be awake is not slept."""
    levels = [(0, 2), (60, 3), (120, 1), (140, 4), (200, 1)]
    body = file(
        ID,
        definition(1, 275, (253, "I"), (0, "E")),
        *(data(1, "IB", AT + minutes * 60, level) for minutes, level in levels),
    )
    assert told(body) == [("sleep", "180", 0)]


def test_compressed_times_and_big_endian() -> None:
    """A record may hold the last bits of its time alone, and numbers the other way round."""
    big = bytes((0x41, 0, 1)) + struct.pack(">HB", 20, 2) + bytes((253, 4, 0x86, 3, 1, 0x02))
    first = bytes((0x01,)) + struct.pack(">IB", AT, 70)
    short = bytes((0x42, 0, 0)) + struct.pack("<HB", 20, 1) + bytes((3, 1, 0x02))
    second = bytes((0x80 | 2 << 5 | (AT + 5) & 0x1F, 71))
    assert told(file(big, first, short, second)) == [("heart-rate", "70", 0), ("heart-rate", "71", 5)]


def test_unknown_messages_and_developer_fields_are_passed_over() -> None:
    """What is not known has a size, and is counted."""
    own = bytes((0x63, 0, 0)) + struct.pack("<HB", 20, 2) + bytes((253, 4, 0x86, 3, 1, 0x02, 1, 0, 2, 0))
    reader = Fit()
    body = file(definition(1, 227, (0, "H")), data(1, "H", 40), own, bytes((3,)) + struct.pack("<IBH", AT, 66, 9), ID)
    assert [fields["value"] for _, fields in reader.lines(body) if isinstance(fields, dict)] == [66]
    assert reader.skipped == {"message 227": 1}


@pytest.mark.parametrize("cut", [1, 2, 5, 20])
def test_what_is_damaged_is_told(cut: int) -> None:
    """A file that is cut off, or whose check sum is wrong, says so, after what could be read of it."""
    records = [data(1, "IB", AT + n, 60) for n in range(10)]
    body = file(ID, definition(1, 20, (253, "I"), (3, "B")), *records)
    assert isinstance(found(body[:-cut])[-1], Refused)
    wrong = bytearray(body)
    wrong[-1] ^= 1
    made = found(bytes(wrong))
    assert (len(made), isinstance(made[-1], Refused)) == (11, True)


@pytest.mark.parametrize("body", [b"", b"\x0e" * 14, b"PK\x03\x04" * 5])
def test_what_is_no_fit_file(body: bytes) -> None:
    """Other files are refused."""
    with pytest.raises(HealixError):
        found(body)
