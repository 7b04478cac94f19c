"""Whatever text or resource comes, only a HealixError comes out."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from healix_fhir.kernel.errors import HealixError
from healix_fhir.model.fhirpath.engine import Environment, compile_expression
from healix_fhir.model.fhirpath.evaluate.compile import FUNCTIONS, OPERATORS
from healix_fhir.model.fhirpath.parser import parse
from tests.support.fhirpath import FIXED
from tests.support.hostile_json import JSON, KEYS

SYMBOLS = """is as ofType ( ) ( ) [ ] {} , . . $this $index %resource %context %`x` 'a' '\\u0041' `name` 1 0 1.50 5'mg'
    3days @2014 @T10 @2014-01-01T10:00:00+14:00 true name given birthDate contained Patient String FHIR // /* */
    \\ é ' `"""
WORDS = st.sampled_from([*FUNCTIONS, *OPERATORS, *SYMBOLS.split()])
OPERANDS = """1 0 -5 1.5 '' 'a' '2014' '(a+)+$' true {} @2014 @2016-02-29 @T23:59 @9999-12-31T23:59:59.999+14:00 5'mg'
    4'[pH]' 3days 1year $this $index name name.given birthDate active contact multipleBirth contained children()
    descendants() %resource"""
ATOMS = st.sampled_from(OPERANDS.split())
TYPES = st.sampled_from(["Patient", "string", "System.String", "Quantity", "Boolean", "HumanName", "Element"])


def calls(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Expressions with `inner` ones as their operands."""
    return st.one_of(
        st.builds("({} {} {})".format, inner, st.sampled_from(sorted(OPERATORS)), inner),
        st.builds("({}).{}()".format, inner, st.sampled_from(sorted(FUNCTIONS))),
        st.builds("({}).{}({})".format, inner, st.sampled_from(sorted(FUNCTIONS)), inner),
        st.builds("({}).{}({}, {})".format, inner, st.sampled_from(sorted(FUNCTIONS)), inner, inner),
        st.builds("({}).{}({})".format, inner, st.sampled_from(["is", "as", "ofType"]), TYPES),
        st.builds("({})[{}]".format, inner, inner),
        st.builds("-({})".format, inner),
        st.builds("({}).{}".format, inner, st.sampled_from(["given", "id", "extension", "value", "use"])),
    )


SENTENCES = st.lists(WORDS, max_size=20)


@given(st.one_of(st.text(max_size=40), SENTENCES.map(" ".join), SENTENCES.map("".join)))
def test_parser(text: str) -> None:
    """Any text is an expression or is refused."""
    with suppress(HealixError):
        parse(text)
        compile_expression(text)


@given(st.recursive(ATOMS, calls, max_leaves=6), st.dictionaries(KEYS, JSON, max_size=8))
def test_evaluation(text: str, resource: dict[str, Any]) -> None:
    """Any expression on any JSON has a result, whose items have places, or is refused; so is its check."""
    with suppress(HealixError):
        compiled = compile_expression(text)
        environment = Environment(clock=FIXED.clock, steps=20_000, resolve=lambda _: resource, several_as=True)
        with suppress(HealixError):
            compiled.check("Patient")
        subject = {"resourceType": "Patient"} | resource
        for node in compiled.evaluate(subject, environment=environment):
            assert node.is_system == (node.location == "")
        compiled.holds(subject, environment)
