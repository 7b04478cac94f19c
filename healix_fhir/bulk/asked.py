"""What is asked of an export: the parameters of its kick-off request as a value, read from a query or a Parameters.

Parameters that take several values take them with commas, repeated, or both. Under lenient handling what cannot be done
is left out and told in the export's error file; else, and by default, it is refused by name.

Spec: HL7 Bulk Data Access 2.0.0 export.html#query-parameters; `_until` and `organizeOutputBy` of 3.0.0
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

import msgspec

from healix_fhir.bulk.parquet import installed
from healix_fhir.bulk.type_filter import Filter, read_filters
from healix_fhir.kernel.audit import AUDIT_EVENT
from healix_fhir.kernel.errors import Category, HealixError, forbidden, invalid, unsupported
from healix_fhir.model.definitions import PATIENT_COMPARTMENT, TYPE_ID, TYPES
from healix_fhir.model.subset import Subset, add, check
from healix_fhir.search.dates import interval
from smart_auth.access import AccessContext
from smart_auth.scope import Permission

NDJSON = "application/fhir+ndjson"
FORMATS: Mapping[str, str] = dict.fromkeys((NDJSON, "application/ndjson", "ndjson"), NDJSON)
PARQUET = "application/vnd.apache.parquet"
OUTPUTS: Mapping[str, str] = {**FORMATS, PARQUET: PARQUET, "parquet": PARQUET}
"""The formats of exports: tables beside what is imported too."""
BINARY = "Binary"
PROVENANCE = ("LatestProvenanceResources", "RelevantProvenanceResources")
MOST_PATIENTS = 10_000
INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")


class Export(msgspec.Struct, frozen=True):
    """What to export: resources of `types`, on the `level` system, Patient or Group.

    `patients` are those asked for by name, empty for all of the level. `associated` is one of PROVENANCE. `organized`:
    by patient. `issues` are told in the error file.
    """

    level: str
    types: tuple[str, ...]
    group: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    elements: tuple[tuple[str, str], ...] = ()
    filters: tuple[Filter, ...] = ()
    patients: tuple[str, ...] = ()
    associated: str | None = None
    organized: bool = False
    format: str = NDJSON
    issues: tuple[str, ...] = ()

    @property
    def subset(self) -> Subset | None:
        """What is wanted of each resource; None for all of it."""
        return Subset(elements=self.elements) if self.elements else None


class _Reading:
    """The parameters of one request; what is refused of them is told instead under lenient handling."""

    def __init__(self, params: Sequence[tuple[str, str]], *, lenient: bool) -> None:
        self.lenient = lenient
        self.issues: list[str] = []
        self._params = params

    def refuse(self, error: HealixError) -> None:
        """Raise, or note, that something cannot be done."""
        if not self.lenient:
            raise error
        self.issues.append(f"{error.message}; it was left out")

    def one(self, name: str) -> str | None:
        """A parameter that stands once."""
        return next(iter(self.raw(name)), None)

    def several(self, name: str) -> list[str]:
        """The values of a parameter, each once."""
        found = [part.strip() for one, value in self._params if one == name for part in value.split(",")]
        return list(dict.fromkeys(part for part in found if part))

    def raw(self, name: str) -> list[str]:
        """The values of a parameter as they stand."""
        return [value for one, value in self._params if one == name]

    def instant(self, name: str) -> datetime | None:
        """An instant. Raises Invalid for anything else."""
        text = self.one(name)
        if text is None:
            return None
        found = interval(text) if INSTANT.fullmatch(text) else None
        if found is None or found[0] is None:
            raise invalid(
                f"{name} must be an instant with a time zone, e.g. 2026-01-02T03:04:05Z",
                code="value",
                expression=(name,),
            )
        return found[0]


def read_export(
    access: AccessContext,
    params: Sequence[tuple[str, str]],
    level: str,
    *,
    group: str | None = None,
    lenient: bool = False,
    base: str = "",
) -> Export:
    """What a kick-off request asks for. Raises Invalid, Unsupported or Forbidden with a message that names it."""
    reading = _Reading(params, lenient=lenient)
    format_ = _format(reading)
    types = _types(access, reading, level)
    since, until = reading.instant("_since"), reading.instant("_until")
    if since is not None and until is not None and since >= until:
        raise invalid("_until must be later than _since", code="value", expression=("_until",))
    return Export(
        level=level,
        types=types,
        group=group,
        since=since,
        until=until,
        elements=_elements(reading, types),
        filters=_filters(reading, types, base),
        patients=_patients(reading),
        associated=_associated(access, reading, types),
        organized=_organized(access, reading),
        format=format_,
        issues=tuple(reading.issues),
    )


def _format(reading: _Reading) -> str:
    given = reading.one("_outputFormat") or NDJSON
    format_ = OUTPUTS.get(given)
    if format_ is None:
        raise unsupported(f"_outputFormat {given[:64]} is not supported: {', '.join(OUTPUTS)} are")
    if format_ == PARQUET and not installed():
        raise unsupported(
            f"_outputFormat {given} is not supported here: its operator has not installed healix[parquet]"
        )
    if format_ == PARQUET and reading.one("organizeOutputBy") is not None:
        raise unsupported(f"organizeOutputBy is not supported with _outputFormat {given}: a table is of one type")
    return format_


def exported(level: str) -> tuple[str, ...]:
    """The types of which an export on a level may have resources.

    AuditEvents are read and searched only; a patient's Binaries are found by the resources that refer to them.
    """
    if level == "system":
        return tuple(name for name in TYPES if name != AUDIT_EVENT)
    return tuple(name for name in TYPES if name in PATIENT_COMPARTMENT and name not in (AUDIT_EVENT, BINARY))


def _types(access: AccessContext, reading: _Reading, level: str) -> tuple[str, ...]:
    possible = exported(level)
    asked = reading.several("_type")
    if not asked:
        allowed = tuple(name for name in possible if access.allows(name, Permission.SEARCH))
        if not allowed:
            raise forbidden("the token's scope does not allow to search any type that could be exported")
        return allowed
    found = []
    for name in asked:
        if name not in TYPE_ID:
            reading.refuse(
                invalid(f"_type: '{name[:64]}' is no resource type of R4", code="value", expression=("_type",))
            )
        elif name not in possible:
            why = "is not exported" if name in (AUDIT_EVENT, BINARY) else "is never in the compartment of a patient"
            reading.refuse(invalid(f"_type: {name} {why}", code="not-supported", expression=("_type",)))
        else:
            access.require(name, Permission.SEARCH)
            found.append(name)
    if not found:
        raise invalid("_type names nothing that can be exported", code="value", expression=("_type",))
    return tuple(found)


def _elements(reading: _Reading, types: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    kept: list[tuple[str, str]] = []
    for text in reading.several("_elements"):

        def read(one: str = text) -> None:
            subset = add(Subset(), "_elements", one)
            check(subset, types)
            kept.extend(subset.elements)

        _try(reading, read)
    return tuple(kept)


def _filters(reading: _Reading, types: tuple[str, ...], base: str) -> tuple[Filter, ...]:
    kept: list[Filter] = []
    for text in reading.raw("_typeFilter"):

        def read(one: str = text) -> None:
            kept.extend(read_filters(one, types, base))

        _try(reading, read)
    return tuple(kept)


def _try(reading: _Reading, read: Callable[[], None]) -> None:
    try:
        read()
    except HealixError as error:
        if error.category not in (Category.INVALID, Category.UNSUPPORTED):
            raise
        reading.refuse(error)


def _patients(reading: _Reading) -> tuple[str, ...]:
    asked = reading.several("patient")
    if len(asked) > MOST_PATIENTS:
        raise invalid(f"patient: at most {MOST_PATIENTS} patients can be named", code="too-costly")
    for reference in asked:
        if not re.fullmatch(r"Patient/[A-Za-z0-9\-.]{1,64}", reference):
            raise invalid(f"patient: '{reference[:100]}' is no reference to a Patient of this server", code="value")
    return tuple(reference.partition("/")[2] for reference in asked)


def _associated(access: AccessContext, reading: _Reading, types: tuple[str, ...]) -> str | None:
    asked = reading.several("includeAssociatedData")
    for value in asked:
        if value not in PROVENANCE:
            reading.refuse(
                unsupported(f"includeAssociatedData={value[:64]} is not supported: {', '.join(PROVENANCE)} are")
            )
    found = [value for value in PROVENANCE if value in asked]
    if found:
        access.require("Provenance", Permission.SEARCH)
    return found[-1] if found else None  # of several, the one that brings most


def _organized(access: AccessContext, reading: _Reading) -> bool:
    by = reading.one("organizeOutputBy")
    if by is None:
        return False
    if by != "Patient":
        reading.refuse(unsupported(f"organizeOutputBy={by[:64]} is not supported: Patient is"))
        return False
    access.require("Patient", Permission.SEARCH)
    return True
