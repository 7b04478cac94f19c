"""What a patient's Consents hide from clinicians, on the paths to resources."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from healix_fhir.care import memberships, relationships
from healix_fhir.kernel.audit import Origin
from healix_fhir.kernel.consume import drain
from healix_fhir.kernel.errors import Category, HealixError
from healix_fhir.model.definitions import TYPE_ID
from healix_fhir.operation.break_glass import open_record
from healix_fhir.search.security_labels import clearance
from healix_fhir.store.commit import commit
from healix_fhir.store.history import Past, versions
from healix_fhir.store.read import read
from healix_fhir.store.stored import Method
from smart_auth.access import AccessContext
from smart_auth.account.clearance import clear
from smart_auth.break_glass import Terms
from smart_auth.scope import Permission, parse
from smart_auth.store import create_token, digest, find
from tests.support.consents import (
    actions,
    actors,
    classes,
    consent,
    deny,
    instances,
    level,
    permit,
    policy,
    sensitivity,
)
from tests.support.fhir_server import change, do
from tests.support.gate import Pool
from tests.support.search import BASE, Clinic

Json = dict[str, Any]
NOW = datetime.now(UTC)
BEFORE, AFTER = (NOW - timedelta(days=1)).isoformat(), (NOW + timedelta(days=1)).isoformat()
ALL = {"Observation/o", "Observation/r", "Observation/v", "Condition/h", "Patient/p"}
SUBJECT = {"subject": {"reference": "Patient/p"}}
OTHERS = ("CareTeam", "Consent", "Encounter", "Communication")


def observation(id_: str, *labels: Json) -> Json:
    """An Observation of the patient with labels."""
    meta = {"meta": {"security": list(labels)}} if labels else {}
    return {"resourceType": "Observation", "id": id_, "status": "final", "code": {"text": "x"}, **SUBJECT, **meta}


@pytest.fixture
def clinic(pool: Pool) -> Clinic:
    """A patient in the care of the doctors d, in organization o and team t, and e; cleared for all labels.

    What o is a part of, and what that and d's role belong to, are beside; e was at o once.
    """
    clinic = Clinic(pool)
    gp = [{"reference": f"Practitioner/{id_}"} for id_ in ("d", "e")]
    condition = {"resourceType": "Condition", "id": "h", **SUBJECT, "meta": {"security": [sensitivity("HIV")]}}
    role = {"practitioner": {"reference": "Practitioner/d"}, "organization": {"reference": "Organization/o"}}
    clinic.put(
        {"resourceType": "Patient", "id": "p", "generalPractitioner": gp},
        {"resourceType": "Patient", "id": "q", "generalPractitioner": gp},
        observation("o"),
        observation("r", level("R")),
        observation("v", level("V")),
        condition,
        {"resourceType": "PractitionerRole", "id": "role", **role},
        {"resourceType": "PractitionerRole", "id": "past", **role, "practitioner": gp[1], "period": {"end": BEFORE}},
        part("ward", "o"),
        part("o", "house"),
        part("house", "trust"),
        part("trust", "house"),  # a mistake, which ends nowhere
        {"resourceType": "Organization", "id": "other", "name": "other"},
        {
            "resourceType": "CareTeam",
            "id": "roles",
            "status": "active",
            "participant": [
                {"member": {"reference": "PractitionerRole/role"}},
                {"member": {"reference": "PractitionerRole/past"}},
            ],
        },
        {
            "resourceType": "CareTeam",
            "id": "ended",
            "status": "active",
            "participant": [{"member": {"reference": "CareTeam/roles"}, "period": {"end": BEFORE}}],
        },
        {
            "resourceType": "Group",
            "id": "houses",
            "type": "practitioner",
            "actual": True,
            "member": [{"entity": {"reference": "CareTeam/of-house"}}],
        },
        {
            "resourceType": "CareTeam",
            "id": "of-house",
            "status": "active",
            "participant": [{"member": {"reference": "Organization/house"}}],
        },
        {"resourceType": "CareTeam", "id": "t", "status": "active", "participant": [{"member": gp[0]}]},
    )
    with pool.connection() as connection:
        while drain(connection, {"resource": [relationships.handle, memberships.consumer((BASE,))]}):
            pass
        connection.execute(
            "INSERT INTO account (username, role, fhir_user, password_hash, clearance) VALUES"
            " ('cleared', 'practitioner', 'Practitioner/d', '', (SELECT array_agg(DISTINCT label) FROM index_label))"
        )
    return clinic


def doctor(id_: str = "d", client: str = "app") -> AccessContext:
    """The token of a clinician's app."""
    return AccessContext(parse("user/*.cruds"), Origin(client, "cleared"), practitioner=id_)


