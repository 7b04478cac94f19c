"""What the queries of scopes may ask, and of which content they hold."""

from __future__ import annotations

from typing import Any

import pytest

from healix_fhir.model import custom
from healix_fhir.model.definitions import TYPE_ID
from healix_fhir.model.search_parameter import SearchParameter
from healix_fhir.search.granular import ScopeQueries
from smart_auth.scope import parse_one
from tests.support.resources import TERMINOLOGY, observation, patient

BASE = "http://healix.test/fhir"
QUERIES = ScopeQueries((BASE,))
SPEC = (
    "smart-app-launch/STU2.2/scopes-and-launch-context.html#finer-grained-resource-constraints-using-search-parameters"
)


@pytest.mark.spec(SPEC)
@pytest.mark.parametrize(
    ("scope", "why"),
    [
        ("Observation.r?family=a", "no search parameter 'family'"),
        ("Observation.r?subject:Group=a", None),
        ("Observation.r?code:below=a", ":below"),
        ("Observation.r?code:in=http://a.test/codes", ":in"),
        ("Observation.r?date=ap2020", "cannot ask for this"),
        ("Observation.r?date=never", "never"),
        ("Observation.r?date=gt2020", None),
        ("Observation.r?_lastUpdated=gt2020", "cannot ask for this"),
        ("Observation.r?value-quantity=gt5", "quantity"),
        ("Observation.r?code-value-quantity=a$gt5", "composite"),
        ("RiskAssessment.r?probability=gt0.5", "number"),
        ("Location.r?near=48|16", "special"),
        ("Observation.r?_text=a", "no search parameter '_text'"),
        ("Observation.r?_list=a", "no search parameter '_list'"),
        ("Observation.r?_filter=a", "no search parameter '_filter'"),
        ("Observation.r?_count=1", "no search parameter '_count'"),
        ("Observation.r?_tag=a&_security=http://a.test|R&_profile=http://a.test/p&_source=a&_id=a", None),
        ("Observation.r?code=a|b|c", "code"),
        ("Observation.r?subject=Patient/", "subject"),
        ("PlanDefinition.r?definition:below=http://a.test|1", "cannot ask for this"),
        ("Nothing.r?_id=a", "no FHIR R4 resource type"),
        ("AuditEvent.r?action=R", "AuditEvent"),
    ],
)
def test_what_may_be_asked(scope: str, why: str | None) -> None:
    """R4's tokens, references, strings, dates and uris of the resource itself; what else is asked is named."""
    asked = parse_one(f"patient/{scope}")
    refused = QUERIES.refusal(asked.type, asked.query)
    assert (refused is None) is (why is None)
    if why is not None:
        assert refused is not None
        assert why in refused.message
        assert QUERIES.of_row(asked.type, asked.query, "t.pk").sql == "FALSE"
        assert not QUERIES.of_resource(asked.type, asked.query, "a", {"resourceType": asked.type})


LAB = f"{TERMINOLOGY}/observation-category|vital-signs"
HERE = observation(
    "Patient/p1",
    meta={"tag": [{"code": "teaching"}], "profile": ["http://a.test/p"]},
    encounter={"reference": f"{BASE}/Encounter/e1"},
    performer=[{"reference": "Practitioner/d1"}, {"identifier": {"system": "urn:x", "value": "77"}}],
    effectivePeriod={"start": "2024-05-06T07:00:00Z", "end": "2024-05-07T07:00:00Z"},
)
del HERE["effectiveDateTime"]


