"""What a Patient's record says, as the labels of images."""

from __future__ import annotations

from typing import Any

import pytest

from healix_fhir.imaging.labels import labels


@pytest.mark.spec("FHIR R4 json.html#primitive")
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ({"family": "Roe", "given": ["Ann", "Mae"], "prefix": ["Dr"]}, "Roe^Ann^Mae^Dr"),
        ({"family": "Roe", "given": [None, "Mae"], "suffix": [None, "Jr"]}, "Roe^Mae^^^Jr"),
        ({"family": None, "given": [None], "text": "Ann Roe"}, "Ann Roe"),
        ({"family": "Roe^X=", "given": ["A\\B"]}, "Roe X ^A B"),
    ],
)
def test_a_name_of_which_parts_have_no_value(name: dict[str, Any], expected: str) -> None:
    """A part that only extensions tell of is none of the label."""
    assert labels({"identifier": [{"value": "P1"}], "name": [name]})["PatientName"] == expected
