"""The local rules: does an order meet an allergy of the patient, a medication that they have, or one that it must not?

Codes are compared, with what loaded terminologies know of them: the ingredients of both, and whether the substance of
an allergy stands above one of them. Names are compared too: a substance that is named in the medication's name. What
cannot be compared is said, so that nobody takes it for safe.

Spec: FHIR R4, hl7.org/fhir/R4/allergyintolerance.html, hl7.org/fhir/R4/medicationrequest.html
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from healix_fhir.operation.prescription.drug import Coding, Drug, codings
from healix_fhir.operation.prescription.finding import INDICATOR, Finding, Indicator, Kind, note
from healix_fhir.operation.prescription.interactions import Interaction
from healix_fhir.operation.prescription.knowledge import Knowledge
from healix_fhir.operation.told import concept_text

Json = Mapping[str, Any]
OVER = frozenset({"inactive", "resolved"})
REFUTED = frozenset({"refuted", "entered-in-error"})
CRITICALITY: Mapping[str, Indicator] = {"high": Indicator.CRITICAL, "low": Indicator.WARNING}
WORDS = re.compile(r"\w+")
SHORTEST = 4
"""Letters of a name that is looked for within another one."""


def allergies(drug: Drug, recorded: Sequence[Json], knowledge: Knowledge) -> Iterator[Finding]:
    """The allergies and intolerances that the order meets."""
    counting = [one for one in recorded if _counts(one)]
    if not counting:
        yield note(Kind.ALLERGY, "No allergies are recorded for this patient, nor that there are none")
    substances, kinds = knowledge.substances(drug.substances), knowledge.kinds(drug.substances)
    for one in counting:
        for concept in _concepts(one):
            codes = codings(concept)
            if codes & kinds or knowledge.substances(codes) & substances:
                yield _allergy(drug, one, concept, "by their codes")
                break
            if _is_named_in(concept_text(concept), drug.name):
                yield _allergy(drug, one, concept, "by their names")
                break


def _counts(allergy: Json) -> bool:
    codes = {code for name in ("clinicalStatus", "verificationStatus") for _, code in codings(allergy.get(name) or {})}
    return not codes & (OVER | REFUTED)


def _concepts(allergy: Json) -> Iterator[Json]:
    """What it is against: as a whole, and as it was in each reaction."""
    if "code" in allergy:
        yield allergy["code"]
    for reaction in allergy.get("reaction", ()):
        if "substance" in reaction:
            yield reaction["substance"]


def _allergy(drug: Drug, allergy: Json, concept: Json, how: str) -> Finding:
    is_intolerance = allergy.get("type") == "intolerance"
    worst = any(one.get("severity") == "severe" for one in allergy.get("reaction", ()))
    indicator = Indicator.CRITICAL if worst else CRITICALITY.get(allergy.get("criticality", ""), Indicator.WARNING)
    reactions = [
        text for one in allergy.get("reaction", ()) for text in map(concept_text, one.get("manifestation", ())) if text
    ]
    what = "intolerance of" if is_intolerance else "allergy to"
    return Finding(
        Kind.ALLERGY,
        indicator,
        f"{drug.name}: the patient has an {what} {concept_text(concept) or 'a substance of it'}",
        f"Reactions: {', '.join(reactions)}. Found {how}." if reactions else f"Found {how}.",
        (f"AllergyIntolerance/{allergy['id']}",) if "id" in allergy else (),
    )


def duplicates(drug: Drug, others: Iterable[Drug], knowledge: Knowledge) -> Iterator[Finding]:
    """The medications of the patient that are the same, or have an ingredient of the order."""
    substances = knowledge.substances(drug.substances)
    for other in others:
        same = drug.codes & other.codes or _folded(drug.name) == _folded(other.name)
        if not same and not knowledge.substances(other.substances) & substances:
            continue
        how = "It is the same medication." if same else "They have an ingredient in common."
        yield Finding(
            Kind.DUPLICATE,
            Indicator.WARNING,
            f"{drug.name}: the patient has {other.name} already",
            how,
            (other.reference,) if other.reference else (),
        )


def interacting(
    drug: Drug, others: Iterable[Drug], found: Sequence[Interaction], knowledge: Knowledge
) -> Iterator[Finding]:
    """The medications of the patient that do not go with the order; `found` are interactions of any of them."""
    own = knowledge.kinds(drug.substances)
    for other in others:
        theirs = knowledge.kinds(other.substances)
        for one in found:
            if (one.a in own and one.b in theirs) or (one.b in own and one.a in theirs):
                yield Finding(
                    Kind.INTERACTION,
                    INDICATOR[one.severity],
                    f"{drug.name} and {other.name} interact",
                    " ".join(filter(None, (f"{one.names}.", one.effect, one.management))),
                    (other.reference,) if other.reference else (),
                    one.source,
                )


def uncoded(drug: Drug, others: Iterable[Drug]) -> Iterator[Finding]:
    """What had no code to be compared by."""
    if not drug.substances:
        yield note(Kind.INTERACTION, f"{drug.name} has no code: only its name was compared, and no interactions")
    for name in sorted({other.name for other in others if not other.substances}):
        yield note(Kind.INTERACTION, f"{name} has no code: it was not looked at for interactions")


def all_codes(drugs: Iterable[Drug], recorded: Iterable[Json]) -> frozenset[Coding]:
    """Every code that is compared."""
    of_allergies = (codings(concept) for one in recorded for concept in _concepts(one))
    return frozenset().union(*(drug.substances for drug in drugs), *of_allergies)


def _is_named_in(substance: str, name: str) -> bool:
    """Whether a substance is named, word by word, in the name of a medication."""
    wanted, there = WORDS.findall(substance.casefold()), WORDS.findall(name.casefold())
    if not wanted or len("".join(wanted)) < SHORTEST:
        return False
    return any(there[start : start + len(wanted)] == wanted for start in range(len(there)))


def _folded(name: str) -> str:
    return " ".join(WORDS.findall(name.casefold()))
