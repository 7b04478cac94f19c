"""Nothing that identifies survives, wherever in an object it stood."""

from __future__ import annotations

import pytest

from dicomweb.deidentify.options import Option
from dicomweb.deidentify.table import rows
from tests.support.deidentified import made, survivors, with_canaries
from tests.support.dicom import big_endian, data_set, implicit, part10

pytestmark = pytest.mark.spec("PS3.15 Table E.1-1 (2026c)")
TAGS = [int(tag, 16) for tag in rows() if "x" not in tag and tag != "privatetags"]
FURTHER = [0x60003000, 0x60004000, 0x60001500, 0x50003000, 0x50002600]
CLEANING = (Option.DESCRIPTORS, Option.STRUCTURED, Option.GRAPHICS, Option.MODIFIED_DATES)


def hostile(slice_: slice = slice(None)) -> bytes:
    """An object with a canary in every attribute of the table, in private ones, in items and in File Meta."""
    ds = with_canaries(data_set(), [*TAGS[slice_], *FURTHER])
    block = ds.private_block(0x0011, "CANARY MAKER", create=True)
    for number, vr in enumerate(("LO", "UN", "OB", "PN", "UI")):
        block.add_new(
            number, vr, b"CANARYBYTES" if vr in ("UN", "OB") else "1.9.87654321.3" if vr == "UI" else "CANARY9"
        )
    titles = dict.fromkeys(("SourceApplicationEntityTitle", "SendingApplicationEntityTitle"), "CANARY")
    private = {"PrivateInformationCreatorUID": "1.9.87654321.4", "PrivateInformation": b"CANARYBYTES."}
    return part10(ds, meta=titles | private)


def test_the_canaries_are_there() -> None:
    """The object under test has every kind of canary."""
    assert len(survivors(hostile())) == 7


def test_nothing_survives_the_basic_profile() -> None:
    """No original value of an attribute of the table is anywhere in the bytes of the result."""
    assert survivors(made(hostile())[1]) == []


def test_nothing_survives_cleaning() -> None:
    """Nor with the options that clean: what they keep are known words, moved dates and new UIDs."""
    found = survivors(made(hostile(), *CLEANING)[1])
    assert set(found) <= {b".987"}  # times are kept by the option


@pytest.mark.parametrize("tag", TAGS[::7])
def test_nothing_survives_in_items(tag: int) -> None:
    """An attribute of the table is treated in an item as at the root, and nothing shadows another."""
    outer = data_set()
    inner = with_canaries(data_set(), [tag])
    del inner.PatientName
    outer.ReferencedSeriesSequence = [inner]
    outer.CurrentRequestedProcedureEvidenceSequence = [data_set(ReferencedSeriesSequence=[inner])]
    assert survivors(made(part10(outer))[1]) == []


@pytest.mark.parametrize("encode", [implicit, big_endian])
def test_nothing_survives_in_other_encodings(encode: object) -> None:
    """It is the same in implicit and in big endian encoding."""
    assert callable(encode)
    with_all = with_canaries(data_set(), [tag for tag in TAGS if tag >> 16 != 0xFFFA])
    assert survivors(made(encode(with_all))[1]) == []
