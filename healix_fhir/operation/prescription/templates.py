"""Prefetch templates: what a service asks to be told with its call, with tokens for what the call is about.

Spec: CDS Hooks 2.0, cds-hooks.hl7.org/2.0/#prefetch-tokens
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

TOKEN = re.compile(r"\{\{\s*([^{}]*?)\s*\}\}")
MOST = 20
LONGEST = 2000
USERS: Mapping[str, str] = {
    "userPractitionerId": "Practitioner",
    "userPractitionerRoleId": "PractitionerRole",
    "userPatientId": "Patient",
    "userRelatedPersonId": "RelatedPerson",
}


def filled(templates: Mapping[str, str], context: Mapping[str, Any]) -> dict[str, str]:
    """The queries by key. Those with a token that the context has no value for are left out."""
    queries = {}
    for name, template in list(templates.items())[:MOST]:
        missing: list[str] = []

        def value(found: re.Match[str], missing: list[str] = missing) -> str:
            text = _value(found[1], context)
            if text is None:
                missing.append(found[1])
            return text or ""

        query = TOKEN.sub(value, template)
        if not missing and len(query) <= LONGEST:
            queries[name] = query
    return queries


def _value(token: str, context: Mapping[str, Any]) -> str | None:
    """What a token stands for: a plain value of the context, or the id of the user."""
    if token in USERS:
        kind, _, id_ = str(context.get("userId", "")).partition("/")
        return id_ if kind == USERS[token] else None
    head, _, name = token.partition(".")
    value = context.get(name) if head == "context" else None
    return value if isinstance(value, str) and value else None
