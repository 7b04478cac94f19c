"""Identifiers from anybody: what is broken is refused, never a failure of ours; what is read is written again."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dicomweb.dimse.identifier import parse, write
from dicomweb.dimse.query_retrieve import PATIENT_ROOT, question, selection
from dicomweb.index.further import BUILT_IN
from healix_fhir.kernel.errors import HealixError
from tests.support.dimse import EXPLICIT, IMPLICIT

KEYS = b"".join(
    [
        b"\x08\0\x05\0CS\x0a\0ISO_IR 100",
        b"\x08\0\x20\0DA\x12\x0020200101-20201231 ",
        b"\x08\0\x52\0CS\x06\0STUDY ",
        b"\x08\0\x61\0CS\x06\0CT\\MR ",
        b"\x10\0\x10\0PN\x06\0Do*^J?",
        b"\x10\0\x20\0LO\x02\0P1",
        b"\x20\0\x0d\0UI\x04\x001.2\0",
        b"\x20\0\x06\x12IS\0\0",
        b"\x40\0\x75\x02SQ\0\0\x12\0\0\0\xfe\xff\0\xe0\x0a\0\0\0\x40\0\x09\0SH\x02\x0012",
    ]
)


@given(
    data=st.one_of(
        st.binary(max_size=300),
        st.lists(st.tuples(st.integers(0, len(KEYS) - 1), st.integers(0, 255)), max_size=4).map(
            lambda changes: bytes(dict(changes).get(at, byte) for at, byte in enumerate(KEYS))
        ),
        st.integers(0, len(KEYS)).map(lambda end: KEYS[:end]),
    ),
    syntax=st.sampled_from([EXPLICIT, IMPLICIT]),
    extended=st.sampled_from([b"", b"\1\1\1\1\0"]),
)
def test_anything_is_read_or_refused(data: bytes, syntax: str, extended: bytes) -> None:
    """Bytes of any kind, and keys with some bytes changed, are a question, a selection, or a refusal with a reason."""
    try:
        identifier = parse(data, syntax)
    except HealixError:
        return
    for ask in (
        lambda: question(identifier, PATIENT_ROOT, extended, BUILT_IN, 10),
        lambda: selection(identifier, PATIENT_ROOT, extended),
        lambda: write(identifier.members, syntax, identifier.character_set),
    ):
        try:
            ask()
        except HealixError as error:
            assert error.message  # noqa: PT017 - a refusal is as good as an answer


@given(st.dictionaries(st.sampled_from(["LO", "SH", "PN", "UC"]), st.text(st.characters(codec="utf-8"), max_size=20)))
def test_any_text_comes_back(texts: dict[str, str]) -> None:
    """Text of any script is what it was, after it was written for a peer and read again."""
    from dicomweb.dicomjson.model import Member

    plain = {vr: text.translate({ord(c): None for c in "\\=^\0\x1b"}).strip() for vr, text in texts.items()}
    members = {0x00100010 + at: Member(vr, [text]) for at, (vr, text) in enumerate(plain.items()) if text}
    again = parse(write(members, EXPLICIT, ("ISO_IR 192",)), EXPLICIT)
    for tag, member in members.items():
        assert again.members[tag].values == member.values
