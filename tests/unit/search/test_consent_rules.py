"""What a Consent must hold to be evaluated; what is not evaluated is named, and never opens anything."""

from __future__ import annotations

from typing import Any

import pytest

from healix_fhir.kernel.errors import Category, HealixError
from healix_fhir.search.consent_rules import DEPTH, PROVISIONS, check, consent_rules
from tests.support.consents import actions, actors, classes, consent, deny, instances, level, permit

BASES = ("http://healix.test/fhir",)
Json = dict[str, Any]
OTHER_ROLE = [
    {"role": {"coding": [{"code": "CST"}]}, "reference": {"reference": "Organization/o"}},
]


def nested(depth: int) -> Json:
    """Provisions inside each other."""
    return deny() if depth == 1 else deny(nested(depth - 1))


NOT_EVALUATED: list[tuple[Json, str]] = [
    (deny(purpose=[{"code": "HRESCH"}]), "Consent.provision.purpose"),
    (deny(code=[{"text": "x"}]), "Consent.provision.code"),
    (deny(dataPeriod={"start": "2020"}), "Consent.provision.dataPeriod"),
    (deny(extension=[{"url": "http://x.test", "valueCode": "x"}]), "Consent.provision.extension"),
    (deny(modifierExtension=[{"url": "http://x.test", "valueCode": "x"}]), "Consent.provision.modifierExtension"),
    (deny(actor=OTHER_ROLE), "Consent.provision.actor[0]"),
    (deny(actor=actors("Practitioner/d", "Device/d")), "Consent.provision.actor[1]"),
    (deny(actor=actors("http://elsewhere.test/fhir/Practitioner/d")), "Consent.provision.actor[0]"),
    (deny(actor=actors("#d")), "Consent.provision.actor[0]"),
    (deny(class_=[{"system": "urn:ietf:bcp:13", "code": "application/hl7-cda+xml"}]), "Consent.provision.class[0]"),
    (deny(class_=classes("Pacient")), "Consent.provision.class[0]"),
    (deny(action=[{"text": "look"}]), "Consent.provision.action[0]"),
    (deny(action=actions("read")), "Consent.provision.action[0]"),
    (deny(securityLabel=[{"code": "R"}]), "Consent.provision.securityLabel"),
    (deny(data=[{"meaning": "dependents", "reference": {"reference": "Encounter/e"}}]), "Consent.provision.data[0]"),
    (deny(data=instances("http://elsewhere.test/Observation/o")), "Consent.provision.data[0]"),
    (deny(permit(purpose=[{"code": "TREAT"}])), "Consent.provision.provision[0].purpose"),
    (nested(DEPTH + 2), "Consent.provision" + ".provision" * 0),
    (deny(*[permit()] * PROVISIONS), "Consent.provision"),
]


@pytest.mark.parametrize(("provision", "path"), NOT_EVALUATED)
@pytest.mark.spec("FHIR R4 consent.html#6.2.0")
def test_what_is_not_evaluated_is_refused_by_name(provision: Json, path: str) -> None:
    """An active privacy Consent that would not be kept to in all is refused; one of another kind says what it likes."""
    made = consent("c", provision)
    with pytest.raises(HealixError) as refusal:
        check(made, BASES)
    assert refusal.value.category is Category.UNPROCESSABLE
    assert refusal.value.issues[0].expression[0].startswith(path)
    assert path.partition("[")[0] in refusal.value.message
    check(made | {"status": "draft"}, BASES)
    check(made | {"scope": {"coding": [{"code": "research"}]}}, BASES)


@pytest.mark.parametrize(
    "patient", [{}, {"patient": {"display": "Ada"}}, {"patient": {"reference": "http://x.test/Patient/p"}}]
)
def test_a_privacy_consent_is_about_a_patient_here(patient: Json) -> None:
    """Without a Patient of this server there is nobody's record to keep."""
    made = {key: value for key, value in consent("c", deny()).items() if key != "patient"} | patient
    with pytest.raises(HealixError) as refusal:
        check(made, BASES)
    assert refusal.value.issues[0].expression == ("Consent.patient",)


@pytest.mark.parametrize(
    "provision",
    [
        deny(actor=actors("Practitioner/d", f"{BASES[0]}/Organization/o", "client/app")),
        deny(permit(deny(permit(securityLabel=[level("N")]))), period={"start": "2020"}, id="a"),
        None,
    ],
)
def test_what_is_evaluated_is_accepted(provision: Json | None) -> None:
    """Everything that the predicate asks for may be said."""
    check(consent("c", provision), BASES)


def test_what_was_stored_before_denies_more_not_less() -> None:
    """A condition that is not evaluated is left out where it denies; where it permits, nobody is permitted."""
    purpose = [{"code": "HRESCH"}]
    _, outer, inner = consent_rules(consent("c", deny(permit(purpose=purpose), actor=OTHER_ROLE)), BASES)
    assert (outer.denies, outer.actors) == (True, None)
    assert (inner.denies, inner.actors, inner.chain) == (False, (), (0, 1, 2))
    partly = consent("c", deny(actor=[*OTHER_ROLE, *actors("Practitioner/d")]))
    assert consent_rules(partly, BASES)[1].actors is None
    deep = consent_rules(consent("c", nested(DEPTH + 2)), BASES)
    assert deep[-1].denies
    many = consent_rules(consent("c", permit(*[permit()] * (PROVISIONS + 5))), BASES)
    assert (many[-1].denies, many[-1].chain) == (True, (many[-1].number,))


def test_labels_of_confidentiality_reach_up_and_down() -> None:
    """A denial of R counts for what is above it, a permission for what is below it."""
    _, outer, inner = consent_rules(
        consent("c", deny(permit(securityLabel=[level("M")]), securityLabel=[level("R")])), BASES
    )
    assert [one.rpartition("|")[2] for one in outer.labels or ()] == ["R", "V"]
    assert [one.rpartition("|")[2] for one in inner.labels or ()] == ["U", "L", "M"]
