"""Attacks by search: each type of parameter with each modifier, what is joined, and how results come back.

`SEARCHES` is keyed by what the server says that it reads, so that what is new there has no row here.

Spec: FHIR R4, hl7.org/fhir/R4/search.html
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from tests.support.attacks.attack import Attack

ACTIVE = "http://terminology.hl7.org/CodeSystem/condition-clinical|active"
BY_MODIFIER: Mapping[tuple[str, str], str] = {
    ("composite", ""): "Observation?code-value-quantity=urn:attacks|<code>$<amount>",
    ("composite", "missing"): "Observation?_id=<observation>&code-value-quantity:missing=false",
    ("date", ""): "Observation?date=<date>",
    ("date", "missing"): "Observation?_id=<observation>&date:missing=false",
    ("number", ""): "Patient?_id=<patient>&_has:Encounter:patient:length=<amount>",
    ("number", "missing"): "RiskAssessment?subject=Patient/<patient>&probability:missing=true",
    ("quantity", ""): "Observation?value-quantity=<amount>||/min",
    ("quantity", "missing"): "Observation?_id=<observation>&value-quantity:missing=false",
    ("reference", ""): "Observation?subject=Patient/<patient>",
    ("reference", "[type]"): "Observation?subject:Patient=<patient>",
    ("reference", "above"): "Location?partof:above=Location/<patient>",
    ("reference", "below"): "Location?partof:below=Location/<patient>",
    ("reference", "identifier"): "Observation?subject:identifier=urn:attacks|<mrn>",
    ("reference", "missing"): "Observation?_id=<observation>&subject:missing=false",
    ("reference", "text"): "Observation?subject:text=<display>",
    ("special", ""): "Location?near=<position>|16.4",
    ("special", "missing"): "Location?_id=<patient>&near:missing=true",
    ("string", ""): "Patient?family=<family>",
    ("string", "contains"): "Patient?family:contains=<family>",
    ("string", "exact"): "Patient?given:exact=<given>",
    ("string", "missing"): "Patient?_id=<patient>&family:missing=false",
    ("token", ""): "Observation?code=<code>",
    ("token", "above"): f"Condition?_id=<condition>&clinical-status:above={ACTIVE}",
    ("token", "below"): f"Condition?_id=<condition>&clinical-status:below={ACTIVE}",
    ("token", "in"): "Condition?_id=<condition>&clinical-status:in=http://hl7.org/fhir/ValueSet/condition-clinical",
    ("token", "missing"): "Observation?_id=<observation>&code:missing=false",
    ("token", "not"): "Observation?_id=<observation>&code:not=none",
    (
        "token",
        "not-in",
    ): "Condition?_id=<condition>&clinical-status:not-in=http://hl7.org/fhir/ValueSet/condition-ver-status",
    ("token", "of-type"): "Patient?identifier:of-type=http://terminology.hl7.org/CodeSystem/v2-0203|MR|<mrn>",
    ("token", "text"): "Condition?code:text=<display>",
    ("uri", ""): "Device?url=http://attacks.test/<uri>/device",
    ("uri", "above"): "Device?url:above=http://attacks.test/<uri>/device/x",
    ("uri", "below"): "Device?url:below=http://attacks.test/<uri>",
    ("uri", "missing"): "Device?_id=<device>&url:missing=false",
}
"""By type of parameter and modifier."""

BY_PARAMETER: Mapping[str, str] = {
    "_id": "Observation?_id=<observation>,<part>",
    "_lastUpdated": "Observation?_id=<observation>&_lastUpdated=gt2020",
    "_profile": "Observation?_profile=urn:attacks:<profile>",
    "_security": "Observation?_security=<security>",
    "_source": "Observation?_source=urn:attacks:<uri>",
    "_tag": "Observation?_tag=<tag>",
    "_content": "List?_content=<word>",
    "_text": "Observation?_id=<observation>&_text=<word>",
    "_filter": "Observation?_filter=code eq urn:attacks|<code>",
    "_list": "Observation?_list=<list>",
    "_has": "Observation?_id=seen&_has:List:item:code=<code>",
    "_query": "Observation?_query=<code>",
    "_contained": "Patient?family=<inner>&_contained=true",
    "_containedType": "Patient?family=<inner>&_contained=true&_containedType=contained",
    "_count": "Observation?code=<code>&_count=1",
    "_cursor": "Observation?code=<code>&_cursor=AAAA",
    "_elements": "Observation?code=<code>&_elements=code",
    "_explain": "Observation?code=<code>&_explain=true",
    "_format": "Observation?code=<code>&_format=xml",
    "_include": "Observation?_id=<kind>-own&_include=Observation:has-member",
    "_include:iterate": "DiagnosticReport?_id=<kind>-own&_include=DiagnosticReport:result"
    "&_include:iterate=Observation:has-member",
    "_include:recurse": "DiagnosticReport?_id=<kind>-own&_include=DiagnosticReport:result"
    "&_include:recurse=Observation:has-member",
    "_pretty": "Observation?code=<code>&_pretty=true",
    "_revinclude": "Observation?_id=seen&_revinclude=List:item",
    "_revinclude:iterate": "Observation?_id=seen&_revinclude=List:item&_revinclude:iterate=Provenance:target",
    "_revinclude:recurse": "Observation?_id=seen&_revinclude=List:item&_revinclude:recurse=Composition:entry",
    "_sort": "Observation?code=<code>&_sort=-date,subject",
    "_summary": "Observation?code=<code>&_summary=count",
    "_total": "Observation?code=<code>&_total=accurate",
    "_type": "?_type=Observation,Condition,Task&_id=<observation>,<condition>,<task>",
}
"""By special and result parameter."""

CHAINS = (
    "Observation?subject:Patient.family=<family>",
    "Observation?subject:Patient.given:exact=<given>",
    "Observation?patient.identifier=<mrn>",
    "Observation?_id=<kind>-own&focus:Patient.family=<family>",
    "Observation?_id=<kind>-own&encounter.type=<code>",
    "Observation?_id=<kind>-own&encounter:Encounter.subject:Patient.family=<family>",
    "Observation?_id=<kind>-own&has-member:Observation.code=<code>",
    "Observation?_id=<kind>-own&has-member:Observation.code:missing=false",
    "Observation?_id=<kind>-own&has-member:Observation.code:not=none",
    "Observation?_id=<kind>-own&has-member:Observation.value-quantity=gt1",
    "Observation?_id=<kind>-own&has-member:Observation._id=<observation>",
    "Observation?_id=<kind>-own&derived-from:DocumentReference.description=<description>",
    "Observation?_id=<kind>-own&device.url=http://attacks.test/<uri>/device",
    "Observation?_id=<kind>-own&based-on:ServiceRequest.code=<code>",
    "Observation?_id=<kind>-own&specimen.collected:missing=true",
    "Observation?_id=<kind>-own&focus:Observation._has:Condition:evidence-detail:code=<code>",
    "List?_id=<kind>-own&item:Observation.code=<code>",
    "Composition?_id=<kind>-own&entry:Observation.code=<code>",
    "DiagnosticReport?result.has-member:Observation.code=<code>&_id=<kind>-own",
    "Patient?general-practitioner:Practitioner.name=stranger&_id=<patient>",
    "Observation?_filter=encounter.type eq <code>&_id=<kind>-own",
    "Observation?_filter=has-member.code eq <code> or code eq none&_id=<kind>-own",
    "Observation?_filter=not (has-member.code eq <code>)&_id=<kind>-own",
)
REVERSED = (
    "Patient?_has:Observation:patient:code=<code>",
    "Patient?_has:Observation:subject:_has:Condition:evidence-detail:code=<code>",
    "Practitioner?_id=stranger&_has:Patient:general-practitioner:family=<family>",
    "Practitioner?_id=stranger&_has:Patient:general-practitioner:_id=<patient>",
    "Practitioner?_id=stranger&_has:Patient:general-practitioner:_has:Observation:subject:code=<code>",
    "Practitioner?_id=stranger&_has:Basic:author:code=<code>",
    "Organization?_id=clinic&_has:Patient:organization:birthdate=<date>",
    "Location?_id=ward&_has:Appointment:location:patient=Patient/<patient>",
    "Observation?_id=seen&_has:Provenance:target:patient=Patient/<patient>",
    "Observation?_id=seen&_has:Task:focus:patient=Patient/<patient>",
    "Condition?_id=seen&_has:Procedure:reason-reference:code=<code>",
)
INCLUDED = (
    "Observation?_id=<kind>-own&_include=*",
    "Observation?_id=<kind>-own&_include=Observation:focus",
    "Observation?_id=<kind>-own&_include=Observation:focus:Patient",
    "Observation?_id=<kind>-own&_include=Observation:encounter&_include:iterate=Encounter:patient",
    "Observation?_id=<kind>-own&_include=Observation:derived-from&_include=Observation:device&_include=Observation:specimen",
    "List?_id=<kind>-own&_include=List:item&_include:iterate=Observation:subject",
    "Composition?_id=<kind>-own&_include=Composition:entry&_include:iterate=List:item",
    "DiagnosticReport?_id=<kind>-own&_include=*&_include:iterate=*",
    "DocumentReference?_id=<kind>-own&_include=DocumentReference:related&_total=accurate",
    "Observation?_id=<kind>-own&_include=Observation:has-member&_summary=count",
    "Observation?_id=<kind>-own&_include=Observation:has-member&_contained=both",
)
SOUGHT = (
    "Patient?identifier=urn:attacks|<mrn>",
    "Patient?identifier=<mrn>,nothing",
    "Patient?name=<family>",
    "Patient?phonetic=<family>",
    "Patient?phone=<phone>",
    "Patient?address-city=<address>",
    "Patient?birthdate=<date>",
    "Patient?birthdate=ge<date>&birthdate=le<date>",
    "Patient?_id=<patient>",
    "Patient?_id:missing=false&_id=<patient>",
    "Patient?_id=<patient>&_total=accurate",
    "Patient?_id=<patient>&_total=estimate",
    "Patient?_id=<patient>&_summary=count",
    "Patient?_id=<patient>&_count=0",
    "Patient?_id=<patient>,own&_count=1",
    "Patient?_id=own,<patient>&_sort=family",
    "Observation?subject=<patient>",
    "Observation?patient=<patient>&code=8867-4",
    "Observation?patient=<patient>&_sort=-date&_count=1",
    "Observation?combo-value-quantity=gt48151",
    "Observation?component-code=<code>",
    "Observation?performer=Patient/<patient>",
    "Observation?encounter=<encounter>",
    "Condition?onset-age=<amount>",
    "Encounter?length=<amount>",
    "DocumentReference?description=<description>",
    "MedicationRequest?medication.code=<inner>",
    "MedicationRequest?patient=<patient>&_contained=both",
    "Device?identifier=<inner>&_contained=true",
    "Observation?device.identifier=<inner>",
    "Group?member=Patient/<patient>",
    "Group?name=<word>",
    "Appointment?actor=Patient/<patient>",
    "Appointment?location=ward&patient=<patient>",
    "Task?patient=<patient>",
    "Basic?subject=<patient>",
    "Provenance?target=Patient/<patient>",
    "ImagingStudy?patient=<patient>",
    "ImagingStudy?identifier=urn:oid:<study>",
    "QuestionnaireResponse?questionnaire=urn:attacks:<uri>",
    "Binary?_id=<binary>",
    "Observation?code=<code>&nonsense=1",
    "Observation?_has:List:item:code=<code>&_sort=_id",
    "?_id=<observation>",
    "?_type=Patient&identifier=<mrn>",
    "?_content=<word>",
    "?_tag=<tag>",
    "Patient/<patient>/Observation",
    "Patient/<patient>/Observation?code=8867-4",
    "Patient/<patient>/*",
    "Patient/<patient>/*?_type=Condition",
    "Patient/own/Observation?_id=<observation>",
    "Encounter/<encounter>/Observation",
    "Encounter/<encounter>/*",
    "Device/<device>/Observation",
    "Practitioner/stranger/Patient?_id=<patient>",
    "Practitioner/stranger/Basic?code=<code>",
)


def searching() -> Iterator[Attack]:
    """Every search; some by POST, and in XML."""
    tables = (BY_MODIFIER.values(), BY_PARAMETER.values(), CHAINS, REVERSED, INCLUDED, SOUGHT)
    for address in (one for table in tables for one in table):
        yield Attack("GET", f"/fhir/{address}".replace("/fhir/?", "/fhir?"), beside=BESIDE.get(address, ""))
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    yield Attack("POST", "/fhir/Observation/_search", "code=<code>", form)
    yield Attack("POST", "/fhir/_search", "_type=Observation&code=<code>", form)
    yield Attack("POST", "/fhir/Patient/<patient>/_search", "_type=Observation", form)
    yield Attack("POST", "/fhir/Patient/<patient>/Observation/_search", "code=8867-4", form)
    yield Attack("GET", "/fhir/Observation?code=<code>&nonsense=1", headers={"Prefer": "handling=strict"},
                 note="strict", beside=UNREAD)  # fmt: skip


INSIDE = "chains do not reach into contained resources"
UNREAD = "what is refused by name is not looked for"
BESIDE: Mapping[str, str] = {
    "Patient/own/Observation?_id=<observation>": "the hidden is not in the caller's own compartment",
    "Observation?_id=<kind>-own&_include=Observation:has-member&_summary=count": "a count includes nothing",
    "MedicationRequest?medication.code=<inner>": INSIDE,
    "Observation?device.identifier=<inner>": INSIDE,
    BY_PARAMETER["_query"]: UNREAD,
    BY_PARAMETER["_cursor"]: "a cursor that is not sealed is refused",
    BY_PARAMETER["_explain"]: "the plan is for those who see everything",
    BY_MODIFIER["special", ""]: "no Location is hidden",
    BY_MODIFIER["special", "missing"]: "no Location is hidden",
    BY_MODIFIER["reference", "above"]: "no Location is hidden",
    BY_MODIFIER["reference", "below"]: "no Location is hidden",
    BY_MODIFIER["number", "missing"]: "no RiskAssessment is hidden",
}
