"""The action information of a request for storage commitment, whatever it is."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from pydicom.uid import ImplicitVRLittleEndian

from dicomweb.commitment import references
from dicomweb.commitment.references import Request
from healix_fhir.kernel.errors import Category, HealixError
from tests.support.commitment import CT, encoded, information
from tests.support.dicom import uid

BOTH = ((CT, uid(1)), (CT, uid(2)))
WHOLE = encoded(information(*BOTH))
REFUSALS = (Category.INVALID, Category.TOO_LARGE)


def outcome(content: bytes) -> Request | Category:
    """The request that was read, or the category of the refusal."""
    try:
        return references.read(content, ImplicitVRLittleEndian)
    except HealixError as error:
        return error.category


@given(data=st.binary(max_size=300), cut=st.integers(0, 200))
def test_nonsense_is_refused_as_an_argument(data: bytes, cut: int) -> None:
    """Whatever the action information is, reading it ends in a request or in a refusal by name."""
    for content in (data, WHOLE[:cut] + data, WHOLE[:cut] + data + WHOLE[cut:]):
        found = outcome(content)
        assert found in REFUSALS or (isinstance(found, Request) and found.references)
