"""Whether a token may have what a job brought: it must open at least what the job was asked for with.

Tokens of backend services live five minutes, so that another than the first asks for the files of most jobs.

Spec: HL7 Bulk Data Access 2.0.0 export.html#privacy-and-security-considerations
"""

from __future__ import annotations

from collections.abc import Iterable

from healix_fhir.bulk.job import IMPORT, Job
from healix_fhir.kernel.errors import forbidden
from smart_auth.access import AccessContext
from smart_auth.scope import Permission, Scope, parse


def check_covers(access: AccessContext, job: Job, types: Iterable[str]) -> None:
    """Refuse (Forbidden) a token with less than the job's scopes for any of `types`."""
    asked = parse(job.access["scope"] or "")
    permission = Permission.UPDATE if job.kind == IMPORT else Permission.SEARCH
    for type_name in types:
        for scope in asked:
            if scope.names(type_name, permission) and not _covered(access, scope, type_name, permission):
                raise forbidden(f"the token's scope does not cover what was asked for of {type_name}")


def _covered(access: AccessContext, scope: Scope, type_name: str, permission: Permission) -> bool:
    wanted = Scope(scope.context, type_name, frozenset({permission}), scope.query)
    return any(one.covers(wanted) for one in access.scopes)
