"""Value sets put together from those that they contain."""

from __future__ import annotations

from typing import Any

import pytest

from healix_fhir.kernel.errors import HealixError
from healix_fhir.terminology import resolve
from healix_fhir.terminology.compose import Composition, composition
from healix_fhir.terminology.sets import Set, leaves
from smart_auth.access import internal

Json = dict[str, Any]
SYSTEM = {"system": "http://example.org/colours"}


def containing(times: int, depth: int, **last: Any) -> Json:
    """A value set that leads to `last` by `depth` contained ones, each of which names the next so many times."""
    inner = [
        {"resourceType": "ValueSet", "id": f"v{n}", "compose": {"include": [{"valueSet": [f"#v{n + 1}"]}] * times}}
        for n in range(depth)
    ]
    inner.append({"resourceType": "ValueSet", "id": f"v{depth}", **last})
    return {"resourceType": "ValueSet", "contained": inner, "compose": {"include": [{"valueSet": ["#v0"]}]}}


def resolved(body: Json) -> Set:
    """Its members; nothing is looked up for it."""
    with pytest.raises(StopIteration) as ended:
        next(resolve.resolved(internal("test"), composition(body)))
    found: Set = ended.value.value
    return found


@pytest.mark.parametrize("last", [{"compose": {"include": [SYSTEM]}}, {}])
def test_what_is_named_again_and_again(last: Json, monkeypatch: pytest.MonkeyPatch) -> None:
    """A contained value set is put together once, and what comes to too many parts is refused on the way."""
    asked: list[str] = []
    contained = resolve._contained

    def counted(whole: Composition, name: str) -> Composition:
        asked.append(name)
        return contained(whole, name)

    monkeypatch.setattr(resolve, "_contained", counted)
    with pytest.raises(HealixError, match="more than 2000 parts"):
        resolved(containing(1000, 3, **last))
    assert len(asked) < 20


def test_a_few_times() -> None:
    """What is named several times counts each time."""
    found = resolved(containing(3, 2, compose={"include": [SYSTEM]}))
    assert len(list(leaves(found))) == 9
