"""`_filter`: what is read of it, and what is refused."""

from __future__ import annotations

import pytest

from healix_fhir.kernel.errors import Category, HealixError
from healix_fhir.search.filter_grammar import Both, Comparison, Either, Filter, Negated, Operator, Step, parse_filter
from healix_fhir.search.query import parse


def _test(name: str, operator: Operator, value: str) -> Comparison:
    """A test of one parameter."""
    return Comparison((Step(name),), operator, value)


A, B, C = (_test(name, Operator.EQ, "1") for name in "abc")


@pytest.mark.spec("FHIR R4 search_filter.html")
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a eq 1", A),
        ("  a  eq  1  ", A),
        ("a eq 1 and b eq 1", Both(A, B)),
        ("a eq 1 or b eq 1 and c eq 1", Both(Either(A, B), C)),
        ("a eq 1 and b eq 1 or c eq 1", Either(Both(A, B), C)),
        ("a eq 1 or (b eq 1 and c eq 1)", Either(A, Both(B, C))),
        ("not (a eq 1) and b eq 1", Both(Negated(A), B)),
        ("((a eq 1))", A),
        ('name co "p e)t\\""', _test("name", Operator.CO, 'p e)t"')),
        ("code eq http://loinc.org|1234-5", _test("code", Operator.EQ, "http://loinc.org|1234-5")),
        ("birthdate ge 2014-10-10", _test("birthdate", Operator.GE, "2014-10-10")),
        ("not eq 1", _test("not", Operator.EQ, "1")),
        ("subject.name co x", Comparison((Step("subject"), Step("name")), Operator.CO, "x")),
        ("subject:Patient.name co x", Comparison((Step("subject:Patient"), Step("name")), Operator.CO, "x")),
        ("x[a eq 1].y.z pr true", Comparison((Step("x", A), Step("y"), Step("z")), Operator.PR, "true")),
        (
            "x[a eq 1 or not (b eq 1)].y pr true",
            Comparison((Step("x", Either(A, Negated(B))), Step("y")), Operator.PR, "true"),
        ),
    ],
)  # fmt: skip
def test_expressions_are_read_from_left_to_right(text: str, expected: Filter) -> None:
    """The whole grammar: tests, and, or, not, parentheses, strings, tokens, paths and their filters."""
    assert parse_filter(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "", "a", "a eq", "a xx 1", "a eq 1 b eq 1", "a eq 1 and", "(a eq 1", "a eq 1)", "a[b eq 1", "a[b eq 1]",
        "[a eq 1]", 'a eq "x', 'a eq "\\x"', "1 eq 1", "a..b eq 1", ".a eq 1", "a eq ]", "not a eq 1", '"a" eq 1',
        "and eq", "a and b",
        "(" * 25 + "a eq 1" + ")" * 25, " and ".join(["a eq 1"] * 51), "a eq " + "x" * 5000,
    ],
)  # fmt: skip
def test_what_is_no_expression_is_refused(text: str) -> None:
    """A mistake is the caller's, and told with its place."""
    with pytest.raises(HealixError, match="_filter") as refusal:
        parse_filter(text)
    assert refusal.value.category is Category.INVALID


@pytest.mark.parametrize(
    ("text", "category"),
    [
        ("code ss x", Category.INVALID),
        ("code sb x", Category.INVALID),
        ("date in http://vs.test", Category.UNSUPPORTED),
        ("date ss x", Category.UNSUPPORTED),
        ("code co x", Category.UNSUPPORTED),
        ("date co x", Category.UNSUPPORTED),
        ("status pr maybe", Category.INVALID),
        ("date gt nonsense", Category.INVALID),
        ("code.name eq x", Category.INVALID),
        ("subject[name eq x] eq x", Category.INVALID),
        ("subject:Foo.name eq x", Category.INVALID),
    ],
)
def test_what_cannot_be_compared_is_refused_by_name(text: str, category: Category) -> None:
    """Operators that do not fit the parameter, or the value, never become a wider search."""
    with pytest.raises(HealixError) as refusal:
        parse("Observation", [("_filter", text)])
    assert refusal.value.category is category


def test_an_unknown_parameter_in_a_filter_is_reported() -> None:
    """As any unknown parameter: the whole filter is left out, and that is said."""
    query = parse("Observation", [("_filter", "foo eq x")])
    assert (len(query.ignored), query.where) == (1, ())
