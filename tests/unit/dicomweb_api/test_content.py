"""The content of answers: its size before it is read, ranges of it, and its parts."""

from __future__ import annotations

import pytest

from dicomweb.api.coding import taken
from dicomweb.api.content import Content, Made, Stretch, cut, size
from dicomweb.api.includefield import fields, only
from dicomweb.api.related import Part, multipart
from healix_fhir.kernel.errors import Category, HealixError

CONTENT: Content = [b"01234", Stretch("k", 100, 10), b"", b"56789"]


def test_the_size_is_known_before_anything_is_read() -> None:
    """Bytes and stretches add up; what is yet to be made has no size."""
    assert size(CONTENT) == 20
    assert size([]) == 0
    assert size([*CONTENT, Made(lambda: [b"x"], "k")]) is None


@pytest.mark.spec("RFC 9110 14")
@pytest.mark.parametrize(
    ("first", "last", "expected"),
    [
        (0, 19, [b"01234", Stretch("k", 100, 10), b"56789"]),
        (4, 5, [b"4", Stretch("k", 100, 1)]),
        (7, 9, [Stretch("k", 102, 3)]),
        (15, 15, [b"5"]),
        (19, 19, [b"9"]),
    ],
)
def test_a_range_is_cut_out_of_the_pieces(first: int, last: int, expected: Content) -> None:
    """Each piece gives what of the range is its own."""
    assert cut(CONTENT, first, last) == expected


@pytest.mark.spec("PS3.18 8.6.1.2")
def test_parts_stand_between_boundaries() -> None:
    """Every part has its type, its length, and its address where there is one; the last boundary closes the body."""
    parts = [Part("image/jpeg", [b"one"], "/a"), Part("image/png", [Stretch("k", 0, 3)])]
    content, content_type = multipart("image/jpeg", parts, '"b"')
    assert content_type == 'multipart/related; type="image/jpeg"; boundary=b'
    assert content == [
        b"--b\r\nContent-Type: image/jpeg\r\nContent-Location: /a\r\nContent-Length: 3\r\n\r\n",
        b"one",
        b"\r\n--b\r\nContent-Type: image/png\r\nContent-Length: 3\r\n\r\n",
        Stretch("k", 0, 3),
        b"\r\n--b--\r\n",
    ]


@pytest.mark.parametrize(("made", "told"), [([b"four"], b"Content-Length: 4\r\n"), ([b"fo", b"ur"], b"")])
def test_a_part_that_is_made_says_how_long_it_is_where_it_is_made_at_once(made: list[bytes], told: bytes) -> None:
    """What is made in pieces is sent as they come."""
    (piece, _), _ = multipart("image/png", [Part("image/png", [Made(lambda: made, "x")])], '"b"')
    assert isinstance(piece, Made)
    assert b"".join(piece.make()) == b"--b\r\nContent-Type: image/png\r\n" + told + b"\r\nfour"


@pytest.mark.spec("RFC 9110 12.5.3")
@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("", None),
        ("identity", None),
        ("gzip, deflate, br", "gzip"),
        ("gzip, deflate, br, zstd", "zstd"),
        ("gzip;q=1.0, zstd;q=0.5", "gzip"),
        ("*", "zstd"),
        ("*;q=0.5, zstd;q=0", "gzip"),
        ("gzip;q=0", None),
        ("gzip;q=x", None),
    ],
)
def test_the_coding_is_one_that_the_caller_wants(header: str, expected: str | None) -> None:
    """Of the codings of Accept-Encoding the one of the greatest weight, the quicker one among equals."""
    assert taken(header) == expected


OBJECT = (
    b'{"00080018":{"vr":"UI","Value":["1.2"]},"00100010":{"vr":"PN","Value":[{"Alphabetic":"A"}]},'
    b'"00400275":{"vr":"SQ","Value":[{"00400009":{"vr":"SH","Value":["S"]},"00400007":{"vr":"LO"}}]}}'
)


@pytest.mark.spec("PS3.18 8.3.4.3")
@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (
            "PatientName",
            b'{"00080018":{"vr":"UI","Value":["1.2"]},"00100010":{"vr":"PN","Value":[{"Alphabetic":"A"}]}}',
        ),
        ("00181151", b'{"00080018":{"vr":"UI","Value":["1.2"]}}'),
        (
            "RequestAttributesSequence.00400009",
            b'{"00080018":{"vr":"UI","Value":["1.2"]},%s'
            % b'"00400275":{"vr":"SQ","Value":[{"00400009":{"vr":"SH","Value":["S"]}}]}}',
        ),
        ("PatientName,00400275", OBJECT),
    ],
)
def test_includefield_narrows_the_attributes(value: str, expected: bytes) -> None:
    """What is named by keyword, tag or path is there, and what says of which instance it is."""
    assert only(OBJECT, fields([value])) == expected


def test_all_attributes_are_there_where_all_are_asked_for() -> None:
    """No `includefield`, and `all`, are everything."""
    assert (fields([]), fields(["PatientName,all"]), fields([""])) == ({}, {}, {})


@pytest.mark.parametrize("value", ["NoSuchKeyword", "0010", "PatientName.", ".".join(["00400275"] * 17)])
def test_what_is_no_attribute_is_refused_by_name(value: str) -> None:
    """A name that would be ignored leaves the caller without what it waits for."""
    with pytest.raises(HealixError) as caught:
        fields([value])
    assert caught.value.category is Category.INVALID
