"""Types whose resources belong to who wrote them: an app and the person who let it in, for the token's patient if any.

Others do not see them, whatever their scopes but `system`: a Subscription holds the address and the secrets of its
receiver, and is in no record.
"""

from __future__ import annotations

from dataclasses import dataclass

from healix_fhir.kernel.database import Fragment

OWNED_TYPES = frozenset({"Subscription"})


@dataclass(frozen=True, slots=True)
class Owner:
    """A person by the account, an app, and the logical id of the token's patient."""

    account: str
    client: str | None
    patient: str | None


def is_owned(key: str, owner: Owner) -> Fragment:
    """The condition that the resource whose key is the SQL expression `key` is the owner's."""
    return Fragment(
        f"""{key} IN (SELECT z.pk FROM owned o JOIN resource z ON z.type = o.type AND z.id = o.id
          WHERE o.account = %s AND o.client IS NOT DISTINCT FROM %s AND o.patient IS NOT DISTINCT FROM %s)""",
        (owner.account, owner.client, owner.patient),
    )
