"""Answer the prefetch queries of services, in the name of who orders: no service learns what they may not see.

Only what a service's template asks for goes out, and only to services that an administrator has set up. What cannot be
had is left out, as the specification wants it.

Spec: CDS Hooks 2.0, cds-hooks.hl7.org/2.0/#prefetch-template, #prefetch-query-restrictions
"""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl

from healix_fhir.interaction.service import Interactions
from healix_fhir.kernel.errors import HealixError
from healix_fhir.model.definitions import TYPE_ID
from healix_fhir.model.json import decode_stored
from smart_auth.access import AccessContext

Json = dict[str, Any]
COUNT = ("_count", "100")
PARAMETERS = 50


async def prefetch(interactions: Interactions, access: AccessContext, query: str) -> Json | None:
    """The resource that `Type/id` names, or the Bundle that `Type?query` finds; None where it cannot be had."""
    path, _, text = query.partition("?")
    type_name, _, id_ = path.partition("/")
    if type_name not in TYPE_ID or "/" in id_ or bool(id_) == bool(text):
        return None
    try:
        if id_:
            return decode_stored((await interactions.read(access, type_name, id_)).body)
        params = parse_qsl(text, keep_blank_values=True, max_num_fields=PARAMETERS)
        counted = any(name == COUNT[0] for name, _ in params)
        page = await interactions.search(access, type_name, params if counted else [*params, COUNT])
    except (HealixError, ValueError):
        return None
    entries = [
        {"fullUrl": entry.full_url, "resource": decode_stored(entry.body), "search": {"mode": entry.mode}}
        for entry in page.entries
        if entry.body is not None and entry.mode != "outcome"
    ]
    return {"resourceType": "Bundle", "type": "searchset"} | ({"entry": entries} if entries else {})
