"""Small random worlds, and what a naive reader of the rules makes of them: no SQL, no index, no code of the search.

A world is a handful of patients, clinicians and resources with references between them, several patients to a resource
among them. `compartments`, `sees` and `spans` restate the rules in a few lines each.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from random import Random
from typing import Any

from tests.property.access.hiding import hidden, labelled, make_consent

Json = dict[str, Any]
Span = tuple[float, float]

PATIENTS = ("p0", "p1", "p2")
DOCTORS = ("d0", "d1")
PROXIES = ("RelatedPerson/k0", "RelatedPerson/k1")
SYSTEMS = ("http://a.test", "http://b.test", "")
CODES = ("x", "y")
DATES = ("2020", "2021-03", "2021-03-04", "2021-03-05", "2022-01-01")

LINKS = {
    "Patient": (),
    "Observation": ("subject", "performer"),
    "Encounter": ("subject",),
    "Communication": ("subject", "sender", "recipient"),
    "Appointment": ("participant.actor",),
    "Device": ("patient",),
    "Group": ("member.entity",),
    "Consent": ("patient",),
}
"""Resource type to the elements that put it into a patient's compartment. Spec: compartmentdefinition-patient.html"""

SHARED = ("Organization", "Practitioner")


def references(resource: Json, path: str) -> list[str]:
    """The references at a dotted path."""
    found: list[Any] = [resource]
    for name in path.split("."):
        steps = [item.get(name, []) for item in found]
        found = [inner for step in steps for inner in (step if isinstance(step, list) else [step])]
    return [item["reference"] for item in found]


def compartments(resource: Json) -> set[str]:
    """The patients in whose compartments a resource is."""
    if resource["resourceType"] == "Patient":
        return {resource["id"]}
    linked = [ref for path in LINKS.get(resource["resourceType"], ()) for ref in references(resource, path)]
    return {ref.removeprefix("Patient/") for ref in linked if ref.startswith("Patient/")}


@dataclass(frozen=True)
class Bound:
    """The query of a scope, as it is written and what it means."""

    text: str
    holds: Callable[[Json], bool]


@dataclass(frozen=True)
class Token:
    """A token: its scopes as (context, type, permissions, query), and whose it is."""

    scopes: tuple[tuple[str, str, str, Bound | None], ...]
    patient: str | None
    practitioner: str | None
    own: str | None = None
    proxies: tuple[str, ...] | None = None  # None: the user is a clinician, or there is none
    wide: bool = False  # whether the clinician's patients are taken to be many

    @property
    def text(self) -> str:
        """The scope string."""
        return " ".join(
            f"{context}/{type_}.{permissions}{f'?{bound.text}' if bound else ''}"
            for context, type_, permissions, bound in self.scopes
        )

    def opens(self, type_name: str, permission: str) -> set[str]:
        """The contexts in which the token opens a permission on some resources of a type."""
        return {context for context, *_ in self._about(type_name, permission)}

    def opens_of(self, resource: Json, permission: str) -> set[str]:
        """The contexts in which the token opens a permission on a resource, by what that says."""
        about = self._about(resource["resourceType"], permission)
        return {context for context, _, _, bound in about if bound is None or bound.holds(resource)}

    def _about(self, type_name: str, permission: str) -> list[tuple[str, str, str, Bound | None]]:
        return [one for one in self.scopes if one[1] in ("*", type_name) and permission in one[2]]


@dataclass(frozen=True)
class World:
    """The resources, and who cares or acts for which patient, as (who, patient, whether it is over).

    `glass` are records that clinicians have open by break-glass, with whether that shows what is hidden.
    """

    resources: tuple[Json, ...]
    care: frozenset[tuple[str, str, bool]]
    glass: frozenset[tuple[str, str, bool]] = frozenset()

    def sees(self, token: Token, resource: Json, permission: str, *, hiding: bool = True) -> bool:
        """Whether a token opens a resource, which nothing hides unless not `hiding`."""
        opened = token.opens_of(resource, permission)
        if "system" in opened or (opened and resource["resourceType"] in SHARED):
            return True
        if hiding and hidden(self.resources, self.glass, token, resource, compartments(resource)):
            return False
        patients = compartments(resource)
        cared = {p for d, p, over in self.care if d in (token.practitioner, *(token.proxies or ())) and not over}
        cared |= {p for d, p, _ in self.glass if d == token.practitioner}
        cared |= {token.own} - {None}  # type: ignore[arg-type]
        bound = token.practitioner is not None or token.proxies is not None
        mine = {token.patient} & (cared if bound else {token.patient})
        return bool(patients & ((mine if "patient" in opened else set()) | (cared if "user" in opened else set())))


