"""Attacks by GraphQL: queries that name what is hidden, lead to it by reference, or search for it.

Spec: FHIR R4, hl7.org/fhir/R4/graphql.html
"""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import quote

from tests.support.attacks.attack import Attack

QUERIES = (
    ("", '{ Patient(id: "<patient>") { name { family } } }'),
    ("", '{ ObservationList(_id: "<observation>") { id valueString } }'),
    ("", '{ ObservationList(patient: "<patient>", fhirpath: "value.exists()") { id } }'),
    ("", '{ PatientConnection(identifier: "<mrn>") { count next edges { resource { name { family } } } } }'),
    ("", '{ PatientList(_filter: "identifier eq urn:attacks|<mrn>") { id name { family } } }'),
    ("", '{ AuditEventConnection(patient: "<patient>") { count } }'),
    ("", '{ Practitioner(id: stranger) { PatientList(_reference: general_practitioner, family: "<family>") { id } } }'),
    ("/Observation", '{ ObservationConnection(_filter: "subject eq Patient/<patient>") { count } }'),
    ("/Observation", '{ Observation(id: "<observation>") { code { text } } }'),
    ("/Patient/<patient>", "{ name { family } ObservationList(_reference: patient) { id } }"),
    ("/Observation/<observation>", "{ ProvenanceList(_reference: target) { id } }"),
    ("/Observation/<kind>-own", "{ focus { resource { ... on Patient { name { family } } } } }"),
    ("/Observation/<kind>-own", "{ focus { resource(optional: true, type: Patient) { name { family } } } }"),
    ("/Observation/<kind>-own", "{ hasMember { resource { id } } device { resource { id } } }"),
    ("/List/<kind>-own", "{ entry @flatten { item @flatten { resource(optional: true) { id } } } }"),
    (
        "/Patient/own",
        """{ ObservationConnection(_reference: subject, _id: "<kind>-own") {
             edges { resource { hasMember { resource(optional: true) { code { text } } } } } } }""",
    ),
)
"""On what each is asked, and the query."""


def graphql() -> Iterator[Attack]:
    """Each by POST and by GET."""
    for at, query in QUERIES:
        yield Attack("POST", f"/fhir{at}/$graphql", {"query": query}, note=query)
        yield Attack("GET", f"/fhir{at}/$graphql?query={quote(query, safe='<>')}")
    variables = {"query": "query($i: ID!) { Observation(id: $i) { id } }", "variables": {"i": "<observation>"}}
    yield Attack("POST", "/fhir/$graphql", variables, note="variables")
