"""The sections of a record that are lists: problems, medication, allergies, goals, appointments."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from healix_fhir.care.reports.document import Block, Column, Notice, Table
from healix_fhir.care.reports.told import code, concept, concepts, reference
from healix_fhir.care.reports.words import words
from healix_fhir.care.reports.written import Written

Json = dict[str, Any]
STANDING = frozenset({"active", "recurrence", "relapse", "on-hold", "intended", "accepted", "planned", "proposed"})
"""States of what still stands; it comes first, in bold."""


class Lists(msgspec.Struct, frozen=True):
    """Makes the lists; `known` are the resources that entries refer to."""

    written: Written
    known: Mapping[str, Json]

    def blocks(self, section: str, resources: Sequence[Json]) -> Iterator[Block]:
        """What a section shows of its resources."""
        say = words("record", self.written.language)
        columns, row = TABLES[section]
        if section == "allergies":
            severe = [
                concept(one.get("code")) for one in resources if one.get("criticality") == "high" and _stands(one)
            ]
            if severe:
                yield Notice(say["allergy.warning"], ", ".join(severe), urgent=True)
        ordered = sorted(resources, key=lambda one: not _stands(one)) if section in FIRST_STANDING else resources
        yield Table(
            tuple(Column(say[f"col.{name}"], share) for name, share in columns),
            tuple(row(self, one) for one in ordered),
            strong=tuple(n for n, one in enumerate(ordered) if _stands(one)) if section in FIRST_STANDING else (),
        )

    def problem(self, one: Json) -> tuple[str, ...]:
        """A Condition."""
        begin = one.get("onsetDateTime") or one.get("onsetPeriod", {}).get("start")
        return (
            concept(one.get("code")),
            self.written.date(begin) or str(one.get("onsetString", "")) or self.written.quantity(one.get("onsetAge")),
            self.written.date(one.get("abatementDateTime") or one.get("abatementPeriod", {}).get("end")),
            self.written.status(code(one.get("clinicalStatus"))),
            concept(one.get("severity")),
        )

    def medicine(self, one: Json) -> tuple[str, ...]:
        """A MedicationRequest or MedicationStatement."""
        medicine = concept(one.get("medicationCodeableConcept")) or reference(
            one.get("medicationReference"), self.known, one
        )
        taken = one.get("dosageInstruction") or one.get("dosage") or ()
        begin = one.get("authoredOn") or one.get("effectiveDateTime") or one.get("effectivePeriod", {}).get("start")
        reasons = filter(None, [concepts(one.get("reasonCode")), *self._named(one.get("reasonReference"))])
        return (
            medicine,
            "\n".join(filter(None, map(self._dosage, taken))),
            ", ".join(reasons),
            self.written.date(begin),
            self.written.status(one.get("status")),
        )

    def _dosage(self, dosage: Json) -> str:
        text = dosage.get("text") or dosage.get("patientInstruction")
        if text:
            return str(text)
        doses = (rate.get("doseQuantity") for rate in dosage.get("doseAndRate", ()))
        timing = concept(dosage.get("timing", {}).get("code"))
        told = [*(self.written.quantity(one) for one in doses), timing, concept(dosage.get("route"))]
        return ", ".join(filter(None, told))

    def allergy(self, one: Json) -> tuple[str, ...]:
        """An AllergyIntolerance."""
        reactions = [concepts(each.get("manifestation")) for each in one.get("reaction", ())]
        severities = (self.written.status(each.get("severity")) for each in one.get("reaction", ()))
        return (
            concept(one.get("code")),
            "\n".join(filter(None, reactions)),
            ", ".join(dict.fromkeys(filter(None, severities))),
            self.written.status(one.get("criticality")),
            self.written.status(code(one.get("clinicalStatus"))),
        )

    def goal(self, one: Json) -> tuple[str, ...]:
        """A Goal."""
        targets = one.get("target", ())
        return (
            concept(one.get("description")),
            "\n".join(filter(None, map(self._target, targets))),
            "\n".join(filter(None, (self.written.date(each.get("dueDate")) for each in targets))),
            self.written.status(code(one.get("achievementStatus"))) or concept(one.get("achievementStatus")),
            self.written.status(one.get("lifecycleStatus")),
        )

    def _target(self, target: Json) -> str:
        span, text = (
            target.get("detailRange", {}),
            target.get("detailString") or concept(target.get("detailCodeableConcept")),
        )
        detail = self.written.quantity(target.get("detailQuantity")) or self.written.range(
            span.get("low"), span.get("high")
        )
        return " ".join(filter(None, (concept(target.get("measure")), detail or text)))

    def appointment(self, one: Json) -> tuple[str, ...]:
        """An Appointment."""
        actors = [each.get("actor") for each in one.get("participant", ())]
        others = [actor for actor in actors if not (actor or {}).get("reference", "").startswith("Patient/")]
        what = [concepts(one.get("serviceType")) or concept(one.get("appointmentType")), one.get("description")]
        return (
            self.written.date(one.get("start")),
            "\n".join(filter(None, [*what, concepts(one.get("reasonCode"))])),
            ", ".join(self._named(others)),
            self.written.status(one.get("status")),
        )

    def _named(self, targets: Sequence[Json | None] | None) -> list[str]:
        return list(filter(None, (reference(one, self.known) for one in targets or ())))


def _stands(resource: Json) -> bool:
    """Whether it still stands; what says nothing of it does."""
    state = code(resource.get("clinicalStatus")) or resource.get("lifecycleStatus") or resource.get("status")
    return state is None or state in STANDING


FIRST_STANDING = frozenset({"problems", "medication", "allergies", "goals"})
Row = Callable[[Lists, Json], tuple[str, ...]]
TABLES: Mapping[str, tuple[tuple[tuple[str, float], ...], Row]] = {
    "problems": ((("problem", 3.2), ("since", 1.7), ("until", 1.7), ("status", 1.3), ("severity", 1.3)), Lists.problem),
    "medication": (
        (("medicine", 2.6), ("dosage", 3.0), ("reason", 1.8), ("since", 1.7), ("status", 1.2)),
        Lists.medicine,
    ),
    "allergies": (
        (("substance", 2.4), ("reaction", 2.6), ("severity", 1.2), ("criticality", 1.2), ("status", 1.2)),
        Lists.allergy,
    ),
    "goals": ((("goal", 2.8), ("target", 2.4), ("due", 1.6), ("progress", 1.6), ("status", 1.3)), Lists.goal),
    "appointments": ((("when", 2.2), ("what", 3.2), ("with", 2.4), ("status", 1.3)), Lists.appointment),
}
"""The columns of each list with their shares of the width, and what makes a row of a resource."""
