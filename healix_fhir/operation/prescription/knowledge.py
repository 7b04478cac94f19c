"""What loaded terminologies know of codes of medications: their ingredients, and what stands above them.

RxNorm and SNOMED CT name ingredients by properties of concepts; a hierarchy, as those of SNOMED CT and ATC are, has
classes above them. A code of a system that is not here is itself and nothing else.

Spec: NLM, RxNorm technical documentation 12 (relationships); SNOMED CT, Medicinal product model; FHIR R4,
hl7.org/fhir/R4/codesystem-operation-subsumes.html
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

import msgspec

from healix_fhir.kernel import arrays
from healix_fhir.kernel.database import Statement, Work
from healix_fhir.operation.prescription.drug import Coding
from healix_fhir.terminology.catalog import ABSENT, System, find_each
from smart_auth.access import internal

RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
SNOMED = "http://snomed.info/sct"
INGREDIENTS: Mapping[str, tuple[str, ...]] = {
    RXNORM: ("has_ingredient", "has_ingredients", "has_precise_ingredient", "consists_of", "tradename_of", "has_part",
             "form_of"),
    SNOMED: ("127489000", "762949000"),
}  # fmt: skip
"""By system the properties that lead to ingredients: SNOMED CT has (precise) active ingredient."""
DEEPEST = 4
"""Properties that are followed in a row: a branded pack, its drugs, their components, those's ingredients."""


class Knowledge(msgspec.Struct, frozen=True):
    """By code its ingredients, and by code everything that stands above it; both with the code itself."""

    ingredients: Mapping[Coding, frozenset[Coding]] = {}
    above: Mapping[Coding, frozenset[Coding]] = {}

    def substances(self, codes: Iterable[Coding]) -> frozenset[Coding]:
        """The codes, with those of their ingredients."""
        return frozenset().union(*(self.ingredients.get(code, frozenset({code})) for code in codes))

    def kinds(self, codes: Iterable[Coding]) -> frozenset[Coding]:
        """The codes, those of their ingredients, and everything above these."""
        return frozenset().union(*(self.above.get(code, frozenset({code})) for code in self.substances(codes)))


def known_of(codes: Collection[Coding]) -> Work[Knowledge]:
    """What is known of codes: two statements for each system that is here, however many codes there are."""
    systems = yield from find_each(internal("prescriptions"), sorted({system for system, _ in codes}))
    ingredients: dict[Coding, frozenset[Coding]] = {}
    above: dict[Coding, frozenset[Coding]] = {}
    for url, system in systems.items():
        if system is None or system.content in ABSENT:
            continue
        asked = {code for one, code in codes if one == url}
        parts = yield from _ingredients(system, url, asked)
        ingredients |= {(url, code): _of(system, url, code, parts) for code in asked}
        named = asked | {part for found in parts.values() for part in found}
        tops = yield from _above(system, named)
        above |= {(url, code): _of(system, url, code, tops) for code in named}
    return Knowledge(ingredients, above)


def _of(system: System, url: str, code: str, found: Mapping[str, set[str]]) -> frozenset[Coding]:
    return frozenset((url, one) for one in {code} | found.get(system.key(code), set()))


def _ingredients(system: System, url: str, codes: Collection[str]) -> Work[dict[str, set[str]]]:
    """By code those of its ingredients."""
    if url not in INGREDIENTS:
        return {}
    rows = yield Statement(
        """WITH RECURSIVE part (root, n, depth) AS (
             SELECT c.key, c.n, 0 FROM concept c WHERE c.system = %s AND c.key = ANY(%s::text[])
             UNION
             SELECT p.root, t.n, p.depth + 1
             FROM part p
             JOIN concept_property q ON q.system = %s AND q.n = p.n AND q.code = ANY(%s::text[])
             JOIN concept t ON t.system = q.system AND t.key = q.value
             WHERE p.depth < %s)
           SELECT DISTINCT p.root, c.code
           FROM part p JOIN concept c ON c.system = %s AND c.n = p.n WHERE p.depth > 0""",
        (
            system.id,
            arrays.text({system.key(code) for code in codes}),
            system.id,
            arrays.text(INGREDIENTS[url]),
            DEEPEST,
            system.id,
        ),
    )
    return _gathered(rows)


def _above(system: System, codes: Collection[str]) -> Work[dict[str, set[str]]]:
    """By code those of everything above it."""
    rows = yield Statement(
        """WITH RECURSIVE up (root, n) AS (
             SELECT c.key, c.n FROM concept c WHERE c.system = %s AND c.key = ANY(%s::text[])
             UNION
             SELECT u.root, e.parent FROM up u JOIN concept_parent e ON e.system = %s AND e.n = u.n)
           SELECT u.root, c.code FROM up u JOIN concept c ON c.system = %s AND c.n = u.n""",
        (system.id, arrays.text({system.key(code) for code in codes}), system.id, system.id),
    )
    return _gathered(rows)


def _gathered(rows: Iterable[tuple[str, str]]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for root, code in rows:
        found.setdefault(root, set()).add(code)
    return found
