"""Key images that a report names."""

from __future__ import annotations

from healix_fhir.model.key_images import KeyImage, illustrated, key_images_of

PICTURE = {"resourceType": "Media", "id": "key-image-1", "status": "completed", "content": {"data": "AA=="}}


def test_there_and_back() -> None:
    """What is named is read again, in its order; other media stay, and their ids are theirs."""
    report = {"contained": [PICTURE], "media": [{"link": {"reference": "#key-image-1"}}]}
    first = [KeyImage("1.2.3", "Nodule", 7, "1.2.9"), KeyImage("1.2.4")]
    made = illustrated(report, first)
    assert key_images_of(made) == first
    again = illustrated(made, first[1:])
    assert key_images_of(again) == first[1:]
    assert illustrated(again, []) == report
    assert illustrated({}, []) == {}
