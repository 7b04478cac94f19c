"""Chains and reverse chains as they are read: where they lead, and what is refused."""

from __future__ import annotations

from urllib.parse import parse_qsl

import pytest

from healix_fhir.kernel.errors import Category, HealixError
from healix_fhir.model.definitions import TYPE_ID, search_parameters
from healix_fhir.search.nodes import Linked, Node, Or, Referring, String, Visible
from healix_fhir.search.query import Query, parse
from smart_auth.scope import Permission


def ask(address: str, *, strict: bool = False) -> Query:
    """The query of `Type?query`."""
    type_name, _, text = address.partition("?")
    return parse(type_name, parse_qsl(text, keep_blank_values=True), strict=strict, base="http://healix.test/fhir")


def only(address: str) -> Node:
    """The one condition of a search."""
    (node,) = ask(address).where
    return node


def sees(type_name: str) -> Visible:
    """The access predicate of a link."""
    return Visible(type_name, (Permission.SEARCH,))


@pytest.mark.spec("FHIR R4 search.html#chaining")
def test_every_link_of_a_chain_carries_the_access_predicate_of_its_type() -> None:
    """`subject:Patient.organization.name` is a link to a visible Patient that links to a visible Organization."""
    outer = only("Observation?subject:Patient.organization.name=x")
    assert isinstance(outer, Linked)
    assert (outer.param, outer.target) == (search_parameters("Observation")["subject"].id, sees("Patient"))
    assert isinstance(outer.node, Linked)
    assert outer.node.target == sees("Organization")
    assert isinstance(outer.node.node, String)


@pytest.mark.spec("FHIR R4 search.html#chaining")
def test_a_chain_without_a_type_goes_to_every_type_that_knows_the_parameter() -> None:
    """`subject.name` of an Observation leads to patients and locations; groups and devices have no name."""
    node = only("Observation?subject.name=x")
    assert isinstance(node, Or)
    names = {link.target.type_name for link in node.nodes if isinstance(link, Linked)}
    assert names == {"Patient", "Location"}


@pytest.mark.spec("FHIR R4 search.html#has")
def test_a_reverse_chain_may_hold_chains_and_reverse_chains() -> None:
    """`_has` nests, and what follows it is read on the type that refers."""
    node = only("Patient?_has:Observation:patient:_has:AuditEvent:entity:agent:Practitioner.name=x")
    assert isinstance(node, Referring)
    assert (node.source, node.own_type) == (sees("Observation"), TYPE_ID["Patient"])
    inner = node.node
    assert isinstance(inner, Referring)
    assert inner.source == sees("AuditEvent")
    assert isinstance(inner.node, Linked)
    chained = only("Observation?patient._has:Group:member:_id=g")
    assert isinstance(chained, Linked)
    assert isinstance(chained.node, Referring)


def test_a_reference_by_canonical_url_is_followed_by_url() -> None:
    """`instantiates-canonical` names a URL, so the link meets the target's own."""
    node = only("ServiceRequest?instantiates-canonical:PlanDefinition.name=x")
    assert isinstance(node, Linked)
    assert node.url == search_parameters("PlanDefinition")["url"].id


@pytest.mark.parametrize(
    "text",
    [
        "code.text=x", "subject:Foo.name=x", "subject:Medication.code=x", "subject:Patient.name:foo=x", "_has:Group=x",
        "_has:Foo:member:_id=1", "_has:Group:foo:_id=1", "_has:Group:code:_id=1", "_has:Group::_id=1",
        "_has:Encounter:part-of:_id=1", "subject:Patient.birthdate=nonsense",
    ],
)  # fmt: skip
def test_a_chain_that_leads_nowhere_is_an_error(text: str) -> None:
    """What is no reference, no type, or never refers to the type is the caller's mistake, and named."""
    with pytest.raises(HealixError) as refusal:
        ask(f"Observation?{text}")
    assert refusal.value.category is Category.INVALID


@pytest.mark.parametrize("text", ["subject:Patient.foo=x", "foo.name=x", "_has:Group:member:foo=x", "encounter.foo=x"])
def test_an_unknown_parameter_at_the_end_of_a_chain_is_reported_or_refused(text: str) -> None:
    """It is treated as any unknown parameter."""
    query = ask(f"Patient?{text}" if text.startswith("_has") else f"Observation?{text}")
    assert (len(query.ignored), query.where) == (1, ())
    with pytest.raises(HealixError):
        ask(f"Patient?{text}" if text.startswith("_has") else f"Observation?{text}", strict=True)


@pytest.mark.parametrize(
    "address",
    [
        "Location?" + "partof." * 9 + "name=x",
        "Patient?" + "_has:Patient:link:" * 9 + "name=x",
        "Observation?" + "&".join(["focus:Patient.name=x"] * 65),
        "Observation?focus._id=x",
    ],
)
def test_chains_are_bounded(address: str) -> None:
    """Too deep, too many, or to too many types at once: refused with the limit."""
    with pytest.raises(HealixError) as refusal:
        ask(address)
    assert refusal.value.issues[0].code == "too-costly"
