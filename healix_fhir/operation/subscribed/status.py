"""$status of Subscriptions: how each goes, as the notifications have it.

Spec: hl7.fhir.uv.subscriptions-backport 1.1.0, OperationDefinition-backport-subscription-status.html
"""

from __future__ import annotations

from healix_fhir.interaction.service import Interactions
from healix_fhir.kernel.audit import AuditRow, record
from healix_fhir.kernel.database import Work, atransaction
from healix_fhir.model.json import encode
from healix_fhir.operation.declaring import into, out, own
from healix_fhir.operation.invocation import Invocation
from healix_fhir.store.read import missing
from healix_fhir.subscription.guide import GUIDE, Kind
from healix_fhir.subscription.known import TYPE, Known, known
from healix_fhir.subscription.notification import status as described
from smart_auth.access import AccessContext

STATUS = own(
    "status",
    "The status of Subscriptions: how many events there were, and what is wrong.",
    into("id", "id", "On the type, a Subscription; all that the caller sees where there is none", most="*"),
    into("status", "code", "On the type, a status that is asked for; all where there is none", most="*"),
    out("return", "Bundle", "A searchset of Parameters, one for each Subscription"),
    levels=("type", "instance"),
    resource=(TYPE,),
    url=f"{GUIDE}/OperationDefinition/backport-subscription-status",
)


async def status(interactions: Interactions, access: AccessContext, invocation: Invocation) -> bytes:
    """The searchset. Raises NotFound on an instance that the caller does not see."""
    ids = [invocation.id] if invocation.id is not None else invocation.given.texts("id") or None
    wanted = invocation.given.texts("status") if invocation.id is None else []
    found = await atransaction(interactions.pool, lambda: _looked(access, ids, invocation.id))
    base = interactions.bases[0]
    entries = [
        {
            "fullUrl": f"urn:uuid:{resource['id']}",
            "resource": resource,
            "search": {"mode": "match"},
        }
        for one in found
        if not wanted or one.status in wanted
        for resource in [described(one.head(base), Kind.ASKED_STATUS)]
    ]
    url = f"{base}/{TYPE}/{f'{invocation.id}/' if invocation.id else ''}$status"
    bundle = {
        "resourceType": "Bundle",
        "type": "searchset",
        "total": len(entries),
        "link": [{"relation": "self", "url": url}],
    }
    return encode(bundle | ({"entry": entries} if entries else {}))


def _looked(access: AccessContext, ids: list[str] | None, one: str | None) -> Work[list[Known]]:
    found = yield from known(access, ids)
    if one is not None and not found:
        raise missing(TYPE, one)
    yield record([AuditRow(access.origin, "E", "$status", entity=f"{TYPE}/{one}" if one else TYPE)])
    return found