def seen(clinic: Clinic, access: AccessContext) -> set[str]:
    """What is found of the patient's data by a search of everything, which reads and counts must agree with."""
    page = clinic.page("?_type=Patient,Observation,Condition&_total=accurate&_count=50", access)
    found = {f"{hit.type}/{hit.id}" for hit in page.entries} - {"Patient/q"}
    assert page.total == len(page.entries)
    listed = clinic.page("?_type=Patient,Observation,Condition&_count=50", replace(access, wide=True)).entries
    assert {f"{hit.type}/{hit.id}" for hit in listed} - {"Patient/q"} == found
    for one in ALL:
        type_name, id_ = one.split("/")
        assert (clinic.ids(f"{type_name}?_id={id_}", access) == [id_]) is (one in found)
        if one in found:
            assert do(clinic.pool, lambda t=type_name, i=id_: read(access, t, i)).id == id_  # type: ignore[misc]
        else:
            with pytest.raises(HealixError) as refusal:
                do(clinic.pool, lambda t=type_name, i=id_: read(access, t, i))  # type: ignore[misc]
            assert refusal.value.category is Category.NOT_FOUND
    return found


def part(id_: str, whole: str) -> Json:
    """An Organization that is a part of another one."""
    return {"resourceType": "Organization", "id": id_, "name": id_, "partOf": {"reference": f"Organization/{whole}"}}


