"""Search parameters to a query: what is read, what is refused by name, what is reported."""

from __future__ import annotations

from urllib.parse import parse_qsl

import pytest

from healix_fhir.kernel.errors import Category, HealixError
from healix_fhir.model.definitions import TYPE_ID, search_parameters
from healix_fhir.search import tokens
from healix_fhir.search.nodes import Date, Id, Node, Not, Or, Prefix, Reference, String, StringMatch, Token
from healix_fhir.search.order import LAST_CHANGED, NEWEST, By, Key, Order
from healix_fhir.search.query import Query, parse
from healix_fhir.search.result import Total
from healix_fhir.search.searched import everything
from tests.support.search import sample

BASE = "http://healix.test/fhir"


def ask(address: str, *, strict: bool = False) -> Query:
    """The query of `Type?query`."""
    type_name, _, text = address.partition("?")
    return parse(type_name, parse_qsl(text, keep_blank_values=True), strict=strict, base=BASE)


def only(address: str) -> Node:
    """The one condition of a search."""
    (node,) = ask(address).where
    return node


def param(type_name: str, code: str) -> int:
    """The number of a parameter."""
    return search_parameters(type_name)[code].id


@pytest.mark.spec("R4 search.html#token")
@pytest.mark.parametrize(
    ("value", "key"),
    [
        ("final", lambda p: tokens.any_system(p, "final")),
        ("http://s|final", lambda p: tokens.in_system(p, "http://s", "final")),
        ("|final", lambda p: tokens.no_system(p, "final")),
        ("http://s|", lambda p: tokens.system_only(p, "http://s")),
        (r"a\,b\|c", lambda p: tokens.any_system(p, "a,b|c")),
    ],
)
def test_a_token_names_code_system_both_or_no_system(value: str, key: object) -> None:
    """The four forms of a token each ask for their own hash; escaped separators belong to the code."""
    assert callable(key)
    assert only(f"Observation?status={value}") == Token(key(param("Observation", "status")))


@pytest.mark.spec("R4 search.html#combining")
def test_commas_separate_alternatives_and_repeats_are_conjoined() -> None:
    """`a,b` is either; the same parameter twice is both."""
    either = only("Observation?status=final,amended")
    assert isinstance(either, Or)
    assert len(either.nodes) == 2
    assert len(ask("Observation?status=final&status=amended").where) == 2


@pytest.mark.spec("R4 search.html#reference")
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("subject=Patient/7", ("Patient", "7", True)),
        (f"subject={BASE}/Patient/7", ("Patient", "7", True)),
        ("subject:Patient=7", ("Patient", "7", True)),
        ("subject=Group/7", ("Group", "7", False)),
        ("subject=http://else.test/fhir/Patient/7", (None, "http://else.test/fhir/Patient/7", False)),
    ],
)
def test_a_reference_is_local_or_a_whole_url(text: str, expected: tuple[str | None, str, bool]) -> None:
    """Absolute references to this server are local; only references to patients bind to a compartment."""
    target, place, patient = expected
    number = None if target is None else TYPE_ID[target]
    assert only(f"Observation?{text}") == Reference(param("Observation", "subject"), number, place, patient)


@pytest.mark.spec("R4 search.html#reference")
def test_a_bare_id_may_be_of_any_type_that_the_parameter_refers_to() -> None:
    """`subject=7` asks for each target type of the parameter."""
    node = only("Observation?subject=7")
    assert isinstance(node, Or)
    types = {reference.target_type for reference in node.nodes if isinstance(reference, Reference)}
    assert types == {TYPE_ID[name] for name in ("Device", "Group", "Location", "Patient")}


@pytest.mark.spec("R4 search.html#string")
def test_strings_are_folded_unless_exact() -> None:
    """The default compares the start, folded; :exact keeps what was asked."""
    number = param("Patient", "family")
    assert only("Patient?family=Mü") == String(number, StringMatch.PREFIX, "mu", "Mü")
    assert only("Patient?family:contains=Ü") == String(number, StringMatch.CONTAINS, "u", "Ü")
    assert only("Patient?family:exact=Mü") == String(number, StringMatch.EXACT, "mu", "Mü")


@pytest.mark.spec("R4 search.html#prefix")
@pytest.mark.parametrize("prefix", list(Prefix))
def test_every_prefix_is_read(prefix: Prefix) -> None:
    """All nine prefixes; the main clinical date is marked as such."""
    node = only(f"Observation?date={prefix}2024-05")
    assert isinstance(node, Date)
    assert (node.prefix, node.main) == (prefix, True)
    other = only(f"Observation?value-date={prefix}2024-05")
    assert isinstance(other, Date)
    assert not other.main


def test_not_turns_the_whole_list_of_alternatives_around() -> None:
    """`code:not=a,b` is neither."""
    node = only("Observation?code:not=a,b")
    assert isinstance(node, Not)
    assert isinstance(node.node, Or)


def test_an_id_that_cannot_exist_matches_nothing() -> None:
    """`_id` with characters no id has is an empty answer, not an error."""
    assert only("Patient?_id=a/b") == Or(())
    assert only("Patient?_id=a-b") == Id("a-b")


def test_controls_are_read() -> None:
    """Page size, order and total; a page never has more than 1,000 resources."""
    query = ask("Observation?_count=5000&_sort=-date&_total=accurate")
    assert (query.count, query.order, query.total) == (1000, Order((Key(By.DATE, descending=True),)), Total.ACCURATE)
    assert ask("Observation?_count=1000000000").count == 1000
    assert ask("Observation?_total=estimate").total is Total.ESTIMATE
    assert ask("Observation").total is Total.NONE


