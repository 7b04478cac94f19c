"""Functions of FHIRPath, one table for each clause."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from healix_fhir.kernel.errors import Category, HealixError
from healix_fhir.model.fhirpath.evaluate.compile import FUNCTIONS
from tests.support.fhirpath import found

EXISTENCE: list[tuple[str, list[Any]]] = [
    ("{}.exists()", [False]),
    ("(1 | 2).exists($this > 1)", [True]),
    ("(1 | 2).exists($this > 2)", [False]),
    ("{}.empty()", [True]),
    ("(1 | 2).all($this > 0)", [True]),
    ("(1 | 2).all($this > 1)", [False]),
    ("{}.all(false)", [True]),
    ("(1 | 2).all({})", [False]),
    ("(true | false).allTrue()", [False]),
    ("{}.allTrue()", [True]),
    ("(true | false).anyTrue()", [True]),
    ("{}.anyTrue()", [False]),
    ("false.allFalse()", [True]),
    ("(true | false).anyFalse()", [True]),
    ("(1 | 2).subsetOf(3 | 2 | 1)", [True]),
    ("(1 | 4).subsetOf(3 | 2 | 1)", [False]),
    ("{}.subsetOf(1)", [True]),
    ("(1 | 2).supersetOf({})", [True]),
    ("1.combine(2).combine(1).distinct()", [1, 2]),
    ("1.combine(1.0).isDistinct()", [False]),
    ("{}.isDistinct()", [True]),
    ("{}.count()", [0]),
    ("true.not()", [False]),
    ("{}.not()", []),
]
FILTERING: list[tuple[str, list[Any]]] = [
    ("(1 | 2 | 3).where($this > 1)", [2, 3]),
    ("(1 | 2 | 3).where($index > 0)", [2, 3]),
    ("(1 | 2).where({})", []),
    ("(1 | 2).select($this * 2)", [2, 4]),
    ("(1 | 2).select($this | $this + 1)", [1, 2, 2, 3]),
    ("1.repeat(iif($this < 4, $this + 1, {}))", [2, 3, 4]),
    ("(1 | 2 | 3).aggregate($this + $total, 0)", [6]),
    ("(1 | 2).aggregate(iif($total.empty(), $this, $this * 10 + $total))", [21]),
    ("{}.aggregate($total, 5)", [5]),
    ("(1 | 2).select((3 | 4).select($index))", [0, 1, 0, 1]),
    ("(1 | 'a' | true).ofType(String)", ["a"]),
    ("(1 | 'a').ofType(System.Integer)", [1]),
    ("(3 | 1 | 2).sort()", [1, 2, 3]),
    ("('b' | 'a').sort(-$this)", ["b", "a"]),
    ("(12 | 21 | 11).sort($this mod 10, -$this)", [21, 11, 12]),
]
SUBSETTING: list[tuple[str, list[Any]]] = [
    ("(1 | 2 | 3)[0]", [1]),
    ("(1 | 2 | 3)[3]", []),
    ("(1 | 2 | 3)[-1]", []),
    ("(1 | 2 | 3)[-2]", []),
    ("(1 | 2)[{}]", []),
    ("(1 | 2).first()", [1]),
    ("(1 | 2).last()", [2]),
    ("(1 | 2 | 3).tail()", [2, 3]),
    ("(1 | 2 | 3).skip(1)", [2, 3]),
    ("(1 | 2 | 3).skip(-1)", [1, 2, 3]),
    ("(1 | 2 | 3).take(2)", [1, 2]),
    ("(1 | 2 | 3).take(0)", []),
    ("1.single()", [1]),
    ("{}.single()", []),
    ("(1 | 2 | 3).intersect(3 | 2)", [2, 3]),
    ("1.combine(1).combine(2).exclude(2)", [1, 1]),
    ("1.union(1 | 2)", [1, 2]),
    ("1.combine(1)", [1, 1]),
]
CONVERSION: list[tuple[str, list[Any]]] = [
    ("'t'.toBoolean()", [True]),
    ("'N'.toBoolean()", [False]),
    ("2.toBoolean()", []),
    ("1.0.toBoolean()", [True]),
    ("'+5'.toInteger()", [5]),
    ("'99999999999'.toInteger()", []),
    ("'99999999999'.convertsToInteger()", [False]),
    ("true.toInteger()", [1]),
    ("'1.50'.toDecimal()", [Decimal("1.50")]),
    ("'1e5'.toDecimal()", []),
    ("false.toDecimal()", [0]),
    ("1.50.toString()", ["1.50"]),
    ("@2014-05.toString()", ["2014-05"]),
    ("@T10:30:01.5.toString()", ["10:30:01.5"]),
    ("@2014-05-01T10:00:00-03:30.toString()", ["2014-05-01T10:00:00-03:30"]),
    ("5 days.toString()", ["5 days"]),
    ("true.toString()", ["true"]),
    ("'2014-02-30'.toDate()", []),
    ("'2014-02-28'.toDate()", ["2014-02-28"]),
    ("@2014-02-28T10:00.toDate()", ["2014-02-28"]),
    ("@2014-02-28.toDateTime()", ["2014-02-28"]),
    ("'10:30'.toTime()", ["10:30"]),
    ("@2014.toTime()", []),
    ("'5 \\'mg\\''.toQuantity()", ["5 'mg'"]),
    ("'5 mg'.toQuantity()", []),
    ("5 'g'.toQuantity('mg')", ["5000 'mg'"]),
    ("5 'g'.toQuantity('m')", []),
    ("5 'g'.convertsToQuantity('mg')", [True]),
    ("20 'Cel'.toQuantity('K')", ["293.15 'K'"]),
    ("293.15 'K'.toQuantity('Cel')", []),
    ("{}.convertsToInteger()", []),
    ("'x'.convertsToTime()", [False]),
    ("{}.toInteger()", []),
]
STRINGS: list[tuple[str, list[Any]]] = [
    ("'abc'.indexOf('c')", [2]),
    ("'abca'.lastIndexOf('a')", [3]),
    ("'abc'.substring(1)", ["bc"]),
    ("'abc'.substring(1, 1)", ["b"]),
    ("'abc'.substring(3)", []),
    ("'abc'.substring(0, 0)", [""]),
    ("'abc'.startsWith('ab')", [True]),
    ("'abc'.endsWith('')", [True]),
    ("'abc'.contains('d')", [False]),
    ("'aB'.upper()", ["AB"]),
    ("'aB'.lower()", ["ab"]),
    ("'a.b'.replace('.', '')", ["ab"]),
    ("'a\\nb'.matches('a.b')", [True]),
    ("'abc'.matches('^b$')", [False]),
    ("'abc'.matchesFull('b')", [False]),
    ("'11/30/1972'.replaceMatches('(?<m>\\\\d+)/(?<d>\\\\d+)/(?<y>\\\\d+)', '${d}-${m}-${y}')", ["30-11-1972"]),
    ("'ab'.replaceMatches('(a)(b)', '$2$1\\\\$')", ["ba$"]),
    ("'a\u0041\U0001f600'.length()", [3]),
    ("'ab'.toChars()", ["a", "b"]),
    ("'a,b,'.split(',')", ["a", "b", ""]),
    ("('a' | 'b').join('-')", ["a-b"]),
    ("('a' | 'b').join()", ["ab"]),
    ("{}.join(',')", []),
    ("'  a '.trim()", ["a"]),
    ("'ü'.encode('hex')", ["c3bc"]),
    ("'zz'.decode('hex')", []),
    ("'_w=='.decode('urlbase64')", []),
    ("'<\\''.escape('html')", ["&lt;&#x27;"]),
    ("'&lt;'.unescape('html')", ["<"]),
    ("'a\\\"\\\\b'.escape('json')", ['a\\"\\\\b']),
    ("'\\\\ud800'.unescape('json')", []),
    ("'\\\\u0041'.unescape('json')", ["A"]),
    ("{}.length()", []),
]
MATH: list[tuple[str, list[Any]]] = [
    ("(-5).abs()", [5]),
    ("1.1.ceiling()", [2]),
    ("(-1.1).floor()", [-2]),
    ("(-1.9).truncate()", [-1]),
    ("1.5.round()", [2]),
    ("1.555.round(2)", [Decimal("1.56")]),
    ("0.exp()", [1]),
    ("1.ln()", [0]),
    ("0.ln()", []),
    ("8.log(2)", [3]),
    ("8.log(1)", []),
    ("2.power(10)", [1024]),
    ("2.power(-1)", [Decimal("0.5")]),
    ("(-8).power(0.5)", []),
    ("0.power(-1)", []),
    ("2.power(100)", []),
    ("2.25.sqrt()", [Decimal("1.5")]),
    ("(-1).sqrt()", []),
    ("(-5 'mg').abs()", ["5 'mg'"]),
    ("{}.abs()", []),
]
BOUNDARIES: list[tuple[str, list[Any]]] = [
    ("1.5.lowBoundary()", [Decimal("1.45000000")]),
    ("5 'mg'.highBoundary(1)", ["5.5 'mg'"]),
    ("@2014.lowBoundary()", ["2014-01-01"]),
    ("@2014-02.highBoundary()", ["2014-02-28"]),
    ("@2014-02T.highBoundary()", ["2014-02-28T23:59:59.999-12:00"]),
    ("@2014-02-01T10:00:01.5Z.lowBoundary()", ["2014-02-01T10:00:01.500Z"]),
    ("@2014-02-01T10:00:01.5Z.highBoundary()", ["2014-02-01T10:00:01.599Z"]),
    ("@2014-02-01T10:00:01.highBoundary(6)", ["2014-02"]),
    ("@T10.highBoundary()", ["10:59:59.999"]),
    ("@2014.lowBoundary(5)", []),
    ("1.lowBoundary(32)", []),
    ("10.power(300).lowBoundary()", []),
    ("@2014-01-01T10:00:00.precision()", [14]),
    ("@T10:00.precision()", [4]),
    ("5.precision()", [0]),
    ("1 'cm'.comparable(1 'm')", [True]),
    ("1 'cm'.comparable({})", []),
]
UTILITY: list[tuple[str, list[Any]]] = [
    ("iif(true, 1, 2)", [1]),
    ("iif({}, 1, 2)", [2]),
    ("iif(false, 1)", []),
    ("iif(true, 1, 1 + 'a')", [1]),
    ("(1 | 2).trace('x')", [1, 2]),
    ("1.type().name", ["Integer"]),
    ("Patient.type().namespace", ["FHIR"]),
    ("1 is Integer", [True]),
    ("1 is System.Any", [True]),
    ("{} is Integer", []),
    ("Patient is DomainResource", [True]),
    ("Patient is Observation", [False]),
    ("Patient is Element", [False]),
    ("1 as String", []),
    ("5 'mg' is Quantity", [True]),
    ("5 'mg' is FHIR.Quantity", [False]),
]


@pytest.mark.spec(
    "FHIRPath N1 existence",
    "FHIRPath N1 filtering-and-projection",
    "FHIRPath N1 subsetting",
    "FHIRPath N1 combining",
    "FHIRPath N1 conversion",
    "FHIRPath N1 string-manipulation",
    "FHIRPath N1 math",
    "FHIRPath N1 utility-functions",
    "FHIRPath N1 types-1",
)
@pytest.mark.parametrize(
    ("expression", "values"),
    EXISTENCE + FILTERING + SUBSETTING + CONVERSION + STRINGS + MATH + BOUNDARIES + UTILITY,
)
def test_functions(expression: str, values: list[Any]) -> None:
    """A function answers as its clause says, and an empty input gives what the clause says of it."""
    answers = found(expression)
    assert answers == values
    assert [type(answer) is bool for answer in answers] == [type(value) is bool for value in values]


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        ("nope()", "nope()"),
        ("(1 | 2).single()", "single()"),
        ("(1 | 2).not()", "not 2"),
        ("(1 | 'a').allTrue()", "booleans"),
        ("iif('a', 1, 2)", "iif()"),
        ("(1 | 2).iif(true, 1, 2)", "iif()"),
        ("1.length()", "length()"),
        ("'a'.substring('b')", "integer"),
        ("'a'.abs()", "abs()"),
        ("1.0.round(-1)", "precision"),
        ("'a'.encode('rot13')", "rot13"),
        ("'a'.matches('(')", "regular expression"),
        ("'a'.matches('(?=a)')", "regular expression"),
        ("'a'.replaceMatches('a', '$1')", "group"),
        ("1.ofType(Strin)", "Strin"),
        ("(1 | 2).as(Integer)", "as"),
        ("(1 | 2) is Integer", "is"),
        ("'a'.lowBoundary()", "boundaries"),
        ("true.precision()", "precision()"),
        ("1.comparable(2)", "quantities"),
        ("name.where()", "arguments"),
        ("1.exists(1, 2)", "arguments"),
        ("%nope", "%nope"),
        ("(1 | @2014).sort()", "compared"),
        ("('a' | 1).join(',')", "string"),
        ("'a'.elementDefinition()", "elementDefinition()"),
        ("'a'.subsumedBy('b')", "subsumedBy()"),
        ("(1 | 2)['a']", "integer"),
    ],
)
def test_refusals(expression: str, reason: str) -> None:
    """Wrong inputs, arguments, names and numbers of arguments are refused by name."""
    with pytest.raises(HealixError) as refusal:
        found(expression)
    assert refusal.value.category in (Category.INVALID, Category.UNSUPPORTED)
    assert reason in refusal.value.message.partition(", in '")[0]


def test_every_function_is_tested() -> None:
    """There is no function that neither these tables nor those of FHIR's own functions name."""
    tables = EXISTENCE + FILTERING + SUBSETTING + CONVERSION + STRINGS + MATH + BOUNDARIES + UTILITY
    text = " ".join(expression for expression, _ in tables)
    others = {"children", "descendants", "now", "today", "timeOfDay", "elementDefinition", "subsumes", "subsumedBy"}
    fhir = {
        "checkModifiers",
        "conformsTo",
        "extension",
        "getValue",
        "hasValue",
        "htmlChecks",
        "memberOf",
        "resolve",
        "slice",
    }
    untested = {name for name in FUNCTIONS if f".{name}(" not in text and f"{name}(" not in text}
    assert {name for name in untested if not name.startswith(("to", "convertsTo"))} <= others | fhir
