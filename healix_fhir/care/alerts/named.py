"""What rules name: PlanDefinitions and ActivityDefinitions by their canonical, Groups by their id.

Spec: FHIR R4, hl7.org/fhir/R4/references.html#canonical, hl7.org/fhir/R4/group.html
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from healix_fhir.kernel.database import Statement, Work
from healix_fhir.kernel.errors import invalid
from healix_fhir.model.definitions import TYPE_ID, search_parameters
from healix_fhir.model.json import decode_stored
from healix_fhir.search import tokens
from healix_fhir.search.params.reference import target

Json = dict[str, Any]
MEMBERS = 10_000


def called(type_name: str, canonicals: Iterable[str]) -> Work[dict[str, Json | None]]:
    """The resource of a type that each canonical names; of several of its url that are active, the one changed last."""
    listed = sorted(set(canonicals))
    if not listed:
        return {}
    url = search_parameters(type_name)["url"].id
    rows = yield Statement(
        """SELECT r.body FROM resource r WHERE r.type = %s AND NOT r.deleted AND r.toks && %s::bigint[]
           ORDER BY r.updated DESC, r.pk DESC""",
        (TYPE_ID[type_name], [tokens.uri(url, name.partition("|")[0]) for name in listed]),
        prepare=False,
    )
    plans = [decode_stored(bytes(body)) for (body,) in rows]
    plans.sort(key=lambda plan: plan.get("status") != "active")
    return {name: _first(plans, *name.partition("|")[::2]) for name in listed}


def _first(plans: list[Json], url: str, version: str) -> Json | None:
    return next((one for one in plans if one.get("url") == url and version in ("", one.get("version"))), None)


def members(group: str) -> Work[tuple[int, ...]]:
    """The patients in a Group. Raises Invalid for one that is not there, or has none that could be listed."""
    rows = yield Statement(
        "SELECT body FROM resource WHERE type = %s AND id = %s AND NOT deleted", (TYPE_ID["Group"], group)
    )
    if not rows:
        raise invalid(f"there is no Group/{group}")
    body = decode_stored(bytes(rows[0][0]))
    if body.get("active") is False:
        return ()
    if "member" not in body and not body.get("actual", True):
        raise invalid(f"Group/{group} lists no members: it only describes them")
    listed = [one["entity"].get("reference", "#") for one in body.get("member", ()) if one.get("inactive") is not True]
    if len(listed) > MEMBERS:
        raise invalid(f"Group/{group} has more than {MEMBERS} members")
    ids = [found[1] for one in listed if (found := target(one, ())) is not None and found[0] == TYPE_ID["Patient"]]
    rows = yield Statement("SELECT pat FROM patient_key WHERE id = ANY(%s) ORDER BY pat", (ids,))
    return tuple(pat for (pat,) in rows)
