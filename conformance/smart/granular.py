"""Checks of scopes with conditions. Inferno: (g)(10) granular scopes 1 and 2, granular scope selection.

Spec: SMART App Launch 2.2, hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html
"""

from __future__ import annotations

from functools import partial

from conformance.check import Check, expect
from conformance.smart.asking import Decision
from conformance.smart.scene import Scene
from conformance.smart.scopes import ASK, CLOSED, KINDS, let_in, made, opens

CLAUSE = (
    "SMART App Launch 2.2 scopes-and-launch-context.html#finer-grained-resource-constraints-using-search-parameters"
)


def granular(kind: str, scene: Scene) -> None:
    """A scope with a condition opens what meets it, by search and by read, and nothing else."""
    system, wanted, other = KINDS[kind]
    ids = made(scene, kind)
    launched = let_in(scene, f"{ASK} patient/{kind}.rs?category={system}|{wanted}")
    expect(any(f"{kind}.rs?" in word for word in launched.granted), f"granted: {sorted(launched.granted)}")
    answer = scene.get(f"{kind}?patient={launched.patient}&_count=200", launched.access)
    found = [entry["resource"] for entry in (answer.json() or {}).get("entry", ())]
    categories = {c.get("code") for one in found for each in one.get("category", ()) for c in each.get("coding", ())}
    expect(answer.status == 200 and found, f"the search answered {answer.status}, and found {len(found)}")
    expect(categories == {wanted}, f"the search found the categories {sorted(map(str, categories))}")
    opens(scene, launched, f"{kind}/{ids[wanted]}")
    opens(scene, launched, f"{kind}/{ids[other]}", CLOSED)


def finer_offered(scene: Scene) -> None:
    """Who is asked for a whole type may grant a part of it: of Observations, and of Conditions."""
    asked = f"{ASK} openid fhirUser patient/Patient.rs patient/Condition.rs patient/Observation.rs"
    finer = Decision(tick=lambda scope: "?" in scope or not any(f"/{kind}." in scope for kind in KINDS))
    launched = let_in(scene, asked, finer, prompt="consent")
    for kind in KINDS:
        words = [word for word in launched.granted if f"/{kind}." in word]
        expect(words and all("?" in word for word in words), f"of {kind} is granted {words}")
    expect("patient/Patient.rs" in launched.granted, f"granted: {sorted(launched.granted)}")


CHECKS = (
    Check(CLAUSE, "a granular scope of Observation", partial(granular, "Observation")),
    Check(CLAUSE, "a granular scope of Condition", partial(granular, "Condition")),
    Check(CLAUSE, "granular scopes are offered to the person", finer_offered),
)
