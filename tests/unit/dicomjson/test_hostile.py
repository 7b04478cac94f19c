"""Input that is broken or means harm is refused by the walker, quickly and within bounds."""

from __future__ import annotations

import tracemalloc
import zlib
from struct import pack

import pytest

from dicomweb.dicomjson import budget, walker
from dicomweb.dicomjson.inflate import inflate
from dicomweb.dicomjson.part10 import FileMeta, read_meta, write_meta
from dicomweb.dicomjson.syntax import EXPLICIT_LITTLE, IMPLICIT_LITTLE, syntax
from healix_fhir.kernel.errors import Category, HealixError
from tests.support.dicom import big_endian, data_set, encapsulated, implicit, nested, part10, with_pixels
from tests.support.walk import header_of

EXPLICIT = syntax(EXPLICIT_LITTLE)
ITEM, ITEM_END, SEQUENCE_END = b"\xfe\xff\x00\xe0", b"\xfe\xff\x0d\xe0" + bytes(4), b"\xfe\xff\xdd\xe0" + bytes(4)
UNDEFINED = b"\xff\xff\xff\xff"
SEQUENCE = b"\x08\x00\x40\x11SQ\0\0"


def refusal(data: bytes) -> Category:
    """Why the walker refuses a bare explicit data set."""
    with pytest.raises(HealixError) as caught:
        walker.walk(data, 0, len(data), EXPLICIT, frozenset())
    return caught.value.category


def short(tag: int, vr: bytes, value: bytes) -> bytes:
    """One element with a length of 16 bits."""
    return pack("<HH2sH", tag >> 16, tag & 0xFFFF, vr, len(value)) + value


@pytest.mark.parametrize(
    "file",
    [
        part10(nested(3, with_pixels(data_set()))),
        implicit(nested(3, with_pixels(data_set()))),
        big_endian(nested(3, with_pixels(data_set()))),
        encapsulated(with_pixels(data_set(), bits=8), [b"\xff\xd8 1", b"\xff\xd8 2"]),
    ],
    ids=["explicit", "implicit", "big endian", "encapsulated"],
)
def test_a_cut_file_is_refused_at_every_byte(file: bytes) -> None:
    """Wherever a file is cut, except between two elements of the top level, it is Invalid and never another error."""
    found = read_meta(file)
    assert found is not None
    refused = [end for end in range(found[1] + 8, len(file)) if _category(file[:end]) is Category.INVALID]
    assert len(file) - found[1] - len(refused) < 40


def _category(file: bytes) -> Category | None:
    try:
        header_of(file)
    except HealixError as error:
        return error.category
    return None


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(SEQUENCE + UNDEFINED + ITEM + UNDEFINED, id="no end at all"),
        pytest.param(SEQUENCE + UNDEFINED + ITEM + UNDEFINED + ITEM_END, id="no end of the sequence"),
        pytest.param(SEQUENCE + UNDEFINED + ITEM + UNDEFINED + SEQUENCE_END, id="no end of the item"),
        pytest.param(SEQUENCE + UNDEFINED + short(0x00080060, b"CS", b"CT"), id="an element in place of an item"),
        pytest.param(SEQUENCE + pack("<L", 8) + ITEM + pack("<L", 9), id="an item longer than its sequence"),
        pytest.param(SEQUENCE + pack("<L", 4) + ITEM, id="an item without length"),
        pytest.param(ITEM_END, id="a delimiter on its own"),
        pytest.param(short(0x00080060, b"CS", b"CT") * 2, id="an element twice"),
        pytest.param(short(0x00100010, b"PN", b"A ") + short(0x00080060, b"CS", b"CT"), id="descending tags"),
        pytest.param(short(0x00080060, b"??", b"CT"), id="no representation"),
        pytest.param(short(0x00080060, b"ZZ", b"CT"), id="an unknown representation"),
        pytest.param(short(0x00280010, b"US", b"\1\2\3"), id="three bytes of a number of two"),
        pytest.param(b"\x08\x00\x60\x00CS\xff\xffCT", id="a length beyond the end"),
        pytest.param(
            b"\xe0\x7f\x10\x00OB\0\0" + UNDEFINED + ITEM + pack("<L", 1 << 31), id="a fragment beyond the end"
        ),
        pytest.param(b"\xe0\x7f\x10\x00OB\0\0" + UNDEFINED + ITEM + UNDEFINED, id="a fragment of undefined length"),
        pytest.param(b"\x08\x00\x60\x00UT\0\0" + UNDEFINED + b"text", id="text of undefined length"),
    ],
)
def test_broken_encodings_are_refused(data: bytes) -> None:
    """What breaks the rules of encoding is Invalid."""
    assert refusal(data) is Category.INVALID


@pytest.mark.parametrize("depth", [60, 100, 5000])
@pytest.mark.parametrize("representation", [b"SQ", b"UN"])
def test_depth_is_limited(depth: int, representation: bytes) -> None:
    """Sequences in sequences beyond the limit are refused, not followed until the stack ends."""
    opening = b"\x08\x00\x40\x11" + (representation + b"\0\0" if representation == b"SQ" else b"") + UNDEFINED
    start = b"\x08\x00\x40\x11" + representation + b"\0\0" + UNDEFINED + ITEM + UNDEFINED
    data = start + (opening + ITEM + UNDEFINED) * (depth - 1) + (ITEM_END + SEQUENCE_END) * depth
    if depth <= walker.DEPTH_LIMIT:
        walker.walk(data, 0, len(data), EXPLICIT, frozenset())
    else:
        assert refusal(data) is Category.INVALID


