"""The action information of a request for storage commitment."""

from __future__ import annotations

import pytest
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from dicomweb.commitment import references
from dicomweb.commitment.references import Reference, Request, pack, read, unpack
from healix_fhir.kernel.errors import Category, HealixError
from tests.support.commitment import CT, TRANSACTION, encoded, information
from tests.support.dicom import uid

TWO = ((CT, uid(1)), (CT, uid(2)))


@pytest.mark.spec("PS3.4 J.3.2.1.1")
@pytest.mark.parametrize(
    "syntax",
    [ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian],
)
def test_references_are_read_in_every_native_transfer_syntax(syntax: str) -> None:
    """Whatever the context was negotiated to, the request is the same."""
    asked = read(encoded(information(*TWO), syntax), syntax)
    assert asked == Request(TRANSACTION, tuple(Reference(*one) for one in TWO))


def test_instance_named_twice_is_one() -> None:
    """Naming an instance twice asks for nothing more."""
    asked = read(encoded(information(*TWO, TWO[0])), ImplicitVRLittleEndian)
    assert len(asked.references) == 2


WHOLE = encoded(information(*TWO))
BAD = {
    "no transaction": encoded(information(*TWO, transaction=None)),
    "no UID": WHOLE.replace(TRANSACTION.encode(), TRANSACTION.replace("1.2", "1.x").encode()),
    "no instance": encoded(information()),
    "no class": encoded(information(("", uid(1)))),
    "no instance UID": encoded(information((CT, ""))),
    "leading zero": encoded(information((CT, uid(11)))).replace(uid(11).encode(), uid(11)[:-2].encode() + b"01"),
}


@pytest.mark.spec("PS3.4 J.3.2.1.1")
@pytest.mark.parametrize("broken", BAD)
def test_request_that_lacks_something_is_refused(broken: str) -> None:
    """A request without a transaction, without instances, or with what is no UID, is no request."""
    with pytest.raises(HealixError) as raised:
        read(BAD[broken], ImplicitVRLittleEndian)
    assert raised.value.category is Category.INVALID


@pytest.mark.parametrize("length", [1, 9, 40])
def test_truncated_request_is_refused(length: int) -> None:
    """A data set that ends in an element is refused."""
    with pytest.raises(HealixError):
        read(encoded(information(*TWO))[:-length], ImplicitVRLittleEndian)


def test_number_of_instances_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """More instances than the limit are refused as too many."""
    monkeypatch.setattr(references, "MOST", 1)
    with pytest.raises(HealixError) as raised:
        read(encoded(information(*TWO)), ImplicitVRLittleEndian)
    assert raised.value.category is Category.TOO_LARGE


def test_packed_references_come_back() -> None:
    """What is kept is what was named, in its order."""
    named = tuple(Reference(CT, uid(n)) for n in range(5000))
    packed = pack(named)
    assert unpack(packed) == named
    assert len(packed) < 100_000
