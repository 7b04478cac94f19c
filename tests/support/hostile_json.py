"""Any JSON in the shape of nothing in particular, with the keys of resources."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

NAMES = """name _name given _given family use birthDate _birthDate active contact contained resourceType extension url
    multipleBirthInteger valueQuantity value code system id reference deceasedBoolean managingOrganization link other
    text div"""
KEYS = st.sampled_from(NAMES.split())
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 2**40),
    st.sampled_from(["", "x", "2014", "2014-02-30", "Patient", "#a"]),
    st.sampled_from([Decimal("1.50"), Decimal("1e999"), Decimal("-1e-999")]),
)
JSON: st.SearchStrategy[Any] = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(KEYS, inner, max_size=4)),
    max_leaves=15,
)
