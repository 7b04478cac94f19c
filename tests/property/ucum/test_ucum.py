"""Laws of units: what holds of every code that the grammar can make."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from healix_fhir.model.ucum.canonical import canonical, comparable
from healix_fhir.model.ucum.grammar import parse
from healix_fhir.model.ucum.table import PREFIXES, atom, symbols, takes_prefix
from healix_fhir.model.ucum.unit import Unit

RATIO = [name for name in symbols() if (unit := atom(name)) is not None and unit.function is None]
SPECIAL = ["Cel", "[degF]", "[degRe]"]
METRIC = [name for name in RATIO if takes_prefix(name)]
SYMBOLS = st.sampled_from(RATIO) | st.tuples(st.sampled_from(sorted(PREFIXES)), st.sampled_from(METRIC)).map("".join)
FACTORS = st.tuples(SYMBOLS, st.sampled_from(["", "2", "-1", "3", "+2"])).map(
    lambda part: part[0] if part[0].startswith("10") and not part[1] else "".join(part)
)
COMPONENTS = FACTORS | st.integers(1, 1000).map(str) | st.just("{note}")
TERMS = st.recursive(
    COMPONENTS,
    lambda inner: st.tuples(inner, st.sampled_from("./"), inner).map(lambda t: f"({t[0]}{t[1]}{t[2]})"),
    max_leaves=4,
)
VALUES = st.decimals(allow_nan=False, allow_infinity=False, places=4, min_value=-(10**6), max_value=10**6)


def _unit(code: str) -> Unit:
    unit = parse(code)
    assert unit is not None, code
    return unit


@given(TERMS)
def test_the_canonical_unit_is_a_code_of_itself(code: str) -> None:
    """What `canonical` calls the base units is a UCUM code that means them."""
    unit = _unit(code)
    assert _unit(unit.code) == Unit(_unit("1").factor, unit.dimension)


@given(TERMS, TERMS)
def test_quotients_undo_products(left: str, right: str) -> None:
    """`(a.b)/b` is a, and `a/b` is one over `b/a`."""
    assert _unit(f"({left}.{right})/{right}") == _unit(left)
    assert _unit(f"{left}/{right}") == _unit(f"/({right}/{left})")
    assert comparable(f"{left}.{right}", f"{right}.{left}")


@given(st.sampled_from(sorted(PREFIXES)), st.sampled_from(METRIC), VALUES)
def test_a_prefix_multiplies(prefix: str, symbol: str, value: Decimal) -> None:
    """One kX is a thousand X, unless the letters are a symbol of their own."""
    if atom(prefix + symbol) is None and not (prefix == "d" and symbol.startswith("a")):
        assert _unit(prefix + symbol).factor == _unit(symbol).factor * PREFIXES[prefix]


@given(TERMS, VALUES, st.sampled_from(["", "{mass}"]))
def test_numbers_move_between_value_and_unit(code: str, value: Decimal, note: str) -> None:
    """5 of `1000.X` are 5000 of `X`; an annotation changes nothing."""
    assert canonical(value, f"1000{note}.{code}") == canonical(value * 1000, code)


@given(st.sampled_from(SPECIAL), VALUES, VALUES)
def test_temperatures_keep_their_order(code: str, one: Decimal, other: Decimal) -> None:
    """Scales that begin elsewhere still compare as their numbers do."""
    left, right = canonical(one, code), canonical(other, code)
    assert left is not None
    assert right is not None
    assert (left < right) == (one < other)


@given(st.text(alphabet="mgksL1029*^[]{}()./+-% 'U", max_size=12))
def test_any_text_is_a_unit_or_none(text: str) -> None:
    """Hostile codes raise nothing; whatever is a unit can be multiplied with another."""
    unit = parse(text)
    if unit is not None and unit.function is None:
        assert _unit(f"({text}).m").dimension == unit.times(_unit("m")).dimension