D = actors("Practitioner/d")
NONE: set[str] = set()
OBSERVED = {"Observation/o", "Observation/r", "Observation/v"}
RULES: list[tuple[Json, set[str], set[str]]] = [
    # what is consented to; what d sees; what e sees
    (consent("c"), ALL, ALL),
    (consent("c", deny()), NONE, NONE),
    (consent("c", deny(actor=D)), NONE, ALL),
    (consent("c", deny(actor=actors("Practitioner/x"))), ALL, ALL),
    (consent("c", deny(actor=actors("Practitioner/x", "Practitioner/d"))), NONE, ALL),
    (consent("c", deny(actor=actors("Organization/o"))), NONE, ALL),
    (consent("c", deny(actor=actors("PractitionerRole/role"))), NONE, ALL),
    (consent("c", deny(actor=actors("CareTeam/t"))), NONE, ALL),
    *((consent("c", deny(actor=actors(whole))), NONE, ALL) for whole in (
        "Organization/house", "Organization/trust", "CareTeam/roles", "CareTeam/of-house", "Group/houses")),
    *((consent("c", deny(actor=actors(other))), ALL, ALL) for other in (
        "Organization/ward", "Organization/other", "PractitionerRole/past", "CareTeam/ended")),
    (consent("c", deny(permit(actor=actors("Organization/trust")))), ALL, NONE),
    (consent("c", deny(permit(actor=actors("Organization/ward")))), NONE, NONE),
    (consent("c", deny(actor=actors("client/app"))), NONE, NONE),
    (consent("c", deny(actor=actors("client/other"))), ALL, ALL),
    (consent("c", deny(actor=actors("RelatedPerson/d", "Patient/d"))), ALL, ALL),
    (consent("c", deny(class_=classes("Observation"))), {"Condition/h", "Patient/p"}, {"Condition/h", "Patient/p"}),
    (consent("c", deny(class_=classes("Condition"), actor=D)), ALL - {"Condition/h"}, ALL),
    (consent("c", deny(securityLabel=[level("V")])), ALL - {"Observation/v"}, ALL - {"Observation/v"}),
    (
        consent("c", deny(securityLabel=[level("R")], actor=D)),
        ALL - {"Observation/r", "Observation/v"},
        ALL,
    ),
    (consent("c", deny(securityLabel=[sensitivity("HIV")])), ALL - {"Condition/h"}, ALL - {"Condition/h"}),
    (consent("c", deny(data=instances("Observation/o"))), ALL - {"Observation/o"}, ALL - {"Observation/o"}),
    (consent("c", deny(data=instances("Condition/o"))), ALL, ALL),
    (consent("c", deny(action=actions("access"))), NONE, NONE),
    (consent("c", deny(action=actions("disclose"))), NONE, NONE),
    (consent("c", deny(action=actions("correct", "collect"))), ALL, ALL),
    (consent("c", deny(period={"start": BEFORE, "end": AFTER})), NONE, NONE),
    (consent("c", deny(period={"start": AFTER})), ALL, ALL),
    (consent("c", deny(period={"end": BEFORE})), ALL, ALL),
    (consent("c", deny(permit(actor=D))), ALL, NONE),
    (consent("c", deny(permit(class_=classes("Observation")))), OBSERVED, OBSERVED),
    (
        consent("c", deny(permit(deny(securityLabel=[level("V")]), class_=classes("Observation")), actor=D)),
        {"Observation/o", "Observation/r"},
        ALL,
    ),
    (consent("c", deny(permit(class_=classes("Observation")), permit(actor=actors("Practitioner/e")))),
     OBSERVED, ALL),
    (consent("c", deny(permit(securityLabel=[level("R")]), class_=classes("Observation"))),
     ALL - {"Observation/o", "Observation/v"}, ALL - {"Observation/o", "Observation/v"}),
    (consent("c", permit(deny(class_=classes("Condition")), actor=D)), ALL - {"Condition/h"}, ALL),
    (consent("c", policyRule=policy("OPTOUT")), NONE, NONE),
    (consent("c", permit(actor=D), policyRule=policy("OPTOUT")), ALL, NONE),
    (consent("c", permit(class_=classes("Patient")), policyRule=policy("OPTOUT")), {"Patient/p"}, {"Patient/p"}),
    (consent("c", {"actor": D, "provision": [permit(class_=classes("Patient"))]}, policyRule=policy("OPTOUT")),
     {"Patient/p"}, ALL),
    (consent("c", {"provision": [deny(actor=D)]}), NONE, ALL),
    (consent("c", deny(), status="inactive"), ALL, ALL),
    (consent("c", deny(), status="proposed"), ALL, ALL),
    (consent("c", deny(), scope={"coding": [{"code": "research"}]}), ALL, ALL),
    (consent("c", deny(), patient="q"), ALL, ALL),
]  # fmt: skip


@pytest.mark.parametrize(("made", "d", "e"), RULES)
@pytest.mark.spec("FHIR R4 consent.html#6.2.0")
def test_rules(clinic: Clinic, made: Json, d: set[str], e: set[str]) -> None:
    """Provisions and what is nested in them hide exactly what they are about, from whom they are about."""
    clinic.put(made)
    assert seen(clinic, doctor()) == d
    assert seen(clinic, doctor("e")) == e
    patient = clinic.access("patient/*.rs", patient="p")
    assert seen(clinic, patient) == ALL
    assert seen(clinic, AccessContext(parse("system/*.rs"))) == ALL
    app = AccessContext(parse("patient/*.rs"), Origin("app", "cleared"), "p", clinic.keys("p")["p"], "d")
    assert seen(clinic, app) == d


def test_it_follows_the_resource(clinic: Clinic) -> None:
    """A Consent counts from the transaction that writes it to the one that ends or removes it."""
    clinic.put(consent("c", deny()), consent("two", deny(class_=classes("Condition"))))
    assert seen(clinic, doctor()) == NONE
    clinic.put(consent("c", deny(actor=actors("Practitioner/e"))))
    assert seen(clinic, doctor()) == ALL - {"Condition/h"}
    clinic.delete("Consent", "two")
    assert seen(clinic, doctor()) == ALL
    clinic.put(consent("c", deny(actor=D)))
    assert seen(clinic, doctor()) == NONE
    clinic.put(consent("c", deny(actor=D), status="inactive"))
    assert seen(clinic, doctor()) == ALL


