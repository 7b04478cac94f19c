"""What Consents and labels hide in a random world, read naively: a provision within a provision, by recursion."""

from __future__ import annotations

from collections.abc import Iterable
from random import Random
from typing import TYPE_CHECKING, Any

from tests.support.consents import actors, classes, consent, instances, level, policy, sensitivity

if TYPE_CHECKING:
    from tests.property.access.world import Token

Json = dict[str, Any]
LEVELS = "ULMNRV"
ACTORS = (
    "Practitioner/d0", "Practitioner/d1", "RelatedPerson/k0", "RelatedPerson/k1", "CareTeam/t", "Organization/ward",
    "Organization/house",
)  # fmt: skip
MEMBERSHIPS = (
    ("Practitioner/d0", "PractitionerRole/r0", False),
    ("PractitionerRole/r0", "Organization/ward", False),
    ("Organization/ward", "Organization/house", False),
    ("Organization/house", "Organization/ward", False),
    ("Organization/house", "CareTeam/t", False),
    ("Practitioner/d1", "Organization/ward", True),
    ("RelatedPerson/k0", "Organization/other", False),
)
"""What belongs to what, and whether that is over; in a circle too."""
TYPES = ("Observation", "Patient", "Encounter", "Consent", "Group")


def labelled(rng: Random) -> Json:
    """Now and then a label."""
    if rng.random() < 0.75:
        return {}
    return {"meta": {"security": [rng.choice((level("N"), level("R"), level("V"), sensitivity("HIV")))]}}


def make_consent(rng: Random) -> Json:
    """A privacy Consent of somebody, most of them active."""
    made = consent("", _provision(rng, 3) if rng.random() < 0.9 else None, patient=rng.choice(("p0", "p1", "p2")))
    made["status"] = rng.choice(("active", "active", "active", "inactive"))
    made["policyRule"] = policy(rng.choice(("OPTIN", "OPTIN", "OPTIN", "OPTOUT")))
    return {name: value for name, value in made.items() if name not in ("resourceType", "id")}


def _provision(rng: Random, depth: int) -> Json:
    conditions: dict[str, Any] = {
        "actor": actors(*rng.sample(ACTORS, rng.choice((1, 2)))),
        "class": classes(*rng.sample(TYPES, rng.choice((1, 2)))),
        "securityLabel": [rng.choice((level("R"), level("V"), sensitivity("HIV")))],
        "data": instances(rng.choice(("Observation/r4", "Observation/r5", "Encounter/r2", "Patient/p1"))),
        "period": rng.choice(({"start": "2020"}, {"end": "2020"})),
    }
    chosen = [name for name in conditions if rng.random() < (0.5 if name in ("actor", "class") else 0.15)]
    inner = [_provision(rng, depth - 1) for _ in range(rng.choice((0, 0, 1, 2)))] if depth > 1 else []
    return {
        **({"type": rng.choice(("deny", "permit"))} if depth < 3 or rng.random() < 0.8 else {}),
        **{name: conditions[name] for name in chosen},
        **({"provision": inner} if inner else {}),
    }


def hidden(
    resources: Iterable[Json],
    glass: frozenset[tuple[str, str, bool]],
    token: Token,
    resource: Json,
    patients: set[str],
) -> bool:
    """Whether a Consent of one of the patients, or a label, hides a resource from the user of a token."""
    if token.practitioner is None and (not token.proxies or token.own in patients):
        return False
    lifted = {p for d, p, lifts in glass if d == token.practitioner and lifts}
    restricted = {f"{LEVELS[4]}", f"{LEVELS[5]}", "HIV"}
    if token.practitioner is not None and restricted & set(_labels(resource)) and not lifted & patients:
        return True
    return any(
        _denies(one, token, resource)
        for one in resources
        if one["resourceType"] == "Consent"
        and one["status"] == "active"
        and (whose := one.get("patient", {}).get("reference", "").removeprefix("Patient/")) in patients
        and whose not in lifted
    )


def _denies(given: Json, token: Token, resource: Json) -> bool:
    base = "deny" if given["policyRule"]["coding"][0]["code"] == "OPTOUT" else "permit"
    root = given.get("provision", {})
    whole = {"type": base, "provision": [root]} if "type" in root else {**root, "type": base}
    return _verdict(whole, token, resource) == "deny"


def _verdict(provision: Json, token: Token, resource: Json) -> str | None:
    if not _met(provision, token, resource):
        return None
    inner = {_verdict(one, token, resource) for one in provision.get("provision", ())}
    for verdict in ("deny", "permit"):
        if verdict in inner:
            return verdict
    if provision["type"] == "deny" and token.practitioner is None and "actor" not in provision:
        return None  # it is not about those who act for the patient
    return str(provision["type"])


def _met(provision: Json, token: Token, resource: Json) -> bool:
    me = {f"Practitioner/{token.practitioner}"} if token.practitioner is not None else set(token.proxies or ())
    for _ in MEMBERSHIPS:
        me |= {actor for member, actor, over in MEMBERSHIPS if member in me and not over}
    named = {one["reference"].get("reference") for one in provision.get("actor", ())}
    types = {one["code"] for one in provision.get("class", ())}
    data = {one["reference"]["reference"] for one in provision.get("data", ())}
    wanted = {
        code
        for one in provision.get("securityLabel", ())
        for code in _reaching(one["code"], denies=provision["type"] == "deny")
    }
    return (
        (not named or bool(named & me))
        and (not types or resource["resourceType"] in types)
        and (not data or f"{resource['resourceType']}/{resource['id']}" in data)
        and (not wanted or bool(wanted & set(_labels(resource))))
        and provision.get("period", {}).get("end") is None
    )


def _reaching(code: str, *, denies: bool) -> str | tuple[str, ...]:
    if code not in LEVELS:
        return (code,)
    place = LEVELS.index(code)
    return LEVELS[place:] if denies else LEVELS[: place + 1]


def _labels(resource: Json) -> list[str]:
    return [one["code"] for one in resource.get("meta", {}).get("security", ())]
