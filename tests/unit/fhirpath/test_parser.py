"""The grammar: precedence, types, literals and what is no expression."""

from __future__ import annotations

from decimal import Decimal

import pytest

from healix_fhir.kernel.errors import Category, HealixError
from healix_fhir.model.fhirpath.parser import parse
from healix_fhir.model.fhirpath.tree import Binary, Call, Index, Literal, Member, Node, This, TypeTest, Unary, Variable


def path(*names: str) -> Node:
    """The tree of `a.b.c`."""
    node: Node = This()
    for name in names:
        node = Member(node, name)
    return node


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("Patient.name.given", path("Patient", "name", "given")),
        ("`div`.`as`", path("div", "as")),
        ("a | b | c", Binary("|", Binary("|", path("a"), path("b")), path("c"))),
        ("a and b or c", Binary("or", Binary("and", path("a"), path("b")), path("c"))),
        ("a = b and c", Binary("and", Binary("=", path("a"), path("b")), path("c"))),
        ("1 + 2 * 3", Binary("+", Literal("Integer", 1), Binary("*", Literal("Integer", 2), Literal("Integer", 3)))),
        ("a as b | c", Binary("|", TypeTest("as", path("a"), "b"), path("c"))),
        ("a.as(FHIR.Quantity)", TypeTest("as", path("a"), "Quantity", "FHIR")),
        ("a.ofType(Range)", TypeTest("ofType", path("a"), "Range")),
        ("(a is Range)", TypeTest("is", path("a"), "Range")),
        ("a[0].b", Member(Index(path("a"), Literal("Integer", 0)), "b")),
        ("a.where($this = 'x')", Call(path("a"), "where", (Binary("=", This(), Literal("String", "x")),))),
        ("-1.50", Unary("-", Literal("Decimal", Decimal("1.50")))),
        ("4 'mg'", Literal("Quantity", "4 'mg'")),
        ("3 days", Literal("Quantity", "3 days")),
        ("@2015-02", Literal("Date", "2015-02")),
        ("%resource", Variable("%resource")),
        ("{}", Literal(None, None)),
        (r"'it\'s \u0041'", Literal("String", "it's A")),
        ("a // the end\n .b /* and */", path("a", "b")),
    ],
)
def test_grammar(text: str, tree: Node) -> None:
    """An expression is read by the precedence of FHIRPath N1, clause 'Operator precedence'."""
    assert parse(text) == tree


@pytest.mark.parametrize("text", ["", "a.", "a..b", "a b", "(a", "a)", "a[", "'open", "a.where(", "a as 1", "#", "a |"])
def test_no_expression(text: str) -> None:
    """What is no expression is refused as invalid, with the place where reading stopped."""
    with pytest.raises(HealixError) as refusal:
        parse(text)
    assert refusal.value.category is Category.INVALID
    assert "character" in refusal.value.message


def test_nesting_is_bounded() -> None:
    """A hostile expression cannot exhaust the stack."""
    with pytest.raises(HealixError):
        parse("(" * 5000 + "a" + ")" * 5000)
