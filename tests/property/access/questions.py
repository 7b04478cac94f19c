"""Random searches, each with the naive test of whether a resource matches."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from urllib.parse import urlencode

from tests.property.access.world import CODES, DATES, DOCTORS, PATIENTS, SYSTEMS, Json, Span, references, span, spans

Match = Callable[[Json], bool]


@dataclass(frozen=True)
class Criterion:
    """One search parameter and what it means."""

    name: str
    value: str
    match: Match


@dataclass(frozen=True)
class Question:
    """A search: its type, its criteria, its sort, page size and includes (parameter, path, target type)."""

    type_name: str
    criteria: tuple[Criterion, ...]
    sort: str
    count: int
    includes: tuple[tuple[str, str, str], ...]

    @property
    def address(self) -> str:
        """The search as `Type?query`."""
        params = [(criterion.name, criterion.value) for criterion in self.criteria]
        params += [("_sort", self.sort)] if self.sort else []
        params += [("_include", ":".join(filter(None, (self.type_name, p, t)))) for p, _, t in self.includes]
        return f"{self.type_name}?{urlencode([*params, ('_count', str(self.count)), ('_total', 'accurate')])}"

    def matches(self, resource: Json) -> bool:
        """Whether a resource is what is searched for, seen or not."""
        return resource["resourceType"] == self.type_name and all(c.match(resource) for c in self.criteria)


def has_code(resource: Json, system: str | None, code: str) -> bool:
    """Whether an Observation has a code, in any system (None) or in one ("" for none)."""
    return any(
        coding["code"] == code and system in (None, coding.get("system", "")) for coding in resource["code"]["coding"]
    )


def _codes(wanted: list[tuple[str | None, str]]) -> Criterion:
    value = ",".join(code if system is None else f"{system}|{code}" for system, code in wanted)
    return Criterion("code", value, lambda r: any(has_code(r, system, code) for system, code in wanted))


def _refers(name: str, path: str, value: str, targets: tuple[str, ...]) -> Criterion:
    return Criterion(name, value, lambda r: any(ref in targets for ref in references(r, path)))


RULES: dict[str, Callable[[Span, Span], bool]] = {
    "eq": lambda have, want: want[0] <= have[0] and have[1] <= want[1],
    "ne": lambda have, want: not (want[0] <= have[0] and have[1] <= want[1]),
    "gt": lambda have, want: have[1] > want[1],
    "ge": lambda have, want: have[1] > want[1] or (want[0] <= have[0] and have[1] <= want[1]),
    "lt": lambda have, want: have[0] < want[0],
    "le": lambda have, want: have[0] < want[0] or (want[0] <= have[0] and have[1] <= want[1]),
    "sa": lambda have, want: have[0] >= want[1],
    "eb": lambda have, want: have[1] <= want[0],
}
"""The words of R4, one by one. Spec: FHIR R4, hl7.org/fhir/R4/search.html#prefix"""


def _when(prefix: str, text: str) -> Criterion:
    def match(resource: Json) -> bool:
        have = spans(resource)
        return have is not None and RULES[prefix](have, span(text))

    return Criterion("date", f"{prefix}{text}", match)


def _by_code(rng: Random) -> Criterion:
    return _codes([(rng.choice((None, *SYSTEMS)), rng.choice(CODES)) for _ in range(rng.choice((1, 1, 2, 3)))])


def _by_date(rng: Random) -> Criterion:
    return _when(rng.choice(sorted(RULES)), rng.choice(DATES))


def _by_patient(rng: Random) -> Criterion:
    p = rng.choice(PATIENTS)
    name, value = rng.choice((("patient", p), ("subject", f"Patient/{p}"), ("subject:Patient", p)))
    return _refers(name, "subject", value, (f"Patient/{p}",))


def _by_reference(rng: Random) -> Criterion:
    doctor = f"Practitioner/{rng.choice(DOCTORS)}"
    return rng.choice(
        (
            _refers("performer", "performer", doctor, (doctor,)),
            _refers("performer", "performer", "Patient/p0,Patient/p1", ("Patient/p0", "Patient/p1")),
            _refers("subject", "subject", "r0,r1", ("Group/r0", "Device/r1")),
        )
    )


def _by_absence(rng: Random) -> Criterion:
    code = rng.choice(CODES)
    return rng.choice(
        (
            Criterion("code:not", code, lambda r: not has_code(r, None, code)),
            Criterion("date:missing", "true", lambda r: spans(r) is None),
            Criterion("subject:missing", "true", lambda r: "subject" not in r),
            Criterion("performer:missing", "false", lambda r: "performer" in r),
        )
    )


def _by_id(_: Random) -> Criterion:
    return Criterion("_id", "r5,r6,r9", lambda r: r["id"] in ("r5", "r6", "r9"))


Make = Callable[[Random], Criterion]
MIXTURES: tuple[tuple[Make, ...], ...] = (
    (),
    *((make,) for make in (_by_code, _by_date, _by_patient, _by_reference, _by_absence, _by_id)),
    *((_by_code, make) for make in (_by_date, _by_patient, _by_patient, _by_reference, _by_absence)),
    (_by_patient, _by_date),
    (_by_patient, _by_code, _by_date),
)
INCLUDES = (
    (),
    (("subject", "subject", ""), ("encounter", "encounter", "")),
    (("subject", "subject", "Device"), ("performer", "performer", "Patient")),
    (("performer", "performer", ""),),
)
COUNTS = (1, 2, 3, 50)


def observations(rng: Random) -> Question:
    """A search for Observations."""
    criteria = tuple(make(rng) for make in rng.choice(MIXTURES))
    sort = rng.choice(("", "date", "-date", "_id", "-_lastUpdated"))
    return Question("Observation", criteria, sort, rng.choice(COUNTS), rng.choice(INCLUDES))


def communications(rng: Random) -> Question:
    """A search for Communications."""
    p = f"Patient/{rng.choice(PATIENTS)}"
    criteria = rng.choice(((), (_refers("recipient", "recipient", p, (p,)),)))
    includes = rng.choice(((), (("recipient", "recipient", ""),), (("sender", "sender", "Patient"),)))
    return Question("Communication", criteria, rng.choice(("", "_id")), rng.choice(COUNTS), includes)


def others(rng: Random) -> Question:
    """A search for all of another type."""
    type_name = rng.choice(("Patient", "Encounter", "Appointment", "Device", "Group", "Practitioner"))
    return Question(type_name, (), rng.choice(("", "_id", "_lastUpdated")), rng.choice(COUNTS), ())


def make_question(rng: Random) -> Question:
    """A random search."""
    return rng.choice((observations, observations, observations, observations, communications, others))(rng)
