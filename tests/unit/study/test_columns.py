"""The columns that an object gives to the rows of its study and series, which are worked out once for all of them."""

from __future__ import annotations

from dicomweb.index import columns as module
from dicomweb.index.attributes import Level
from dicomweb.index.columns import SHORT, columns

NAME, DESCRIPTION = 0x00100010, 0x00081030


def test_remembered_columns_are_the_callers_own() -> None:
    """What a caller does with the columns of a study changes nothing for the next object of it."""
    attributes = {NAME: b'{"vr":"PN","Value":[{"Alphabetic":"Doe^Jane"}]}'}
    first = columns(attributes, Level.STUDY)
    expected = dict(first)
    first["patient_name"] = "Roe^Jane"
    assert columns(dict(attributes), Level.STUDY) == expected
    assert expected["patient_name_words"] == ["doe", "jane"]


def test_another_value_gives_other_columns() -> None:
    """Objects of one study that differ in an attribute have each their own columns."""
    texts = ("Head", "Chest")
    found = [
        columns({DESCRIPTION: b'{"vr":"LO","Value":["%s"]}' % text.encode()}, Level.STUDY)["study_description"]
        for text in texts
    ]
    assert found == list(texts)


def test_long_attributes_are_not_remembered() -> None:
    """What is remembered is bounded in number and size, whatever peers send."""
    module._remembered.cache_clear()
    long = b'{"vr":"LO","Value":["%s"]}' % (b"x" * SHORT)
    assert columns({DESCRIPTION: long}, Level.STUDY)["study_description"] == "x" * SHORT
    columns({NAME: b'{"vr":"PN"}'}, Level.INSTANCE)
    assert module._remembered.cache_info().currsize == 0