def test_one_of_several_patients_is_enough(clinic: Clinic) -> None:
    """A resource in two records is hidden when one of the two patients denies it."""
    group = {"resourceType": "Group", "id": "g", "type": "person", "actual": True}
    clinic.put(group | {"member": [{"entity": {"reference": f"Patient/{id_}"}} for id_ in ("p", "q")]})
    assert clinic.ids("Group", doctor()) == ["g"]
    clinic.put(consent("c", deny(actor=D), patient="q"))
    assert clinic.ids("Group", doctor()) == []
    assert clinic.ids("Group", doctor("e")) == ["g"]
    clinic.delete("Consent", "c")
    clinic.put(consent("c", deny(actor=D), patient="p"))
    assert clinic.ids("Group", doctor()) == []


@pytest.mark.parametrize(
    ("address", "found"),
    [
        ("Observation?subject:Patient._id=p", set()),
        ("Condition?subject:Patient._id=p", set()),
        ("Condition?subject:Patient._has:Observation:subject:_id=o", set()),
        ("Patient?_has:Observation:subject:_id=o", set()),
        ("Patient?_id=p&_revinclude=Observation:subject", set()),
        ("Condition?_include=Condition:subject", {"Condition/h"}),
        ("Patient/p/Observation", set()),
        ("Patient/p/*", {"Condition/h", "Consent/c"}),
    ],
)
def test_no_path_leads_around_it(clinic: Clinic, address: str, found: set[str]) -> None:
    """Chains, _has, includes and compartments find nothing of what is denied, which they find without the Consent."""
    before = {f"{hit.type}/{hit.id}" for hit in clinic.page(address, doctor()).entries}
    assert before - found
    clinic.put(consent("c", deny(class_=classes("Observation", "Patient"), actor=D)))
    assert {f"{hit.type}/{hit.id}" for hit in clinic.page(address, doctor()).entries} == found


def test_writes(clinic: Clinic, pool: Pool) -> None:
    """What may not be collected or corrected is not written, and what is hidden is not changed."""
    clinic.put(consent("c", deny(action=actions("collect"), actor=D, class_=classes("Observation"))))
    with pytest.raises(HealixError) as refusal:
        do(pool, lambda: commit(doctor(), [change(Method.POST, observation("n"), "n")]))
    assert refusal.value.category is Category.FORBIDDEN
    assert do(pool, lambda: commit(doctor(), [change(Method.PUT, observation("o", level("N")), "o")]))[0].changed
    clinic.put(consent("c", deny(action=actions("correct"), actor=D)))
    with pytest.raises(HealixError) as refusal:
        do(pool, lambda: commit(doctor(), [change(Method.PUT, observation("o"), "o")]))
    assert refusal.value.category is Category.FORBIDDEN
    clinic.put(consent("c", deny(actor=D, securityLabel=[level("V")])))
    with pytest.raises(HealixError) as refusal:
        do(pool, lambda: commit(doctor(), [change(Method.PUT, observation("v"), "v")]))
    assert refusal.value.category is Category.FORBIDDEN
    (gone,) = do(pool, lambda: commit(doctor(), [change(Method.DELETE, observation("v"), "v")]))
    assert not gone.changed


@pytest.mark.parametrize("method", [Method.PUT, Method.DELETE])
def test_clinicians_do_not_change_consents(clinic: Clinic, pool: Pool, method: Method) -> None:
    """A Consent once given is changed by the patient and by systems, not by a clinician's app; it may record one."""
    given = consent("c", deny(actor=D, class_=classes("Observation")))
    (new,) = do(pool, lambda: commit(doctor(), [change(Method.POST, given, "c")]))
    assert new.created
    changed = change(method, consent("c", status="inactive"), "c")
    for scope in ("user/*.cruds", "patient/*.cruds"):
        app = AccessContext(parse(scope), Origin("app", "cleared"), "p", clinic.keys("p")["p"], "d")
        if method is Method.PUT:
            with pytest.raises(HealixError) as refusal:
                do(pool, lambda app=app: commit(app, [changed]))  # type: ignore[misc]
            assert refusal.value.category is Category.FORBIDDEN
        else:
            assert not do(pool, lambda app=app: commit(app, [changed]))[0].changed  # type: ignore[misc]
    assert seen(clinic, doctor()) == {"Condition/h", "Patient/p"}
    patient = clinic.access("patient/*.cruds", patient="p")
    assert do(pool, lambda: commit(patient, [changed]))[0].changed
    assert seen(clinic, doctor()) == ALL


