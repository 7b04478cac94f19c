"""Research projects: a name, a secret from which all that stands for identities is computed, and a profile.

The secret is drawn once and never shown; the profile does not change, so that all copies of a project are alike. A
project that retains UIDs has no copies in the store, where the originals have them already: it is for export alone.
Spec: PS3.15 E.1.1 and E.3.9 (2026c)
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

import msgspec
from psycopg.errors import UniqueViolation

from dicomweb.deidentify.keys import Keys
from dicomweb.deidentify.options import BurnedIn, Option, Profile
from healix_fhir.kernel.audit import AuditRow, Origin, record
from healix_fhir.kernel.database import Statement, Work
from healix_fhir.kernel.errors import Category, HealixError, invalid, not_found, unsupported
from smart_auth.access import AccessContext
from smart_auth.research import of_project
from smart_auth.scope import Permission

NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
SECRET = 32
"""Bytes of a project's secret."""
ON_REQUEST = "anonymize"
"""The project by whose keys and rules single objects are de-identified on request."""
ASKED_FOR = frozenset({Option.PIXELS})
"""With which options. Spec: PS3.18 9.4.1.2.1 (2024d)"""


@dataclass(frozen=True, slots=True)
class Project:
    """A project. Its `secret` is for de-identification alone, and in nothing that is shown."""

    number: int
    name: str
    secret: bytes = field(repr=False)
    profile: Profile

    @property
    def keys(self) -> Keys:
        """The keyed functions of the project."""
        return Keys(self.secret)

    def uid_of(self, original: str) -> str:
        """The UID that a result has in place of an original's."""
        return original if Option.UIDS in self.profile.options else self.keys.uid(original)

    @property
    def access(self) -> AccessContext:
        """The access by which the copies of the project are kept."""
        return of_project(self.number, Permission, Origin(client=f"research/{self.name}"))


@dataclass(frozen=True, slots=True)
class Line:
    """A project in a list, with what it has."""

    name: str
    options: list[str]
    created: datetime
    studies: int
    instances: int
    clients: Sequence[str]


def create(name: str, profile: Profile, origin: Origin) -> Work[None]:
    """A new project. Raises Invalid for a name that does not fit, and for rules of pixels that would blank nothing;
    Conflict for a name that is taken.
    """
    if not NAME.fullmatch(name):
        raise invalid("the name of a project is 1 to 32 of the characters a-z, 0-9 and -", code="value")
    if profile.regions and Option.PIXELS not in profile.options:
        raise invalid(f"rules for pixels blank nothing without the option {Option.PIXELS.value}")
    if name == ON_REQUEST and not _is_as_asked_for(profile):
        raise invalid(
            f"the project '{ON_REQUEST}', for objects that are asked for with anonymize=yes, has the option"
            f" {Option.PIXELS.value} alone, and refuses what may have text burned in"
        )
    try:
        yield Statement(
            "INSERT INTO research_project (name, secret, profile) VALUES (%s, %s, %s)",
            (name, secrets.token_bytes(SECRET), msgspec.json.encode(profile).decode()),
        )
    except UniqueViolation as error:
        raise HealixError(Category.CONFLICT, f"there is already a project '{name}'") from error
    told = " ".join(code for code, _ in profile.codes)
    yield record([AuditRow(origin, "C", "research-project", entity=f"research/{name}", query=told)])


def find(name: str) -> Work[Project]:
    """The project of this name. Raises NotFound."""
    rows = yield Statement(
        "SELECT number, name, secret, profile FROM research_project WHERE name = %s", (name.replace("\0", ""),)
    )
    if not rows:
        raise not_found(f"there is no research project '{name[:64]}'")
    number, known, secret, profile = rows[0]
    return Project(number, known, bytes(secret), msgspec.json.decode(profile, type=Profile))


def on_request(origin: Origin) -> Work[Project]:
    """The project for single objects that are asked for de-identified, begun with the first of them unless an
    administrator has begun it, with rules.

    Raises Unsupported where one of this name has another profile.
    """
    told = Profile(ASKED_FOR)
    rows = yield Statement("SELECT FROM research_project WHERE name = %s", (ON_REQUEST,))
    if not rows:
        made = yield Statement(
            "INSERT INTO research_project (name, secret, profile) VALUES (%s, %s, %s)"
            " ON CONFLICT (name) DO NOTHING RETURNING 1",
            (ON_REQUEST, secrets.token_bytes(SECRET), msgspec.json.encode(told).decode()),
        )
        if made:
            codes = " ".join(code for code, _ in told.codes)
            yield record([AuditRow(origin, "C", "research-project", entity=f"research/{ON_REQUEST}", query=codes)])
    project = yield from find(ON_REQUEST)
    if not _is_as_asked_for(project.profile):
        raise unsupported(f"anonymize is not supported: the project '{ON_REQUEST}' has another profile")
    return project


def _is_as_asked_for(profile: Profile) -> bool:
    return profile.options == ASKED_FOR and profile.burned_in is BurnedIn.REFUSE


def listed() -> Work[list[Line]]:
    """All projects by name."""
    rows = yield Statement(
        """SELECT p.name, p.profile, p.created, count(s.pk), coalesce(sum(s.instance_count), 0),
                  ARRAY(SELECT c.id FROM client c WHERE c.project = p.number ORDER BY c.id)
           FROM research_project p LEFT JOIN study s ON s.pat = -p.number GROUP BY p.number ORDER BY p.name"""
    )
    return [
        Line(
            name,
            [code for code, _ in msgspec.json.decode(profile, type=Profile).codes],
            created,
            studies,
            int(instances),
            clients,
        )
        for name, profile, created, studies, instances, clients in rows
    ]


def delete(name: str, origin: Origin) -> Work[None]:
    """Remove a project for good: with its secret nobody can find again what its pseudonyms stood for.

    Raises NotFound, and Conflict while it has copies or apps.
    """
    project = yield from find(name)
    rows = yield Statement(
        """SELECT EXISTS (SELECT FROM study WHERE pat = -%(n)s::bigint),
                  EXISTS (SELECT FROM client WHERE project = %(n)s)""",
        {"n": project.number},
    )
    copies, clients = rows[0]
    if copies or clients:
        raise HealixError(Category.CONFLICT, f"the project has {'copies of studies' if copies else 'apps'} still")
    yield Statement("DELETE FROM access_token WHERE project = %s", (project.number,))
    yield Statement("DELETE FROM research_project WHERE number = %s", (project.number,))
    yield record([AuditRow(origin, "D", "research-project", entity=f"research/{name}")])
