"""Research: tokens that open the de-identified copies of one project, and nothing else.

The copies of a project are in a compartment of their own, whose key is the project's number below zero: no patient has
such a key, no FHIR resource is in such a compartment, and no other access reaches it. So what a research token may
see is said by the one predicate, and what it may not see is not there for it: there is nothing to match original
identifiers against. A token is one of research by its client, or by how it was made; its scopes then count for images
alone, and only to look at them; whose it is and which patient it names count for nothing.

Spec: PS3.15 E (2026c); SMART App Launch 2.2 scopes
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from healix_fhir.kernel.audit import AuditRow, Origin, record
from healix_fhir.kernel.database import Statement, Work
from healix_fhir.kernel.errors import forbidden, invalid, not_found
from smart_auth.access import AccessContext
from smart_auth.scope import OTHER_SCOPES, Context, Permission, Scope, parse, parse_one
from smart_auth.shared import LOOKING

IMAGES = "ImagingStudy"
WORDS = frozenset({"openid", "fhirUser", "profile", "online_access", "offline_access"})
"""The scopes beside clinical ones that an app of research may ask for: none that tells of a patient."""


def opened(project: int, name: str, scopes: Collection[Scope], origin: Origin) -> AccessContext:
    """What a token with these `scopes` opens of a project; its requests are audited under the project's name."""
    permissions = {
        permission for permission in LOOKING if any(one.names(IMAGES, permission) and not one.query for one in scopes)
    }
    client = f"{origin.client} for research/{name}"
    return of_project(project, permissions, Origin(client, origin.account, origin.address, origin.request))


def of_project(project: int, permissions: Iterable[Permission], origin: Origin) -> AccessContext:
    """Access to the copies of a project."""
    scope = Scope(Context.PATIENT, IMAGES, frozenset(permissions))
    return AccessContext(
        scopes=frozenset({scope}) if scope.permissions else frozenset(),
        origin=origin,
        pat=-project,
        narrowed=frozenset(),
        several=frozenset(),
        project=project,
    )


def told(scope: str) -> str:
    """What counts of the scope that a research token was given, in its words: images to look at, and who logs in."""
    kept: dict[str, None] = {}
    for word in scope.split():
        if word in WORDS:
            kept[word] = None
        elif word not in OTHER_SCOPES:
            one = parse_one(word)
            looking = one.permissions & LOOKING
            if looking and one.names(IMAGES, min(looking)) and not one.query:
                kept[str(Scope(one.context, IMAGES, looking))] = None
    return " ".join(kept)


def check_opens_resources(access: AccessContext) -> None:
    """Refuse (Forbidden) a research token where resources are looked for."""
    if access.project is not None:
        raise forbidden("a research token opens no resources, but the images of its project over DICOMweb")


def check_scope(scope: str) -> None:
    """Refuse (Invalid) what an app of research may not ask for: anything but to look at images, and who logs in."""
    clinical = parse(scope)
    if not clinical or any(
        one.type != IMAGES or not one.permissions <= LOOKING or one.query or one.context is Context.PATIENT
        for one in clinical
    ):
        raise invalid("an app of research asks for system/ImagingStudy.rs or user/ImagingStudy.rs", code="value")
    spare = [word for word in scope.split() if "/" not in word or word.startswith("launch")]
    if unfit := sorted(set(spare) - WORDS):
        raise invalid(f"an app of research does not ask for {unfit[0][:64]}", code="value")


def project_number(name: str) -> Work[int]:
    """The number of a project. Raises NotFound."""
    rows = yield Statement("SELECT number FROM research_project WHERE name = %s", (name.replace("\0", ""),))
    if not rows:
        raise not_found(f"there is no research project '{name[:64]}'")
    return int(rows[0][0])


def bind(client: str, name: str | None, origin: Origin, channel: str) -> Work[None]:
    """Make an app one of research in a project, or of none, with all the tokens that it has, at once.

    Raises NotFound, Invalid when the app may ask for more than an app of research.
    """
    number = (yield from project_number(name)) if name is not None else None
    rows = yield Statement("SELECT scope FROM client WHERE id = %s FOR UPDATE", (client,))
    if not rows:
        raise not_found(f"There is no app '{client[:64]}'.")
    if number is not None:
        check_scope(rows[0][0])
    yield Statement(
        f"WITH done AS (UPDATE client SET project = %s WHERE id = %s RETURNING 1)"
        f" SELECT pg_notify('{channel}', '') FROM done",
        (number, client),
    )
    told = f"research/{name}" if name is not None else "no research"
    yield record([AuditRow(origin, "U", "client", entity=f"client/{client}", query=told)])