@pytest.mark.parametrize("lifts", [True, False])
def test_break_glass_shows_what_is_denied_where_the_operator_lets_it(clinic: Clinic, pool: Pool, lifts: bool) -> None:
    """An emergency access lifts denials and labels by default; with the setting off it opens the record only."""
    clinic.put(consent("c", deny()))
    unknown = AccessContext(parse("user/*.rs"), Origin("app", "nobody"), practitioner="f")
    do(pool, lambda: open_record(unknown, "p", "unconscious", Terms(lifts=lifts)))
    assert seen(clinic, unknown) == (ALL if lifts else NONE)
    clinic.delete("Consent", "c")
    assert seen(clinic, unknown) == (ALL if lifts else {"Observation/o", "Patient/p"})
    with pool.connection() as connection:
        connection.execute("UPDATE care_relationship SET ends = now() WHERE emergency")
    assert seen(clinic, unknown) == NONE


def test_who_acts_for_a_patient_is_denied_by_name_only(clinic: Clinic) -> None:
    """A Consent hides from a parent what names the parent, never the parent's own record; labels hide nothing."""
    clinic.put({"resourceType": "RelatedPerson", "id": "k", "patient": {"reference": "Patient/p"}})
    clinic.run(
        "INSERT INTO care_relationship (practitioner, pat, source) SELECT 'RelatedPerson/k', pat, 'RelatedPerson/k'"
        " FROM patient_key WHERE id = 'p' ON CONFLICT DO NOTHING"
    )
    parent = clinic.access("user/*.rs", own="q", proxies=("RelatedPerson/k",))
    clinic.put(consent("c", deny()))
    assert seen(clinic, parent) == ALL
    clinic.put(consent("c", deny(actor=actors("RelatedPerson/k"), securityLabel=[level("R")])))
    assert seen(clinic, parent) == ALL - {"Observation/r", "Observation/v"}
    clinic.put(consent("c", deny(actor=actors("RelatedPerson/k")), patient="q"))
    assert seen(clinic, parent) == ALL
    assert set(clinic.ids("Patient", parent)) == {"p", "q"}


@pytest.mark.parametrize(
    ("codes", "found"),
    [
        ((), {"Observation/o", "Patient/p"}),
        (("R",), {"Observation/o", "Observation/r", "Patient/p"}),
        (("V",), {"Observation/o", "Observation/r", "Observation/v", "Patient/p"}),
        (("HIV",), {"Observation/o", "Condition/h", "Patient/p"}),
        (("SPI", "R"), {"Observation/o", "Observation/r", "Patient/p"}),
        (("V", "HIV"), ALL),
    ],
)
@pytest.mark.spec("FHIR R4 security-labels.html#6.1.1")
def test_labels_are_shown_to_who_is_cleared(clinic: Clinic, codes: tuple[str, ...], found: set[str]) -> None:
    """A restricted or sensitive resource is shown to clinicians cleared for each of its labels, and to the patient."""
    do(clinic.pool, lambda: clear("cleared", clearance(codes)))
    assert seen(clinic, doctor()) == found
    assert seen(clinic, AccessContext(parse("user/*.rs"), Origin("app"), practitioner="d")) == {
        "Observation/o",
        "Patient/p",
    }
    assert seen(clinic, clinic.access("patient/*.rs", patient="p")) == ALL


