"""Names of attributes, and the levels that they belong to."""

from __future__ import annotations

import pytest

from dicomweb.dicomjson import dictionary
from dicomweb.index.attributes import Level
from dicomweb.index.entities import OF_SERIES, OF_STUDY, level_of
from dicomweb.index.names import sought, words
from dicomweb.index.naming import canonical, steps
from healix_fhir.kernel.errors import HealixError

CREATORS = {"00190010": "ACME 1.2"}


@pytest.mark.spec("PS3.18 8.3.4.1")
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("PatientName", "PatientName"),
        ("00100010", "PatientName"),
        ("0040a730", "ContentSequence"),
        ("00400275.00400009", "RequestAttributesSequence.ScheduledProcedureStepID"),
        ("00191002", "0019xx02[ACME 1.2]"),
        ("0019xx0a[ACME 1.2].PatientID", "0019xx0A[ACME 1.2].PatientID"),
    ],
)
def test_names(name: str, expected: str) -> None:
    """Tags and keywords name the same; a private tag is named by its creator, in whatever block."""
    assert canonical(name, CREATORS) == expected
    assert canonical(expected) == expected
    assert len(steps(expected)) == 1 + ("." in name)


@pytest.mark.parametrize(
    "name", ["", ".", "PatientNmae", "00191102", "PatientName.", "1234", ".".join(["ContentSequence"] * 9)]
)
def test_what_is_no_name(name: str) -> None:
    """What is no attribute is refused, and a private one without its creator."""
    with pytest.raises(HealixError):
        canonical(name, CREATORS)


@pytest.mark.spec("PS3.3 C.7")
def test_levels() -> None:
    """Each attribute of the tables is one of the standard, and belongs to one level."""
    assert [name for name in OF_STUDY | OF_SERIES if not dictionary.tag(name)] == []
    assert level_of("PatientComments") is Level.STUDY
    assert level_of("ProtocolName") is Level.SERIES
    assert level_of("KVP") is Level.INSTANCE
    assert level_of("ProcedureCodeSequence.CodeValue") is Level.STUDY


@pytest.mark.spec("PS3.4 C.2.2.2.1.1")
@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("Müller^Jürgen", "mueller"), ("Mueller^Jurgen", "Müller"), ("Ødegård^Åse", "odegard aase"),
        ("O'Neil^Conan", "oneil"), ("Smith-Jones^Ann", "jones ann"), ("Łukasz^Jan", "lukasz"), ("Straße", "STRASSE"),
        ("Yamada^Tarou=山田^太郎=やまだ^たろう", "山田太郎"), ("=山田^太郎", "太郎"), ("==ヤマダ", "やまだ"),
        ("Ivanov=Иванов^Пётр", "петр"), ("Hong^Gildong=洪^吉洞=홍^길동", "홍길"),
    ],
)  # fmt: skip
def test_fuzzy_words(name: str, key: str) -> None:
    """Every word of the key begins a word of the name in one of its spellings."""
    there = words(name)
    assert all(any(word.startswith(spelling) for word in there for spelling in either) for either in sought(key))
    assert sought(key)
