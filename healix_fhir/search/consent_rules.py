"""What a Consent permits and denies, as rows that the access predicate asks (smart_auth/narrowing.py).

Rules come of the active Consents of the scope `patient-privacy`. The base rule is `policyRule`: OPTOUT denies
everything, anything else permits; the provisions are exceptions to what encloses them. R4 gives the outermost provision
no type: without one it narrows the base rule, with one it is an exception to that.

What is not evaluated is refused by name when a Consent is written. A Consent that was stored before denies more, not
less: a denying provision is taken without the condition, a permitting one permits nothing.

Spec: FHIR R4, hl7.org/fhir/R4/consent.html
"""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from healix_fhir.kernel.errors import Category, HealixError, Issue
from healix_fhir.model.definitions import TYPE_ID, TYPE_NAME
from healix_fhir.search.dates import interval
from healix_fhir.search.params.reference import target
from healix_fhir.search.security_labels import at_least, at_most, label
from healix_fhir.store.index import ConsentRule

Json = dict[str, Any]

SCOPES = "http://terminology.hl7.org/CodeSystem/consentscope"
ACT_CODE = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
RESOURCE_TYPES = "http://hl7.org/fhir/resource-types"
ACTIONS_SYSTEM = "http://terminology.hl7.org/CodeSystem/consentaction"
CLIENT_ID = "urn:healix:client"
"""The system of the identifier by which an actor names an app."""
OPT_OUT = frozenset({"OPTOUT", "OPTOUTE"})
ACTIONS = {"access": "read", "use": "read", "disclose": "read", "collect": "create", "correct": "change"}
"""The codes of consentaction, as what the predicate asks for: who may not have data disclosed may not read it."""
ACTORS = frozenset(
    {"CareTeam", "Group", "Organization", "Patient", "Practitioner", "PractitionerRole", "RelatedPerson"}
)
RECIPIENTS = frozenset({"PRCP", "IRCP", "GRANTEE", "DELEGATEE", "AGNT", "ASSIGNED", "PROV", "AFFL"})
"""Roles of those who get the data: v3 ParticipationType, RoleCode and RoleClass."""
EVALUATED = frozenset({"type", "period", "actor", "action", "securityLabel", "class", "data", "provision", "id"})
PROVISIONS, DEPTH = 200, 8
UNNUMBERED = -1
NOBODY: tuple[str, ...] = ()


class Place(NamedTuple):
    """A provision with where it is: its FHIRPath, the rules that enclose it, and whether it denies."""

    path: str
    provision: Json
    chain: tuple[int, ...]
    denies: bool


def is_privacy(consent: Json) -> bool:
    """Whether a Consent takes effect on access: it is active, and about privacy."""
    codings = consent.get("scope", {}).get("coding", ())
    return consent.get("status") == "active" and any(
        one.get("code") == "patient-privacy" and one.get("system", SCOPES) == SCOPES for one in codings
    )


def consent_rules(consent: Json, bases: tuple[str, ...]) -> tuple[ConsentRule, ...]:
    """The rules of a valid Consent, on a server whose FHIR base URLs are `bases`."""
    return _read(consent, bases)[0] if is_privacy(consent) else ()


def check(consent: Json, bases: tuple[str, ...]) -> None:
    """Refuse (Unprocessable) a Consent with something that would not be evaluated; every such place is named."""
    issues = _read(consent, bases)[1] if is_privacy(consent) else []
    if issues:
        raise HealixError(Category.UNPROCESSABLE, issues[0].message, issues=tuple(issues))


def _read(consent: Json, bases: tuple[str, ...]) -> tuple[tuple[ConsentRule, ...], list[Issue]]:
    issues: list[Issue] = []
    patient = target(consent.get("patient", {}).get("reference", "#"), bases)
    if patient is None or patient[0] != TYPE_ID["Patient"]:
        issues.append(_unread("Consent.patient", "a privacy Consent names a Patient of this server"))
    out = any(
        one.get("code") in OPT_OUT and one.get("system") == ACT_CODE
        for one in consent.get("policyRule", {}).get("coding", ())
    )
    root = consent.get("provision", {})
    typed = "type" in root
    first = Place("Consent.provision", {} if typed else root, (0,), out)
    rules = [_rule(first, bases, issues)]
    waiting = [Place("Consent.provision", root, (0, UNNUMBERED), root["type"] == "deny")] if typed else _nested(first)
    while waiting and len(rules) < PROVISIONS:
        place = waiting.pop(0)
        place = place._replace(chain=(*place.chain[:-1], len(rules)))
        rules.append(_rule(place, bases, issues))
        if len(place.chain) <= DEPTH:
            waiting += _nested(place)
        elif place.provision.get("provision"):
            issues.append(_unread(f"{place.path}.provision", f"provisions nest {DEPTH} deep at most"))
            rules.append(ConsentRule(number=len(rules), chain=(*place.chain, len(rules)), denies=True))
    if waiting:
        issues.append(_unread("Consent.provision", f"a Consent has {PROVISIONS} provisions at most"))
        rules.append(ConsentRule(number=len(rules), chain=(len(rules),), denies=True))
    return tuple(rules), issues