@pytest.mark.spec("FHIR R4 search.html#sort")
def test_sort_keys_are_read_in_their_order() -> None:
    """Each key is a parameter with its direction; the default is the newest main date, or the newest change."""
    order = ask("Patient?_sort=family,-birthdate,gender,_id").order
    assert [(key.by, key.descending) for key in order.keys] == [
        (By.STORED, False),
        (By.STORED, True),
        (By.BODY, False),
        (By.ID, False),
    ]
    assert order.keys[2].paths == ("$.gender",)
    assert ask("Observation").order == NEWEST
    assert parse(everything(), []).order == LAST_CHANGED
    assert [len(ask("Patient?_sort=foo").ignored), len(ask("Patient?_sort=family,foo").ignored)] == [1, 1]


@pytest.mark.parametrize("text", ["_count=0", "_summary=count", "_summary=count&_count=10", "_count=10&_summary=count"])
def test_asking_for_the_number_only_asks_for_no_rows(text: str) -> None:
    """`_count=0` is `_summary=count`. Spec: FHIR R4, hl7.org/fhir/R4/search.html#count"""
    query = ask(f"Observation?{text}")
    assert (query.count, query.total) == (0, Total.ACCURATE)


@pytest.mark.spec("R4 search.html#errors")
@pytest.mark.parametrize("name", ["nonsense", "Name", "family-name", "nonsense:exact"])
def test_an_unknown_parameter_is_reported_or_under_strict_handling_refused(name: str) -> None:
    """Nothing is dropped without a word."""
    query = ask(f"Patient?{name}=x&active=true")
    assert [name in issue.message for issue in query.ignored] == [True]
    assert query.params == (("active", "true"),)
    with pytest.raises(HealixError, match=name):
        ask(f"Patient?{name}=x", strict=True)


@pytest.mark.parametrize(
    "text",
    [
        "_query=x", "_list=$current-problems",
        "_filter=code co x", "identifier:in=x", "identifier:not-in=x", "identifier:above=x|y", "identifier:below=x|y",
        "subject:above=Patient/x", "subject:below=Patient/x",
    ],
)  # fmt: skip
@pytest.mark.parametrize("strict", [False, True])
def test_what_r4_has_and_this_server_lacks_is_refused_by_name(text: str, strict: bool) -> None:
    """A known feature that is missing is an error in either handling, and the message names it."""
    with pytest.raises(HealixError) as refusal:
        ask(f"Observation?{text}", strict=strict)
    assert refusal.value.category is Category.UNSUPPORTED
    assert text.partition("=")[0].partition(":")[0].partition(".")[0] in refusal.value.message


@pytest.mark.parametrize(
    "text",
    [
        "code:foo=x", "code:=x", "subject:Foo=x", "subject:Patient=a/b/c", "subject=Foo/1", "date=nonsense",
        "date=xx2024", "date=2024-13", "date:exact=2024", "status=a|b|c", "status=|", "status=a,,b", "_count=-1",
        "_count=x",
        "_count=%D9%A3", "_total=some", "_summary=all", "_include=Patient:link", "_include=Observation:code",
        "_include:foo=Observation:subject", "_revinclude=Patient:link", "_revinclude=Foo:bar", "_include=Foo:bar",
        "_revinclude=Group:code", "_type=Foo", "_sort=date,date,date,date,date,date",
        "_include=Observation:subject:Foo", "value-string=%00", "date:missing=maybe", "_id:exact=x", "_lastUpdated=1x",
    ],
)  # fmt: skip
def test_bad_values_and_unknown_modifiers_are_errors_in_either_handling(text: str) -> None:
    """What cannot be read never becomes a wider search."""
    with pytest.raises(HealixError) as refusal:
        ask(f"Observation?{text}")
    assert refusal.value.category is Category.INVALID


def test_searches_are_bounded() -> None:
    """Too many alternatives, parameters, includes or values in all are refused with the limit."""
    for text in (
        "code=" + ",".join(map(str, range(501))),
        "&".join("code=a" for _ in range(101)),
        "&".join("code=" + ",".join(map(str, range(500))) for _ in range(5)),
    ):
        with pytest.raises(HealixError, match="at most"):
            ask(f"Observation?{text}")
    tests = " and ".join(f"_tag eq a{number}" for number in range(50))
    for name, value in (("_filter", tests), ("_tag", ",".join(map(str, range(500))))):
        with pytest.raises(HealixError, match="at most"):
            parse(everything(), [(name, value)] * 2, base=BASE)


def test_an_unknown_type_is_not_found() -> None:
    """There is no search of what R4 does not define."""
    with pytest.raises(HealixError) as refusal:
        ask("Foo?x=y")
    assert refusal.value.category is Category.NOT_FOUND


@pytest.mark.parametrize("type_name", sorted(TYPE_ID))
def test_every_parameter_of_every_type_is_read_or_refused(type_name: str) -> None:
    """No parameter of R4 ends in an error of ours."""
    for code, parameter in search_parameters(type_name).items():
        try:
            query = parse(type_name, [(code, sample(parameter))])
        except HealixError as error:
            assert error.category is Category.UNSUPPORTED  # noqa: PT017
        else:
            assert query.where
