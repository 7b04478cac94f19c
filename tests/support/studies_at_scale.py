"""Many studies with their series and instances, as rows of the index, for plans and benchmarks."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Any

import msgspec
import zstandard
from psycopg import Connection

from dicomweb.index.attributes import Level
from dicomweb.index.columns import columns
from dicomweb.pixel.layout import Layout, Pixels
from healix_fhir.kernel.database import Row

FAMILIES = ("Smith", "Müller", "García", "Nguyen", "Kowalski", "Rossi", "Yamada", "Ivanov", "Haddad", "Olsen")
SYLLABLES = ("ba", "de", "ki", "lo", "mu", "ne", "ra", "so", "ti", "vu", "an", "er")
DESCRIPTIONS = ("CT CHEST W CONTRAST", "MR BRAIN", "XR HAND", "US ABDOMEN", "CT HEAD WITHOUT CONTRAST", "MG SCREENING")
MODALITIES = ("CT", "MR", "CR", "US", "CT", "MG")
EXAMINED = ("CHEST", "ABDOMEN", "HEAD", "KNEE", "SOMEWHERE")
METADATA = zstandard.ZstdCompressor().compress(
    b'{"00080016":{"vr":"UI","Value":["1.2.840.10008.5.1.4.1.1.2"]},"00104000":{"vr":"LT","Value":["quiet"]},'
    + b",".join(b'"0018%04X":{"vr":"DS","Value":[%d]}' % (n, n) for n in range(0x1000, 0x1040))
    + b"}"
)

LAYOUT = msgspec.msgpack.encode(Layout({}, Pixels(512, 512, 1, 16, "MONOCHROME2", 0, 1, "OW", 12), 1000, 524_288))


def uid(*parts: int) -> str:
    """A UID of this clinic."""
    return ".".join(["1.2.826.0.1.3680043.9.7", *map(str, parts)])


def fill(connection: Connection[Row], *, studies: int, series: int = 1, instances: int = 1, patients: int = 0) -> None:
    """Store `studies` over ten years, each with `series` of `instances`; then ANALYZE.

    Rare values: one study in a thousand is of modality PT, one in 10,000 describes a `rarity`.
    """
    chance = Random(7)
    with connection.transaction():
        _copy(connection, "study", (_study(number, series, instances, patients, chance) for number in range(studies)))
        first = connection.execute("SELECT min(pk) FROM study").fetchall()[0][0]
        _copy(
            connection, "series",
            (_series(number, place, first, instances) for number in range(studies) for place in range(series)),
        )  # fmt: skip
        first = connection.execute("SELECT min(pk) FROM series").fetchall()[0][0]
        _copy(
            connection, "instance",
            (_instance(number, place, first) for number in range(studies * series) for place in range(instances)),
        )  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE study")
        cursor.execute("VACUUM ANALYZE series")
        cursor.execute("VACUUM ANALYZE instance")


def _copy(connection: Connection[Row], table: str, rows: Iterator[dict[str, Any]]) -> None:
    row = next(rows)
    names = list(row)
    with connection.cursor().copy(f"COPY {table} ({', '.join(names)}) FROM STDIN".encode()) as copy:
        while row is not None:
            copy.write_row([row[name] for name in names])
            row = next(rows, None)  # type: ignore[arg-type]


def _study(number: int, series: int, instances: int, patients: int, chance: Random) -> dict[str, Any]:
    patient = chance.randrange(patients) if patients else number
    family = FAMILIES[patient % len(FAMILIES)] + "".join(chance.choices(SYLLABLES, k=3))
    given = "".join(chance.choices(SYLLABLES, k=3)).title()
    kind = number % len(DESCRIPTIONS)
    described = "RARITY OF BONES" if number % 10_000 == 17 else DESCRIPTIONS[kind]
    day = number * 7919 % 3650
    attributes = {
        0x00080020: f"{2015 + day // 365}{1 + day // 31 % 12:02}{1 + day % 28:02}",
        0x00080030: f"{number % 24:02}{number % 60:02}00",
        0x00080050: f"ACC{number:08}",
        0x00081030: described,
        0x00100020: f"MRN{patient:07}",
        0x00100030: f"19{patient % 90 + 10}0{patient % 9 + 1}1{patient % 9}",
        0x00200010: str(number),
    }
    encoded = {tag: b'{"vr":"LO","Value":["%s"]}' % value.encode() for tag, value in attributes.items()}
    encoded[0x00100010] = b'{"vr":"PN","Value":[{"Alphabetic":"%s^%s"}]}' % (family.encode(), given.encode())
    encoded[0x00080090] = b'{"vr":"PN","Value":[{"Alphabetic":"House^Gregory"}]}'
    return columns(encoded, Level.STUDY) | {
        "study_uid": uid(number),
        "pat": patient + 1,
        "modalities": ["PT"] if number % 1000 == 3 else [MODALITIES[kind]],
        "series_count": series,
        "instance_count": series * instances,
    }


def _series(number: int, place: int, first: int, instances: int) -> dict[str, Any]:
    attributes = {
        0x00080060: MODALITIES[number % len(MODALITIES)],
        0x0008103E: f"series {place}",
        0x00180015: "ZYGOMA" if number % 10_000 == 17 else EXAMINED[number % len(EXAMINED)],
    }
    encoded = {tag: b'{"vr":"LO","Value":["%s"]}' % value.encode() for tag, value in attributes.items()}
    return columns(encoded, Level.SERIES) | {
        "study_pk": first + number,
        "series_uid": uid(number, place),
        "series_number": place + 1,
        "instances_in_series": instances,
    }


def _instance(number: int, place: int, first: int) -> dict[str, Any]:
    name = uid(number, 0, place)
    return columns({}, Level.INSTANCE) | {
        "series_pk": first + number,
        "instance_uid": name,
        "sop_class_uid": "1.2.840.10008.5.1.4.1.1.2",
        "transfer_syntax": "1.2.840.10008.1.2.1",
        "instance_number": place + 1,
        "blob": name,
        "size": 526_000,
        "digest": b"0" * 16,
        "layout": LAYOUT,
        "metadata": METADATA,
    }
