"""ImagingStudy follows what is deleted and restored."""

from __future__ import annotations

import pytest

from dicomweb.study.delete import delete
from dicomweb.study.restore import restore
from healix_fhir.imaging.imaging_study import imaging_study_id
from healix_fhir.interaction.accept import change
from healix_fhir.store.commit import commit
from healix_fhir.store.stored import Method
from tests.integration.imaging.test_bridge import BASES, no_pause, resources, settle, small
from tests.support.dicom import uid
from tests.support.study import SYSTEM, Store

__all__ = ["no_pause"]

RESTRICTED = {"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "R"}


@pytest.fixture
def labelled(store: Store) -> Store:
    """A store with a study of two series, whose resource has a label."""
    store.add(small(1, 1, 1), small(1, 1, 2), small(1, 2, 1, Modality="PT"))
    settle(store)
    (found,) = resources(store, "ImagingStudy")
    found["meta"] = {"security": [RESTRICTED]}
    store.run(commit(SYSTEM, [change(Method.PUT, found, "ImagingStudy", found["id"], BASES)]))
    return store


def test_part(labelled: Store) -> None:
    """Series, instances, modalities and numbers are those of what is left."""
    labelled.run(delete(SYSTEM, uid(1), uid(1, 2)))
    settle(labelled)
    (found,) = resources(labelled, "ImagingStudy")
    assert [coding["code"] for coding in found["modality"]] == ["CT"]
    assert (found["numberOfSeries"], found["numberOfInstances"]) == (1, 2)
    assert [series["uid"] for series in found["series"]] == [uid(1, 1)]


def test_whole(labelled: Store) -> None:
    """The resource of a deleted study is deleted; that of a restored one is as it was, with its labels."""
    (before,) = resources(labelled, "ImagingStudy")
    labelled.run(delete(SYSTEM, uid(1)))
    settle(labelled)
    assert resources(labelled, "ImagingStudy") == []
    labelled.run(restore(SYSTEM, uid(1)))
    assert labelled.sql("SELECT pat FROM study") == [(None,)]
    settle(labelled)
    (after,) = resources(labelled, "ImagingStudy")
    assert int(after["meta"].pop("versionId")) == int(before["meta"].pop("versionId")) + 2
    assert after["meta"].pop("lastUpdated") > before["meta"].pop("lastUpdated")
    assert after == before
    joined = "SELECT r.id FROM study s JOIN resource r ON r.pk = s.imaging_study WHERE s.pat = r.pat"
    assert labelled.sql(joined) == [(imaging_study_id(uid(1)),)]


def test_stored_again(labelled: Store) -> None:
    """A study that is stored anew after its deletion has the labels that it had."""
    labelled.run(delete(SYSTEM, uid(1)))
    settle(labelled)
    labelled.add(small(1, 1, 1))
    settle(labelled)
    (found,) = resources(labelled, "ImagingStudy")
    assert found["meta"]["security"] == [RESTRICTED]
    assert found["numberOfInstances"] == 1
