"""Which language a record says that somebody prefers."""

from __future__ import annotations

from typing import Any

import pytest

from healix_fhir.care.tongues import preferred


def spoken(code: str, *, liked: bool = False) -> dict[str, Any]:
    """An element of Patient.communication."""
    return {"language": {"coding": [{"system": "urn:ietf:bcp:47", "code": code}]}} | (
        {"preferred": True} if liked else {}
    )


@pytest.mark.spec("FHIR R4 patient-definitions.html#Patient.communication")
@pytest.mark.parametrize(
    ("communication", "found"),
    [
        ([], None),
        ([spoken("de-AT")], "de"),
        ([spoken("de"), spoken("HI", liked=True)], "hi"),
        ([spoken("ru", liked=True), spoken("fr")], "fr"),
        ([spoken("ru")], None),
        ([{"language": {"text": "some"}}], None),
    ],
)
def test_the_preferred_language_comes_first(communication: list[dict[str, Any]], found: str | None) -> None:
    """Then whichever of ours is spoken; a variant is content with its language."""
    assert preferred({"communication": communication}) == found