def spans(resource: Json) -> Span | None:
    """The days that an Observation covers, as ordinals from and to (excluded)."""
    if "effectiveDateTime" in resource:
        return span(resource["effectiveDateTime"])
    period = resource.get("effectivePeriod")
    if not period:
        return None
    start = span(period["start"])[0] if "start" in period else float("-inf")
    end = span(period["end"])[1] if "end" in period else float("inf")
    return start, end


def span(text: str) -> Span:
    """The days that a date covers."""
    parts = [int(part) for part in text.split("-")]
    if len(parts) == 3:
        day = date.fromisoformat(text).toordinal()
        return day, day + 1
    if len(parts) == 2:
        return date(parts[0], parts[1], 1).toordinal(), date(parts[0], parts[1] + 1, 1).toordinal()
    return date(parts[0], 1, 1).toordinal(), date(parts[0] + 1, 1, 1).toordinal()


ANYONE = tuple(f"Patient/{p}" for p in PATIENTS)
STAFF = tuple(f"Practitioner/{d}" for d in DOCTORS)
PERIODS = ({"start": "2021-03-04"}, {"end": "2021-03-04"}, {"start": "2020", "end": "2021-03-04"})
FIXED: tuple[Json, ...] = (
    *(
        {"resourceType": "Patient", "id": p, "generalPractitioner": [{"reference": "Practitioner/d0"}]}
        for p in PATIENTS
    ),
    *({"resourceType": "Practitioner", "id": d} for d in DOCTORS),
    {"resourceType": "Organization", "id": "o0"},
)


def _to(rng: Random, *targets: str) -> Json:
    return {"reference": rng.choice(targets)}


def _several(rng: Random, most: int, *targets: str) -> list[Json]:
    return [_to(rng, *targets) for _ in range(rng.randint(1, most))]


def _coding(rng: Random) -> Json:
    system = rng.choice(SYSTEMS)
    return {"code": rng.choice(CODES)} | ({"system": system} if system else {})


def _observation(rng: Random) -> Json:
    date_: Json = rng.choice(
        ({}, {"effectivePeriod": rng.choice(PERIODS)}, *[{"effectiveDateTime": rng.choice(DATES)} for _ in range(3)])
    )
    return {
        "status": "final",
        "code": {"coding": [_coding(rng) for _ in range(rng.choice((1, 1, 2)))]},
        "subject": _to(rng, *ANYONE, *ANYONE, "Group/r0", "Device/r1"),
        "performer": _several(rng, 2, *ANYONE, *STAFF, *STAFF, "Organization/o0"),
        "encounter": _to(rng, "Encounter/r2", "Encounter/r3"),
        **date_,
    }


def _communication(rng: Random) -> Json:
    return {
        "subject": _to(rng, *ANYONE),
        "sender": _to(rng, *ANYONE, *STAFF),
        "recipient": _several(rng, 3, *ANYONE, *STAFF, "Group/r0"),
    }


MAKERS: dict[str, Callable[[Random], Json]] = {
    "Observation": _observation,
    "Communication": _communication,
    "Group": lambda rng: {"member": [{"entity": member} for member in _several(rng, 2, *ANYONE)]},
    "Device": lambda rng: {"patient": _to(rng, *ANYONE)},
    "Encounter": lambda rng: {"subject": _to(rng, *ANYONE, "Group/r0")},
    "Consent": make_consent,
    "Appointment": lambda rng: {"participant": [{"actor": actor} for actor in _several(rng, 3, *ANYONE, *STAFF)]},
}
OPTIONAL = ("subject", "performer", "encounter", "patient", "sender", "recipient", "participant", "member")
FIRST = ("Group", "Device", "Encounter", "Encounter")
OTHERS = ("Observation", "Observation", "Observation", "Observation", "Communication", "Appointment", "Consent")


def make_world(rng: Random) -> World:
    """A random world of 14 to 24 resources."""
    types = (*FIRST, *(rng.choice(OTHERS) for _ in range(rng.randint(4, 14))))
    made = [
        {"resourceType": type_, "id": f"r{n}", **MAKERS[type_](rng), **labelled(rng)} for n, type_ in enumerate(types)
    ]
    kept = [{name: v for name, v in r.items() if name not in OPTIONAL or rng.random() < 0.8} for r in made]
    care = {(d, p): rng.random() < 0.3 for d in (*DOCTORS, *PROXIES) for p in PATIENTS if rng.random() < 0.4}
    glass = {(rng.choice(DOCTORS), rng.choice(PATIENTS)): rng.random() < 0.5 for _ in range(rng.choice((0, 1, 2)))}
    return World(
        (*FIXED, *kept),
        frozenset((d, p, over) for (d, p), over in care.items()),
        frozenset((d, p, lifts) for (d, p), lifts in glass.items()),
    )
