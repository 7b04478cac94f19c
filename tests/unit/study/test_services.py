"""What is stored and what is a service, by the standard's own registry."""

from __future__ import annotations

import pytest
from pydicom._uid_dict import UID_dictionary

from dicomweb.study.services import is_service

CLASSES = {
    uid: name for uid, (name, kind, *_) in UID_dictionary.items() if kind in ("SOP Class", "Meta SOP Class") and name
}
STORED = {
    uid
    for uid, name in CLASSES.items()
    if "Storage" in name and "Commitment" not in name and name != "Media Storage Directory Storage"
}


@pytest.mark.spec("PS3.18 I.2")
def test_services_are_told_from_what_is_stored() -> None:
    """Each class of the registry whose name says Storage is one of objects; every other one is a service."""
    assert len(STORED) > 150
    assert {uid for uid in CLASSES if not is_service(uid)} == STORED


@pytest.mark.parametrize("uid", ["1.2.3.4", "1.2.840.10008.5.1.4.1.1.999", "1.2.840.10008.5.1.4.310.1", ""])
def test_what_is_not_known_may_be_stored(uid: str) -> None:
    """Classes of makers and of later editions are no services."""
    assert not is_service(uid)