def test_many_small_elements_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    """A data set that is large without bulk data is TooLarge before it fills the memory."""
    monkeypatch.setattr(budget, "INLINE_TOTAL", 10_000)
    item = ITEM + pack("<L", 10) + short(0x00080060, b"CS", b"CT")
    assert refusal(SEQUENCE + UNDEFINED + item * 1000 + SEQUENCE_END) is Category.TOO_LARGE


@pytest.mark.parametrize("length", ["defined", "undefined", "unknown"])
def test_elements_and_items_are_limited(length: str) -> None:
    """Countless empty items and elements are TooLarge, however they are wrapped."""
    items = (ITEM + bytes(4)) * 300
    elements = b"".join(short(0x00290010 + n, b"LO", b"") for n in range(250))
    sequence = {
        "undefined": SEQUENCE + UNDEFINED + items + SEQUENCE_END,
        "defined": SEQUENCE + pack("<L", len(items)) + items,
        "unknown": b"\x08\x00\x40\x11UN\0\0" + pack("<L", len(items)) + items,
    }[length]
    walker.walk(sequence, 0, len(sequence), EXPLICIT, frozenset(), 500)
    whole = sequence + elements
    with pytest.raises(HealixError) as raised:
        walker.walk(whole, 0, len(whole), EXPLICIT, frozenset(), 500)
    assert raised.value.category is Category.TOO_LARGE


def test_text_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    """Values that become many times their size are TooLarge, also deep within."""
    monkeypatch.setattr(budget, "TEXT_LIMIT", 100_000)
    item = ITEM + UNDEFINED + short(0x00081030, b"LO", b"\1" * 10_000) + ITEM_END
    once, twice = (SEQUENCE + UNDEFINED + item * count + SEQUENCE_END for count in (1, 2))
    walker.walk(once, 0, len(once), EXPLICIT, frozenset())
    assert refusal(twice) is Category.TOO_LARGE


def test_bulk_data_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    """Countless elements of bulk data are TooLarge, though their bytes are not looked at."""
    monkeypatch.setattr(budget, "BULK_LIMIT", 10)
    item = ITEM + UNDEFINED + b"\x29\x00\x00\x10OB\0\0" + pack("<L", 2000) + bytes(2000) + ITEM_END
    assert refusal(SEQUENCE + UNDEFINED + item * 11 + SEQUENCE_END) is Category.TOO_LARGE


def test_honest_objects_are_within_bounds() -> None:
    """Text in nested sequences counts once, not once a level."""
    data = short(0x00081030, b"LO", b"x" * 60_000)
    for _ in range(60):
        data = SEQUENCE + UNDEFINED + ITEM + UNDEFINED + data + ITEM_END + SEQUENCE_END
    counts = budget.Budget(0)
    walker.Walker(data, EXPLICIT, counts).data_set(0, len(data), [], walker.Place())
    assert counts.text < 70_000


def test_many_fragments_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pixel data of countless empty fragments is TooLarge."""
    monkeypatch.setattr(walker, "FRAGMENT_LIMIT", 100)
    data = b"\xe0\x7f\x10\x00OB\0\0" + UNDEFINED + (ITEM + bytes(4)) * 200 + SEQUENCE_END
    assert refusal(data) is Category.TOO_LARGE


def test_a_bomb_is_defused() -> None:
    """Inflation stops at its limit, and what was read until then is not kept."""
    deflater = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = deflater.compress(bytes(64 << 20)) + deflater.flush()
    tracemalloc.start()
    with pytest.raises(HealixError) as caught:
        for _ in inflate([packed], 1 << 20):
            pass
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert caught.value.category is Category.TOO_LARGE
    assert peak < 8 << 20


@pytest.mark.parametrize("packed", [b"\xff\xff\xff", b""])
def test_broken_deflation_is_refused(packed: bytes) -> None:
    """What is no deflated stream, or none that ends, is Invalid."""
    with pytest.raises(HealixError) as caught:
        list(inflate([packed], 1 << 20))
    assert caught.value.category is Category.INVALID


@pytest.mark.parametrize(
    "hostile", ["../../x", "1.2/3", "1.02", "1..2", ".1", "1.", "1" * 65, "\u0661.\u0662", "1.2\n"]
)
def test_file_meta_takes_no_malformed_uid(hostile: str) -> None:
    """A UID that is none never gets into a file or out of one."""
    with pytest.raises(HealixError):
        write_meta(FileMeta("1.2.3", hostile, IMPLICIT_LITTLE))


def test_file_meta_is_read_as_written() -> None:
    """What DIMSE knows of a data set is in the file, and the data set begins where it says."""
    meta = FileMeta("1.2.840.10008.5.1.4.1.1.2", "1.2.3.45", EXPLICIT_LITTLE, "SCANNER")
    written = write_meta(meta)
    assert read_meta(written + b"\x08\x00\x05\x00CS\0\0") == (meta, len(written))


def test_what_is_no_dicom_file_is_refused() -> None:
    """Without the prefix it is no Part 10 file."""
    with pytest.raises(HealixError) as caught:
        read_meta(bytes(200))
    assert caught.value.category is Category.INVALID
