"""Whatever a resource or a profile holds, a judgement gives issues and never fails."""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from healix_fhir.model.json import encode
from healix_fhir.model.places import places
from healix_fhir.model.profile.judge import SEVERITIES, Extent, judge
from tests.support.examples import examples
from tests.support.profiles import URL, Json, library, profile
from tests.support.resources import encounter, observation, patient

VITAL_SIGNS = "http://hl7.org/fhir/StructureDefinition/bp"
RESOURCES = (patient(), observation(), encounter())
KNOWN = library()
scraps = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=8)
    | st.sampled_from(["urn:x", "#", "Patient/1", "2020"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["coding", "code", "url", "extension", "reference", "value", "id"]), inner, max_size=3
        )
    ),
    max_leaves=6,
)


def _spots(value: Any) -> list[tuple[Any, Any]]:
    """Every place in a JSON value where something can be put."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [spot for key, inner in items for spot in ((value, key), *_spots(inner))]


@st.composite
def broken(draw: st.DrawFn) -> Json:
    """A resource with scraps in some places."""
    made = copy.deepcopy(draw(st.sampled_from(RESOURCES)))
    for _ in range(draw(st.integers(1, 4))):
        holder, key = draw(st.sampled_from(_spots(made)))
        if key != "resourceType":
            holder[key] = draw(scraps)
    return made


@given(broken())
@settings(max_examples=examples(100), deadline=None)
def test_broken_resources(resource: Json) -> None:
    """Issues are well-formed, and each that has a location has a place in the text."""
    type_name = resource["resourceType"]
    issues = judge(resource, type_name, Extent((VITAL_SIGNS,)), KNOWN)
    assert issues
    text = encode(resource).decode()
    for issue in issues:
        assert issue.severity in SEVERITIES
        assert issue.message
        assert all(location.startswith(type_name) for location in issue.expression)
        assert places(text, resource, issue.expression).keys() == set(issue.expression)


constraints = st.fixed_dictionaries(
    {"id": st.sampled_from(["Patient.name", "Patient.name:a", "Patient.contact.name.given", "Patient.deceased[x]",
                            "Patient.deceasedBoolean", "Patient.extension:x", "Patient.communication"])},
    optional={
        "min": st.integers(0, 3),
        "max": st.sampled_from(["0", "1", "2", "*"]),
        "slicing": st.fixed_dictionaries(
            {"rules": st.sampled_from(["open", "closed", "openAtEnd"])},
            optional={"discriminator": st.lists(st.fixed_dictionaries({
                "type": st.sampled_from(["value", "exists", "type", "profile", "pattern", "odd"]),
                "path": st.sampled_from(["$this", "use", "resolve()", "extension('u').value", "period.start"]),
            }), max_size=2)},
        ),
        "patternHumanName": st.just({"use": "official"}),
        "fixedBoolean": st.booleans(),
        "mustSupport": st.booleans(),
        "type": st.lists(st.fixed_dictionaries({"code": st.sampled_from(["HumanName", "boolean", "Extension", "x"])}),
                         max_size=2),
    },
)  # fmt: skip


@given(st.lists(constraints, max_size=6), st.sampled_from([patient(), patient(deceasedBoolean=True, name=[])]))
@settings(max_examples=examples(100), deadline=None)
def test_random_profiles(elements: list[Json], resource: Json) -> None:
    """A profile of any form is used, or is told to be unusable."""
    issues = judge(resource, "Patient", Extent((URL,)), library(profile("Patient", *elements)))
    assert all(issue.severity in SEVERITIES for issue in issues)
