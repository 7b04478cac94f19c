"""Operations on small random code systems against looking through their JSON."""

from __future__ import annotations

import random
from typing import Any

import pytest

from healix_fhir.interaction.service import Interactions
from tests.support.code_systems import COLOURS, call, code_system, properties, value
from tests.support.fhir_server import Pool, put, serve

Json = dict[str, Any]
KINDS = (
    lambda r: {"valueCode": r.choice("xyz")},
    lambda r: {"valueString": r.choice(["", "a b", "ü"]) + "s"},
    lambda r: {"valueInteger": r.randrange(3)},
    lambda r: {"valueBoolean": r.random() < 0.5},
)


class Oracle:
    """A random code system, each concept with its parents."""

    def __init__(self, seed: int) -> None:
        self.random = chance = random.Random(seed)
        self.codes = [f"c{n}" for n in range(chance.randint(1, 10))]
        self.parents = {
            code: set(chance.sample(self.codes[:n], min(n, chance.choice((0, 1, 1, 2)))))
            for n, code in enumerate(self.codes)
        }
        self.concepts = [self._concept(code) for code in self.codes]
        chance.shuffle(self.concepts)
        self.resource = code_system(*self.concepts)

    def _concept(self, code: str) -> Json:
        chance = self.random
        extra = [{"code": f"p{n}", **chance.choice(KINDS)(chance)} for n in range(chance.randrange(3))]
        above = [{"code": "parent", "valueCode": parent} for parent in sorted(self.parents[code])]
        flags = [{"code": "notSelectable", "valueBoolean": True}] if chance.random() < 0.2 else []
        named = {"display": f"Display {code}"} if chance.random() < 0.8 else {}
        listed = extra + above + flags
        return {"code": code, **named, **({"property": listed} if listed else {})}

    def above(self, code: str) -> set[str]:
        """All that stand above."""
        return self.parents[code].union(*(self.above(parent) for parent in self.parents[code]))

    def outcome(self, a: str, b: str) -> str:
        """What $subsumes is to answer."""
        if a == b:
            return "equivalent"
        return "subsumes" if a in self.above(b) else "subsumed-by" if b in self.above(a) else "not-subsumed"

    def told(self, code: str) -> Json:
        """The properties that $lookup is to answer, sorted."""
        concept = next(one for one in self.concepts if one["code"] == code)
        found: dict[str, list[Any]] = {}
        for one in concept.get("property", ()):
            found.setdefault(one["code"], []).append(next(v for k, v in one.items() if k != "code"))
        children = [child for child in self.codes if code in self.parents[child]]
        return {name: sorted(values) for name, values in {**found, **({"child": children} if children else {})}.items()}

    def right(self, code: str) -> bool:
        """What $validate-code is to answer."""
        concept = next((one for one in self.concepts if one["code"] == code), {})
        return bool(concept) and {"code": "notSelectable", "valueBoolean": True} not in concept.get("property", ())


@pytest.mark.parametrize("seed", range(12))
def test_operations_against_the_json(pool: Pool, database_url: str, seed: int) -> None:
    """Every pair is subsumed as its hierarchy says, every code is told whole and judged rightly."""
    oracle = Oracle(seed)
    put(pool, oracle.resource, "c")

    async def use(server: Interactions) -> None:
        for a in oracle.codes:
            for b in oracle.codes:
                answer = await call(server, "subsumes", f"system={COLOURS}&codeA={a}&codeB={b}")
                assert value(answer, "outcome") == oracle.outcome(a, b), (a, b)
        for code in (*oracle.codes, "none"):
            judged = await call(server, "validate-code", f"url={COLOURS}&code={code}")
            assert value(judged, "result") is oracle.right(code), code
        for code in oracle.codes:
            answer = await call(server, "lookup", f"system={COLOURS}&code={code}")
            told = {name: sorted(values) for name, values in properties(answer).items()}
            assert told == oracle.told(code), code

    serve(database_url, use)
