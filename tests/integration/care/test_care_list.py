"""The list of the patients in a clinician's care that searches of many rows have: what is in it, and who gets one."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from healix_fhir.kernel.database import at_once
from smart_auth.access import AccessContext
from smart_auth.care_list import MOST
from smart_auth.scope import Permission, parse
from smart_auth.store import digest, find
from tests.support.gate import Pool, token, user
from tests.support.query_recorder import query_recorder
from tests.support.search import Clinic

WIDE = AccessContext(parse("user/*.cruds"), practitioner="d", wide=True)
CARE = """INSERT INTO care_relationship (practitioner, pat, source, starts, ends, emergency)
SELECT 'd', pat, 's', now() - interval '1 hour', now() + interval '1 hour', %s FROM patient_key"""


@pytest.fixture
def clinic(pool: Pool) -> Clinic:
    """A patient with an observation that another one is about."""
    clinic = Clinic(pool)
    about = {"status": "final", "code": {"text": "x"}, "subject": {"reference": "Patient/p"}}
    clinic.put(
        {"resourceType": "Patient", "id": "p"},
        {"resourceType": "Observation", "id": "o", **about},
        {"resourceType": "Observation", "id": "of", "derivedFrom": [{"reference": "Observation/o"}], **about},
    )
    return clinic


def seen(clinic: Clinic) -> set[str]:
    """What the same access finds, in ways that read in order, through links and as what a page brings with it."""
    found = [
        *clinic.ids("Observation", WIDE),
        *clinic.ids("Observation?subject:Patient.gender:missing=true", WIDE),
        *clinic.ids("Observation?_has:Observation:derived-from:status=final", WIDE),
        *clinic.ids("Observation?_id=o,of", WIDE),
    ]
    with_others = clinic.page("Patient?_revinclude=Observation:patient", WIDE).entries
    assert set(found) == {hit.id for hit in with_others if hit.mode == "include"}
    return set(found)


@pytest.mark.parametrize(
    ("emergency", "change"),
    [
        (False, "DELETE FROM care_relationship"),
        (False, "UPDATE care_relationship SET ends = now()"),
        (False, "UPDATE care_relationship SET starts = now() + interval '1 hour'"),
        (False, "UPDATE care_relationship SET practitioner = 'e'"),
        (True, "DELETE FROM care_relationship"),
    ],
)
def test_the_next_search_knows_of_every_change(clinic: Clinic, change: str, *, emergency: bool) -> None:
    """Who was in care and is not any more is gone from what the same token finds, and comes back with the care."""
    assert seen(clinic) == set()
    clinic.run(CARE, (emergency,))
    assert seen(clinic) == {"o", "of"}
    clinic.run(change)
    assert seen(clinic) == set()
    clinic.run("DELETE FROM care_relationship")
    clinic.run(CARE, (emergency,))
    assert seen(clinic) == {"o", "of"}


def test_one_statement_finds_and_one_brings_what_belongs_to_it(clinic: Clinic) -> None:
    """The list is no statement of its own."""
    clinic.run(CARE, (False,))
    with query_recorder() as statements:
        clinic.page("Patient?_revinclude=Observation:patient&_total=accurate", WIDE)
    assert len(statements) == 2


def test_what_is_changed_is_never_looked_up_in_the_list() -> None:
    """The list has emergencies too, which change nothing of what states who cares for whom."""
    sweeping = WIDE.sweeping()
    assert sweeping.care_list is not None
    for permission in Permission:
        listed = " care y" in sweeping.predicate("Encounter", permission, "r").sql
        assert listed is (permission in (Permission.READ, Permission.SEARCH))


@pytest.mark.parametrize(
    ("access", "listing"),
    [
        (WIDE, True),
        (replace(WIDE, wide=False), False),
        (replace(WIDE, practitioner=None), False),
        (replace(WIDE, scopes=parse("patient/*.rs"), pat=1), False),
        (replace(WIDE, scopes=parse("user/*.rs patient/*.rs"), pat=1), True),
    ],
)
def test_the_list_is_for_what_the_users_relationships_open(access: AccessContext, listing: bool) -> None:
    """The one patient of an app is looked up, not listed."""
    assert (" care y" in access.sweeping().predicate("Observation", Permission.READ, "r").sql) is listing


@pytest.mark.parametrize(
    ("relations", "wide"),
    [
        ("SELECT 'd', pat, 's', NULL FROM patient_key ORDER BY pat LIMIT 10", True),
        ("SELECT 'd', pat, 's', NULL FROM patient_key ORDER BY pat LIMIT 9", False),
        ("SELECT 'e', pat, 's', NULL FROM patient_key", False),
        ("SELECT 'd', pat, 's', now() FROM patient_key", False),
        ("SELECT 'd', pat, 's' || n, NULL FROM patient_key, generate_series(1, 10) n ORDER BY pat LIMIT 50", False),
        (f"SELECT 'd', pat, 's' || n, NULL FROM patient_key, generate_series(1, {MOST // 200}) n", True),
        (f"SELECT 'd', pat, 's' || n, NULL FROM patient_key, generate_series(0, {MOST // 200}) n", False),
    ],
)
def test_who_has_one_patient_in_twenty_in_care_is_guessed_with_the_token(
    pool: Pool, relations: str, wide: bool
) -> None:
    """Patients count once, and only while they are in care; of more relationships than a list has there is none."""
    clinic = Clinic(pool)
    clinic.keys(*(f"p{n}" for n in range(200)))
    user(pool, "dr", role="practitioner", fhir_user="Practitioner/d")
    value = digest(token(pool, "user/*.rs", username="dr"))
    clinic.run(f"INSERT INTO care_relationship (practitioner, pat, source, ends) {relations}")
    assert not at_once(pool, find([value]))[value].access.wide  # nobody has counted the patients yet
    clinic.run("ANALYZE patient_key")
    with query_recorder() as statements:
        access = at_once(pool, find([value]))[value].access
    assert (access.wide, len(statements)) == (wide, 1)