def _nested(place: Place) -> list[Place]:
    return [
        Place(f"{place.path}.provision[{n}]", inner, (*place.chain, UNNUMBERED), inner.get("type") != "permit")
        for n, inner in enumerate(place.provision.get("provision", ()))
    ]


def _rule(place: Place, bases: tuple[str, ...], issues: list[Issue]) -> ConsentRule:
    known = len(issues)
    path, provision = place.path, place.provision
    issues += [
        _unread(f"{path}.{name}", f"{name} of a provision is not evaluated")
        for name in provision
        if name.lstrip("_") not in EVALUATED
    ]
    period = provision.get("period", {})
    begin, end = interval(period.get("start", "")), interval(period.get("end", ""))
    rule = ConsentRule(
        number=place.chain[-1],
        chain=place.chain,
        denies=place.denies,
        starts=begin[0] if begin else None,
        ends=end[1] if end else None,
        actors=_all(provision, path, "actor", bases, issues),
        types=_all(provision, path, "class", bases, issues),
        actions=_all(provision, path, "action", bases, issues),
        labels=_labels(provision, path, issues, denies=place.denies),
        data=_all(provision, path, "data", bases, issues),
    )
    if len(issues) > known and not place.denies:
        return msgspec.structs.replace(rule, actors=NOBODY)
    return rule


def _all(provision: Json, path: str, name: str, bases: tuple[str, ...], issues: list[Issue]) -> tuple[str, ...] | None:
    """What the values of an element mean; None where there are none, or where one of them means nothing here."""
    values = provision.get(name)
    if not values:
        return None
    found = []
    for number, value in enumerate(values):
        meaning = READERS[name](value, bases)
        if isinstance(meaning, str):
            issues.append(_unread(f"{path}.{name}[{number}]", meaning))
        else:
            found += meaning
    return tuple(dict.fromkeys(found)) if len(found) >= len(values) else None


def _labels(provision: Json, path: str, issues: list[Issue], *, denies: bool) -> tuple[str, ...] | None:
    """A label and, of confidentiality, what is above it where it denies, and below it where it permits."""
    values = provision.get("securityLabel")
    if not values:
        return None
    wide = at_least if denies else at_most
    found = [one for value in values if (named := label(value)) is not None for one in wide(named)]
    if any(label(value) is None for value in values):
        issues.append(_unread(f"{path}.securityLabel", "a security label has a system and a code"))
        return None
    return tuple(dict.fromkeys(found))


def _actor(actor: Json, bases: tuple[str, ...]) -> list[str] | str:
    roles = [one.get("code") for one in actor.get("role", {}).get("coding", ())]
    if not RECIPIENTS.intersection(roles):
        return f"the role of an actor is one of {', '.join(sorted(RECIPIENTS))}: who gets the data"
    reference = actor.get("reference", {})
    named = reference.get("identifier", {})
    if "reference" not in reference and named.get("system") == CLIENT_ID and named.get("value"):
        return [f"client/{named['value']}"]
    found = target(reference.get("reference", "#"), bases)
    if found is None or found[0] is None or TYPE_NAME[found[0]] not in ACTORS:
        return (
            f"an actor is a {', '.join(sorted(ACTORS))} of this server,"
            f" or an app by its identifier in the system {CLIENT_ID}"
        )
    return [f"{TYPE_NAME[found[0]]}/{found[1]}"]


def _class(coding: Json, _: tuple[str, ...]) -> list[str] | str:
    if coding.get("system") != RESOURCE_TYPES or coding.get("code") not in TYPE_ID:
        return f"a class is a resource type, in the system {RESOURCE_TYPES}"
    return [coding["code"]]


def _action(concept: Json, _: tuple[str, ...]) -> list[str] | str:
    codings = concept.get("coding", ())
    found = [
        ACTIONS[one["code"]] for one in codings if one.get("system") == ACTIONS_SYSTEM and one.get("code") in ACTIONS
    ]
    return found[:1] or f"an action is one of {', '.join(ACTIONS)}, in the system {ACTIONS_SYSTEM}"


def _data(data: Json, bases: tuple[str, ...]) -> list[str] | str:
    if data.get("meaning") != "instance":
        return "data is evaluated with the meaning 'instance' only"
    found = target(data.get("reference", {}).get("reference", "#"), bases)
    if found is None or found[0] is None:
        return "data names a resource of this server"
    return [f"{found[0]}/{found[1]}"]


READERS = {"actor": _actor, "class": _class, "action": _action, "data": _data}


def _unread(path: str, message: str) -> Issue:
    return Issue(
        "not-supported", f"{path}: {message}; an active privacy Consent must be one that is evaluated", (path,)
    )
