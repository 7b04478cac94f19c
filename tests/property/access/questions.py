"""Random searches, each with the naive test of whether a resource matches."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from urllib.parse import urlencode

from tests.property.access.sight import Match, Sight, back, forward
from tests.property.access.world import (
    CODES,
    DATES,
    DOCTORS,
    LINKS,
    PATIENTS,
    SHARED,
    SYSTEMS,
    Json,
    Span,
    compartments,
    references,
    span,
    spans,
)


@dataclass(frozen=True)
class Criterion:
    """One search parameter and what it means."""

    name: str
    value: str
    match: Match


@dataclass(frozen=True)
class Included:
    """An include: the type and parameter to name, the path of its references, and which way it goes."""

    type_name: str
    param: str
    path: str
    target: str = ""
    reverse: bool = False

    @property
    def asked(self) -> tuple[str, str]:
        """The search parameter."""
        value = ":".join(filter(None, (self.type_name, self.param, self.target)))
        return ("_revinclude" if self.reverse else "_include"), value


@dataclass(frozen=True)
class Question:
    """A search of `path`: of which types, its criteria, its sort, page size and includes."""

    path: str
    types: tuple[str, ...]
    criteria: tuple[Criterion, ...]
    sort: str
    count: int
    includes: tuple[Included, ...] = ()

    @property
    def address(self) -> str:
        """The search as `path?query`."""
        params = [(criterion.name, criterion.value) for criterion in self.criteria if criterion.name]
        params += [("_sort", self.sort)] if self.sort else []
        params += [include.asked for include in self.includes]
        return f"{self.path}?{urlencode([*params, ('_count', str(self.count)), ('_total', 'accurate')])}"

    def matches(self, sight: Sight) -> list[Json]:
        """The visible resources that are searched for."""
        return [
            one
            for type_name in self.types
            for one in sight.of(type_name)
            if all(criterion.match(one, sight) for criterion in self.criteria)
        ]


def plain(match: Callable[[Json], bool]) -> Match:
    """A condition of the resource alone."""
    return lambda resource, _: match(resource)


def has_code(resource: Json, system: str | None, code: str) -> bool:
    """Whether an Observation has a code, in any system (None) or in one ("" for none)."""
    return any(
        coding["code"] == code and system in (None, coding.get("system", "")) for coding in resource["code"]["coding"]
    )


def _codes(wanted: list[tuple[str | None, str]]) -> Criterion:
    value = ",".join(code if system is None else f"{system}|{code}" for system, code in wanted)
    return Criterion("code", value, plain(lambda r: any(has_code(r, system, code) for system, code in wanted)))


def _refers(name: str, path: str, value: str, targets: tuple[str, ...]) -> Criterion:
    return Criterion(name, value, plain(lambda r: any(ref in targets for ref in references(r, path))))


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

    return Criterion("date", f"{prefix}{text}", plain(match))


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
            Criterion("code:not", code, plain(lambda r: not has_code(r, None, code))),
            Criterion("date:missing", "true", plain(lambda r: spans(r) is None)),
            Criterion("subject:missing", "true", plain(lambda r: "subject" not in r)),
            Criterion("performer:missing", "false", plain(lambda r: "performer" in r)),
        )
    )


def _by_id(_: Random) -> Criterion:
    return Criterion("_id", "r5,r6,r9", plain(lambda r: r["id"] in ("r5", "r6", "r9")))


def _by_patients_doctor(rng: Random) -> Criterion:
    doctor = f"Practitioner/{rng.choice(DOCTORS)}"
    inner = _refers("", "generalPractitioner", doctor, (doctor,)).match
    name = rng.choice(("subject:Patient", "patient"))
    return Criterion(f"{name}.general-practitioner", doctor, forward("subject", "Patient", inner))


def _by_encounter(rng: Random) -> Criterion:
    p = f"Patient/{rng.choice(PATIENTS)}"
    subject = _refers("", "subject", p, (p,)).match
    return rng.choice(
        (
            Criterion("encounter.subject", p, forward("encounter", "Encounter", subject)),
            Criterion(
                "encounter.patient._id",
                p.removeprefix("Patient/"),
                forward(
                    "encounter", "Encounter", forward("subject", "Patient", plain(lambda r: f"Patient/{r['id']}" == p))
                ),
            ),
            Criterion(
                "encounter:Encounter.subject:Group.member",
                p,
                forward(
                    "encounter",
                    "Encounter",
                    forward("subject", "Group", _refers("", "member.entity", p, (p,)).match),
                ),
            ),
            Criterion("subject:Device.patient", p, forward("subject", "Device", _refers("", "patient", p, (p,)).match)),
        )
    )


def _by_others(rng: Random) -> Criterion:
    """Observations by what else refers to their encounter or performer."""
    code = rng.choice(CODES)
    has = plain(lambda r: has_code(r, None, code))
    return rng.choice(
        (
            Criterion(
                "encounter._has:Observation:encounter:code",
                code,
                forward("encounter", "Encounter", back("Observation", "encounter", has)),
            ),
            Criterion(
                "performer:Practitioner._has:Patient:general-practitioner:_id",
                "p1",
                forward(
                    "performer",
                    "Practitioner",
                    back("Patient", "generalPractitioner", plain(lambda r: r["id"] == "p1")),
                ),
            ),
        )
    )


def _by_filter(rng: Random) -> Criterion:
    code, other, p = rng.choice(CODES), rng.choice(CODES), rng.choice(PATIENTS)
    coded, coded_too = _codes([(None, code)]).match, _codes([(None, other)]).match
    met = forward("encounter", "Encounter", _refers("", "subject", "", (f"Patient/{p}",)).match)
    texts: dict[str, Match] = {
        f"code eq {code} and not (subject pr true)": lambda r, s: coded(r, s) and "subject" not in r,
        f"encounter.subject re Patient/{p} or code eq {code}": lambda r, s: met(r, s) or coded(r, s),
        f"not (encounter.subject re Patient/{p}) and code ne {other}": lambda r, s: not (met(r, s) or coded_too(r, s)),
        f"encounter[subject re Patient/{p}].subject pr true or code eq {code}": lambda r, s: met(r, s) or coded(r, s),
    }
    text = rng.choice(list(texts))
    return Criterion("_filter", text, texts[text])


Make = Callable[[Random], Criterion]
LINKED: tuple[Make, ...] = (_by_patients_doctor, _by_encounter, _by_others, _by_filter)
MIXTURES: tuple[tuple[Make, ...], ...] = (
    (),
    *((make,) for make in (_by_code, _by_date, _by_patient, _by_reference, _by_absence, _by_id)),
    *((_by_code, make) for make in (_by_date, _by_patient, _by_patient, _by_reference, _by_absence)),
    (_by_patient, _by_date),
    (_by_patient, _by_code, _by_date),
    *((make,) for make in LINKED),
    *((_by_code, make) for make in LINKED),
    (_by_patient, _by_encounter),
    (_by_patients_doctor, _by_encounter, _by_date),
)
INCLUDES: tuple[tuple[Included, ...], ...] = (
    (),
    (Included("Observation", "subject", "subject"), Included("Observation", "encounter", "encounter")),
    (
        Included("Observation", "subject", "subject", "Device"),
        Included("Observation", "performer", "performer", "Patient"),
    ),
    (Included("Observation", "performer", "performer"),),
)
COUNTS = (1, 2, 3, 50)
SORTS = (
    "", "", "", "date", "-date", "_id", "-_lastUpdated", "subject", "-performer,_id", "encounter,-date",
    "code,-subject", "-date,code,_id",
)  # fmt: skip


def observations(rng: Random) -> Question:
    """A search for Observations."""
    criteria = tuple(make(rng) for make in rng.choice(MIXTURES))
    return Question(
        "Observation", ("Observation",), criteria, rng.choice(SORTS), rng.choice(COUNTS), rng.choice(INCLUDES)
    )


def communications(rng: Random) -> Question:
    """A search for Communications."""
    p = f"Patient/{rng.choice(PATIENTS)}"
    criteria = rng.choice(((), (_refers("recipient", "recipient", p, (p,)),)))
    includes = rng.choice(
        (
            (),
            (Included("Communication", "recipient", "recipient"),),
            (Included("Communication", "sender", "sender", "Patient"),),
        )
    )
    return Question(
        "Communication",
        ("Communication",),
        criteria,
        rng.choice(("", "_id", "-recipient")),
        rng.choice(COUNTS),
        includes,
    )


def referred(rng: Random) -> Question:
    """What Observations, and what refers to them, point to; with what points there."""
    code = rng.choice(CODES)
    has = plain(lambda r: has_code(r, None, code))
    has_of = {
        "Patient": (
            ("_has:Observation:patient:code", back("Observation", "subject", has)),
            ("_has:Observation:performer:code", back("Observation", "performer", has)),
            (
                "_has:Encounter:patient:_has:Observation:encounter:code",
                back("Encounter", "subject", back("Observation", "encounter", has)),
            ),
        ),
        "Encounter": (("_has:Observation:encounter:code", back("Observation", "encounter", has)),),
        "Practitioner": (
            ("_has:Observation:performer:code", back("Observation", "performer", has)),
            (
                "_has:Patient:general-practitioner:_has:Observation:subject:code",
                back("Patient", "generalPractitioner", back("Observation", "subject", has)),
            ),
        ),
        "Device": (("_has:Observation:subject:code", back("Observation", "subject", has)),),
        "Group": (
            (
                "_has:Encounter:subject:_has:Observation:encounter:code",
                back("Encounter", "subject", back("Observation", "encounter", has)),
            ),
        ),
    }
    type_name = rng.choice(sorted(has_of))
    criteria = [Criterion(name, code, match) for name, match in rng.sample(has_of[type_name], 1)]
    back_by = {
        "Patient": (("Observation", "subject", "subject"), ("Encounter", "patient", "subject")),
        "Encounter": (("Observation", "encounter", "encounter"),),
        "Practitioner": (("Patient", "general-practitioner", "generalPractitioner"),),
        "Device": (("Observation", "subject", "subject"),),
        "Group": (("Encounter", "subject", "subject"),),
    }[type_name]
    includes = tuple(Included(*one, reverse=True) for one in back_by) if rng.random() < 0.5 else ()
    if rng.random() < 0.2:
        criteria = []
    return Question(type_name, (type_name,), tuple(criteria), rng.choice(("", "_id")), rng.choice(COUNTS), includes)


def within(rng: Random) -> Question:
    """A search of a compartment, of one type or of all of the world's."""
    p = rng.choice(PATIENTS)
    inside = Criterion("", "", plain(lambda r: p in compartments(r)))
    coded = (inside, _by_code(rng))
    doctor, encounter = rng.choice(DOCTORS), rng.choice(("r2", "r3"))
    performed = _refers("", "performer", "", (f"Practitioner/{doctor}",))
    met = _refers("", "encounter", "", (f"Encounter/{encounter}",))
    everything = tuple(sorted({*LINKS, *SHARED}))
    return rng.choice(
        (
            Question(f"Patient/{p}/Observation", ("Observation",), (inside,), rng.choice(SORTS), rng.choice(COUNTS)),
            Question(f"Patient/{p}/Observation", ("Observation",), coded, rng.choice(SORTS), rng.choice(COUNTS)),
            Question(f"Patient/{p}/*", tuple(LINKS), (inside,), "", rng.choice(COUNTS)),
            Question(f"Practitioner/{doctor}/Observation", ("Observation",), (performed,), "", rng.choice(COUNTS)),
            Question(f"Encounter/{encounter}/Observation", ("Observation",), (met,), "_id", rng.choice(COUNTS)),
            Question("", everything, (), rng.choice(("", "_id")), rng.choice(COUNTS)),
            Question("", everything, (_by_id(rng),), "", rng.choice(COUNTS)),
        )
    )


def others(rng: Random) -> Question:
    """A search for all of another type."""
    type_name = rng.choice(("Patient", "Encounter", "Appointment", "Device", "Group", "Practitioner"))
    return Question(type_name, (type_name,), (), rng.choice(("", "_id", "_lastUpdated")), rng.choice(COUNTS))


def make_question(rng: Random) -> Question:
    """A random search."""
    kinds = (observations, observations, observations, observations, referred, referred, within, communications, others)
    return rng.choice(kinds)(rng)
