"""The syntax of UIDs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicomweb.uid import check_uid, is_uid
from healix_fhir.kernel.errors import Category, HealixError


@pytest.mark.spec("PS3.5 9.1")
@pytest.mark.parametrize(
    "text", ["1.2.840.10008.1.2", "0.0", "1", "2.25.329800735698586629295641978511506172918", "1." + "2" * 62]
)
def test_uids(text: str) -> None:
    """What the standard allows."""
    assert check_uid(text, "StudyInstanceUID") == text


@pytest.mark.spec("PS3.5 9.1")
@pytest.mark.parametrize(
    "text",
    [
        "",
        ".",
        "1.",
        ".1",
        "1..2",
        "01.2",
        "1.02",
        "1.2a",
        "1/2",
        "../1",
        "1.2\n",
        "1.2\0",
        " 1.2",
        "1.\u0662",
        "-1",
        "1." + "2" * 63,
    ],
)
def test_no_uids(text: str) -> None:
    """Everything else is Invalid, and the value is not repeated."""
    with pytest.raises(HealixError) as caught:
        check_uid(text, "StudyInstanceUID")
    assert caught.value.category is Category.INVALID
    assert caught.value.message == "StudyInstanceUID is not a valid UID"


@given(st.text(max_size=70))
def test_a_uid_holds_nothing_but_digits_and_dots(text: str) -> None:
    """No accepted text can be a path."""
    assert not is_uid(text) or set(text) <= set("0123456789.")