@pytest.mark.spec("FHIR R4 search.html#ptypes")
@pytest.mark.parametrize(
    ("resource", "query", "holds"),
    [
        (HERE, f"category={LAB}", True),
        (HERE, "category=vital-signs", True),
        (HERE, "category=|vital-signs", False),
        (HERE, "category=laboratory", False),
        (HERE, "category=laboratory,vital-signs", True),
        (HERE, "category=vital-signs&status=final", True),
        (HERE, "category=vital-signs&status=amended", False),
        (HERE, "category:not=laboratory", True),
        (HERE, "category:not=laboratory,vital-signs", False),
        (HERE, "code:text=heart", True),
        (HERE, "code:text=rate", False),
        (HERE, "subject=p1", True),
        (HERE, "subject=Patient/p1", True),
        (HERE, "subject:Group=p1", False),
        (HERE, "patient=p2", False),
        (HERE, "encounter=Encounter/e1", True),
        (HERE, f"encounter={BASE}/Encounter/e1", True),
        (HERE, "encounter=http://b.test/fhir/Encounter/e1", False),
        (HERE, "performer:identifier=urn:x|77", True),
        (HERE, "specimen:missing=true", True),
        (HERE, "specimen:missing=false", False),
        (HERE, "subject:missing=true", False),
        (HERE, "_id=o1", True),
        (HERE, "_id=o2,o1", True),
        (HERE, "_id=o2", False),
        (HERE, "_tag=teaching", True),
        (HERE, "_profile=http://a.test/p", True),
        (HERE, "_profile=http://a.test", False),
        *((HERE, f"date={asked}", True) for asked in (
            "ge2024-05-06", "gt2024-05-06", "le2024-05-07", "lt2024-05-07", "2024-05", "ne2024-05-06", "sa2024-05-05",
            "eb2024-05-08",
        )),
        *((HERE, f"date={asked}", False) for asked in (
            "ge2024-05-08", "gt2024-05-07", "le2024-05-05", "lt2024-05-06", "2024-05-06", "ne2024-05", "sa2024-05-06",
            "eb2024-05-07",
        )),
        (observation(), "issued=2024-05-06", None),
        (patient(), "birthdate=lt1900", True),
        (patient(), "birthdate=1815-12", True),
        (patient(), "birthdate=gt1815-12-10", False),
        (patient(), "family=byr", True),
        (patient(), "family=ron", False),
        (patient(), "family:contains=yro", True),
        (patient(), "family:exact=Byron", True),
        (patient(), "family:exact=byron", False),
        (patient(), "identifier=urn:oid:1.2.36.146.595.217.0.1|", True),
        (patient(), "death-date:missing=true", True),
    ],
)  # fmt: skip
def test_of_what_they_hold(resource: dict[str, Any], query: str, holds: bool | None) -> None:
    """Content is judged as the search would find it."""
    asked = parse_one(f"patient/{resource['resourceType']}.r?{query}")
    assert (QUERIES.refusal(asked.type, asked.query) is None) is (holds is not None)
    assert QUERIES.of_resource(asked.type, asked.query, "o1", resource) is bool(holds)


def test_parameters_that_clients_define() -> None:
    """Whoever may change a definition could open what he likes with it: no scope can ask for such a parameter."""
    own = SearchParameter(custom.custom_id(TYPE_ID["Observation"], 0), "own", "token", "Observation.code")
    custom.install(custom.Custom(generation=1, searchable={"Observation": {"own": own}}))
    try:
        refused = QUERIES.refusal("Observation", (("own", "a"),))
    finally:
        custom.install(custom.NONE)
    assert refused is not None
    assert "no search parameter 'own' in R4" in refused.message


def test_an_open_period() -> None:
    """An open end lies beyond all others."""
    since = HERE | {"effectivePeriod": {"start": "2024-05-06"}}
    until = HERE | {"effectivePeriod": {"end": "2024-05-06"}}

    def holds(resource: dict[str, Any], date: str) -> bool:
        return QUERIES.of_resource("Observation", (("date", date),), "o1", resource)

    assert [holds(since, date) for date in ("gt2090", "lt2024-05-06", "eb2090", "sa2024-05-05")] == [
        True, False, False, True,
    ]  # fmt: skip
    assert [holds(until, date) for date in ("lt1950", "gt2024-05-06", "sa1950", "eb2024-05-07")] == [
        True, False, False, True,
    ]  # fmt: skip