def test_a_label_follows_its_resource(clinic: Clinic) -> None:
    """A label hides from the version on that has it, and its history with it, until it is taken away or deleted."""
    nobody = AccessContext(parse("user/*.rs"), Origin("app"), practitioner="d")
    clinic.put(observation("o", level("R"), level("N")))
    past = Past(("Observation",), Permission.READ, "o")
    assert clinic.ids("Observation?_id=o", nobody) == []
    assert do(clinic.pool, lambda: versions(nobody, past, 9)).page == []
    clinic.put(observation("o", level("N")))
    assert clinic.ids("Observation?_id=o", nobody) == ["o"]
    assert len(do(clinic.pool, lambda: versions(nobody, past, 9)).page) == 3


def test_without_any_the_predicate_is_the_old_one(clinic: Clinic, pool: Pool) -> None:
    """A token tells whether there are Consents or labels; where there are none, nothing is asked of them."""
    token = do(pool, lambda: create_token("user/*.rs", username="cleared"))
    (found,) = do(pool, lambda: find([digest(token)])).values()
    assert found.access.narrowed == {"label"}
    clinic.put(consent("c", deny(permit())))
    (found,) = do(pool, lambda: find([digest(token)])).values()
    assert found.access.narrowed == {"label", "consent"}
    plain = msgspec.structs.replace(found.access, narrowed=frozenset())
    assert "consent_rule" not in plain.predicate("Observation", Permission.READ, "r").sql
    assert "index_label" not in plain.predicate("Observation", Permission.READ, "r").sql


STUDIES = (
    *RULES,
    (consent("c", deny(class_=classes("ImagingStudy"), actor=actors("Organization/o"))), NONE, NONE),
    (consent("c", deny(data=instances("ImagingStudy/n"))), NONE, NONE),
    (consent("c", deny(data=instances("ImagingStudy/v"), securityLabel=[level("R")])), NONE, NONE),
    (consent("c", deny(permit(securityLabel=[level("N")]), actor=D)), NONE, NONE),
    (consent("c", policyRule=policy("OPTOUT"), provision=permit(data=instances("ImagingStudy/v"))), NONE, NONE),
)


def test_studies_are_shown_as_their_resources_are(clinic: Clinic) -> None:
    """DICOMweb's condition on a study is that on its ImagingStudy; without one, that on one that says nothing."""
    kind = TYPE_ID["ImagingStudy"]
    labels = {"n": [level("N")], "r": [level("R")], "v": [level("V"), sensitivity("HIV")], "without": []}
    for id_, security in labels.items():
        clinic.put(
            {
                "resourceType": "ImagingStudy",
                "id": id_,
                "status": "available",
                **SUBJECT,
                "meta": {"security": security},
            }
        )
    callers = (
        doctor(),
        doctor("e"),
        doctor("x"),
        AccessContext(parse("user/*.cruds"), Origin("app"), practitioner="d"),
        clinic.access("patient/*.cruds", patient="p"),
        clinic.access("patient/*.cruds", patient="q"),
        AccessContext(parse("system/*.cruds")),
    )
    for made, *_ in STUDIES:
        clinic.put(made)
        for access, permission in product(callers, (Permission.READ, Permission.SEARCH, Permission.CREATE)):
            wanted = access.predicate("ImagingStudy", permission, "r")
            found = access.represented("ImagingStudy", permission, "s.pat", "s.imaging_study")
            resources = clinic.run(
                f"SELECT r.id FROM resource r WHERE r.type = %s AND {wanted.sql} ORDER BY 1", (kind, *wanted.params)
            )
            studies = clinic.run(
                "SELECT s.id FROM (SELECT id, pat, CASE WHEN id <> 'without' THEN pk END AS imaging_study FROM resource"
                f" WHERE type = %s) s WHERE {found.sql} ORDER BY 1",
                (kind, *found.params),
            )
            assert studies == resources, (made, access)


def test_without_any_the_condition_on_studies_is_the_old_one() -> None:
    """Where there are no Consents and labels, studies are asked for their patients alone."""
    plain = msgspec.structs.replace(doctor(), narrowed=frozenset())
    asked = plain.represented("ImagingStudy", Permission.READ, "s.pat", "s.imaging_study")
    assert asked == plain.compartments("ImagingStudy", Permission.READ, "s.pat")
