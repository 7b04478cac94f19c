"""What a request may see: one SQL predicate, made from token and relationships, applied on every path to rows.

Each resource and study row carries `pat`, the surrogate key of the patient in whose compartment it is (null when in
none); the further patients of the few resources that are in several compartments stand in the table `compartment`. A
token's scopes open types in three contexts: `system` every row; `user` the rows of patients with whom the user has a
care relationship; `patient` the rows of the token's one patient, and where the user is a practitioner only while
that patient is in care: an app never sees more than the person who let it in. Types in `SHARED_TYPES` belong to no
patient and are open to every context whose scope names them, to be read and searched; only `system` changes them. What
is in no compartment and of no shared type is for `system` only.

Spec: SMART App Launch 2.2 scopes; FHIR R4, hl7.org/fhir/R4/compartmentdefinition-patient.html
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from healix_fhir.kernel.audit import Origin
from healix_fhir.kernel.database import Fragment, Statement, Work
from healix_fhir.kernel.errors import forbidden
from smart_auth.relationship import in_care
from smart_auth.scope import Context, Permission, Scope, contexts, parse

EVERYTHING = Fragment("TRUE")
NOTHING = Fragment("FALSE")

SHARED_TYPES = frozenset(
    {
        # directory
        "Endpoint", "HealthcareService", "InsurancePlan", "Location", "Organization", "OrganizationAffiliation",
        "Practitioner", "PractitionerRole",
        # catalogue
        "Medication", "MedicationKnowledge", "Substance", "DeviceDefinition", "CatalogEntry", "ObservationDefinition",
        "SpecimenDefinition",
        # definitions and terminology
        "ActivityDefinition", "CapabilityStatement", "ChargeItemDefinition", "CodeSystem", "CompartmentDefinition",
        "ConceptMap", "EventDefinition", "GraphDefinition", "ImplementationGuide", "Library", "Measure",
        "MessageDefinition", "NamingSystem", "OperationDefinition", "PlanDefinition", "Questionnaire",
        "SearchParameter", "StructureDefinition", "StructureMap", "TerminologyCapabilities", "ValueSet",
    }
)  # fmt: skip
"""Types that describe no patient. An allow-list: a type not named here is closed unless a compartment opens it."""

LOOKING = frozenset({Permission.READ, Permission.SEARCH})
"""What everyone may do with resources of `SHARED_TYPES`. They say who works here and by what rules the server judges:
one patient's or one clinician's app does not change that, whatever its scopes.
"""


class AccessContext(msgspec.Struct, frozen=True):
    """Who asks and what for; made from a bearer token once a request, and the only way to rows.

    `patient` is the logical id of the token's patient, `pat` its surrogate key; `practitioner` the logical id of the
    Practitioner that the user is, where the user is one.
    """

    scopes: frozenset[Scope]
    origin: Origin = Origin()
    patient: str | None = None
    pat: int | None = None
    practitioner: str | None = None

    def require(self, type_name: str, permission: Permission) -> None:
        """Refuse (Forbidden) unless some scope opens `permission` on `type_name` at all."""
        if not contexts(self.scopes, type_name, permission):
            raise forbidden(f"the token's scope does not allow this on {type_name}")

    def allows(self, type_name: str, permission: Permission) -> bool:
        """Whether some scope opens `permission` on `type_name` at all."""
        return bool(contexts(self.scopes, type_name, permission))

    def predicate(self, type_name: str, permission: Permission, alias: str) -> Fragment:
        """The condition on resource or index rows of `type_name`, over `{alias}.pat` and `{alias}.pk`."""
        within = self.compartments(type_name, permission, f"{alias}.pat")
        if within in (EVERYTHING, NOTHING):
            return within
        further = self.compartments(type_name, permission, "c.pat")
        return Fragment(
            f"({within.sql} OR {alias}.pk IN (SELECT c.pk FROM compartment c WHERE {further.sql}))",
            within.params + further.params,
        )

    def compartments(self, type_name: str, permission: Permission, column: str) -> Fragment:
        """The condition on one patient key, the SQL expression `column`; for rows in one compartment at most."""
        opened = contexts(self.scopes, type_name, permission)
        if Context.SYSTEM in opened:
            return EVERYTHING
        if type_name in SHARED_TYPES:
            return EVERYTHING if opened and permission in LOOKING else NOTHING
        arms = []
        doctor = self.practitioner
        cared = in_care(column, doctor, type_name, permission) if doctor is not None else None
        if Context.PATIENT in opened and self.pat is not None:
            own = Fragment(f"{column} = %s", (self.pat,))
            if cared is not None:
                own = Fragment(f"({own.sql} AND {cared.sql})", own.params + cared.params)
            arms.append(own)
        if Context.USER in opened and cared is not None:
            arms.append(cared)
        if not arms:
            return NOTHING
        if len(arms) == 1:
            return arms[0]
        return Fragment(
            "(" + " OR ".join(arm.sql for arm in arms) + ")", tuple(param for arm in arms for param in arm.params)
        )

    def captured(self) -> dict[str, str | None]:
        """This access as plain data, for what acts later in the name of its caller; see `restored`."""
        return {
            "scope": " ".join(sorted(map(str, self.scopes))),
            "patient": self.patient,
            "practitioner": self.practitioner,
            "client": self.origin.client,
            "account": self.origin.account,
        }

    def may_hold(self, type_name: str, permission: Permission, patients: Sequence[int]) -> Work[bool]:
        """Whether a resource of `type_name` in the compartments `patients` (surrogate keys) may be written.

        Every one of its compartments must be open to the caller: an app of one patient cannot put a resource into
        another patient's record.
        """
        within = self.compartments(type_name, permission, "n.pat")
        if within == EVERYTHING:
            return True
        if within == NOTHING or not patients:
            return False
        rows = yield Statement(
            f"SELECT count(*) FROM unnest(%s::bigint[]) AS n (pat) WHERE {within.sql}",
            (list(patients), *within.params),
        )
        return bool(rows[0][0] == len(patients))


def restored(captured: Mapping[str, str | None]) -> Work[AccessContext]:
    """The access that `captured` was made from; relationships are those of now."""
    patient = captured["patient"]
    pat = (yield from patient_keys([patient]))[patient] if patient is not None else None
    origin = Origin(captured["client"], captured["account"])
    return AccessContext(parse(captured["scope"] or ""), origin, patient, pat, captured["practitioner"])


def patient_keys(ids: Sequence[str]) -> Work[dict[str, int]]:
    """The surrogate keys of patients by logical id, made on first use; a patient need not exist yet.

    Keys never change or go away, so callers may keep them for ever.
    """
    keys = {id_: known for id_ in ids if (known := _KNOWN.get(id_)) is not None}
    missing = sorted({id_ for id_ in ids if id_ not in keys})
    if missing:
        rows = yield Statement(
            """WITH wanted AS (SELECT DISTINCT unnest(%s::text[]) AS id),
                    made AS (INSERT INTO patient_key (id) SELECT id FROM wanted ORDER BY id
                             ON CONFLICT (id) DO UPDATE SET id = excluded.id RETURNING id, pat)
               SELECT id, pat FROM made""",
            (missing,),
        )
        keys.update(rows)
    return keys


def remember(keys: dict[str, int]) -> None:
    """Keep surrogate keys in this process; only after the transaction that made them has committed."""
    if len(_KNOWN) > KNOWN_LIMIT:
        _KNOWN.clear()
    _KNOWN.update(keys)


KNOWN_LIMIT = 200_000
_KNOWN: dict[str, int] = {}


def internal(name: str) -> AccessContext:
    """The server's own access, for consumers and commands that act for no caller; audited under `name`."""
    return AccessContext(
        scopes=frozenset({Scope(Context.SYSTEM, "*", frozenset(Permission))}), origin=Origin(client=name)
    )
