"""Finding and rewriting references by the types of elements."""

from __future__ import annotations

import pytest

from healix_fhir.model.references import references, rewrite
from tests.support import resources

OLD = "urn:uuid:00000000-0000-4000-8000-000000000000"
NEW = "Patient/7"
DIV = '<div xmlns="http://www.w3.org/1999/xhtml"><a href="{0}">x</a> <img src=\'{0}\'/> {0}</div>'


def test_references_are_listed_with_their_places() -> None:
    """Literal references of elements, extensions, primitive extensions and contained resources."""
    inner = {"resourceType": "Patient", "id": "p", "managingOrganization": {"reference": "Organization/1"}}
    resource = resources.encounter(
        "#p",
        contained=[inner],
        participant=[{"individual": {"reference": "Practitioner/1"}}, {"individual": {"display": "x"}}],
        extension=[{"url": "http://example.org", "valueReference": {"reference": "Group/1"}}],
        _status={"extension": [{"url": "http://example.org", "valueReference": {"reference": "Group/2"}}]},
    )
    assert sorted(references(resource)) == [
        ("Encounter.contained[0].managingOrganization.reference", "Organization/1"),
        ("Encounter.extension[0].value.reference", "Group/1"),
        ("Encounter.participant[0].individual.reference", "Practitioner/1"),
        ("Encounter.status.extension[0].value.reference", "Group/2"),
        ("Encounter.subject.reference", "#p"),
    ]


@pytest.mark.spec("FHIR R4 http.html#trules")
def test_rewrite_follows_types_not_text() -> None:
    """Strings that only look like a reference stay, and so do canonicals, and UUIDs and OIDs, which an address is not.

    References, URIs and narrative links change.
    """
    resource = resources.patient(
        identifier=[{"value": OLD, "assigner": {"reference": OLD, "display": OLD}}],
        link=[{"other": {"reference": f"{OLD}/_history/2"}, "type": "seealso"}],
        name=[{"text": OLD}],
        extension=[
            {"url": "http://example.org", "valueUri": OLD},
            {"url": "http://example.org", "valueString": OLD},
            {"url": "http://example.org", "valueCanonical": OLD},
            {"url": "http://example.org", "valueUrl": OLD},
            {"url": "http://example.org", "valueUuid": OLD},
            {"url": "http://example.org", "valueOid": OLD},
        ],
        text={"status": "generated", "div": DIV.format(OLD)},
    )
    rewrite(resource, {OLD: NEW})
    assert resource["identifier"][0] == {"value": OLD, "assigner": {"reference": NEW, "display": OLD}}
    assert resource["link"][0]["other"]["reference"] == f"{NEW}/_history/2"
    assert resource["name"][0]["text"] == OLD
    assert [list(extension.values())[1] for extension in resource["extension"]] == [NEW, OLD, OLD, NEW, OLD, OLD]
    assert resource["text"]["div"] == DIV.format(NEW).replace(f"/> {NEW}", f"/> {OLD}")


def test_rewrite_reaches_lists_of_uris_and_bundles() -> None:
    """Repeating URIs, contained resources and entries of bundles are rewritten; an entry's own fullUrl is not."""
    bundle = resources.transaction(
        {"resourceType": "Procedure", "instantiatesUri": [OLD], "instantiatesCanonical": [OLD]},
        resources.encounter(OLD, contained=[resources.encounter(OLD)]),
    )
    rewrite(bundle, {OLD: NEW})
    first, second = bundle["entry"]
    assert first["fullUrl"] == OLD
    assert first["resource"]["instantiatesUri"] == [NEW]
    assert first["resource"]["instantiatesCanonical"] == [OLD]
    assert second["resource"]["subject"]["reference"] == NEW
    assert second["resource"]["contained"][0]["subject"]["reference"] == NEW


@pytest.mark.spec("FHIR R4 http.html#trules")
def test_version_specific_references_stay_so() -> None:
    """A reference to a version becomes one to the version that the target has; others are left as they are."""
    places = (f"{OLD}/_history/3", OLD, "Patient/9/_history/3", f"{NEW}/_history/3")
    resource = resources.encounter(participant=[{"individual": {"reference": place}} for place in places])
    rewrite(resource, {OLD: NEW}, {NEW: 1})
    assert [one["individual"]["reference"] for one in resource["participant"]] == [
        f"{NEW}/_history/1",
        NEW,
        *places[2:],
    ]


def test_rewrite_leaves_the_rest_alone() -> None:
    """What the mapping does not name, and what is no valid structure, stays as it was."""
    resource = resources.encounter("Patient/1", nonsense={"reference": OLD}, length="5")
    before = resources.encounter("Patient/1", nonsense={"reference": OLD}, length="5")
    rewrite(resource, {OLD: NEW, "Patient/10": "Patient/11"})
    assert resource == before
    assert references({"resourceType": "Nonsense", "subject": {"reference": OLD}}) == []
