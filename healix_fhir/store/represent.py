"""Keeps who may act for which patient up to date with the RelatedPersons that say so, in the transaction of the write.

So nobody sees a record any longer than its RelatedPerson allows, whether the job worker runs or not.
"""

from __future__ import annotations

from collections.abc import Sequence

from healix_fhir.kernel.database import Statement
from healix_fhir.store.stored import Method
from healix_fhir.store.write import Row
from smart_auth.person import PROXY
from smart_auth.stated import Relationship, replace

TYPE = PROXY


def represent(rows: Sequence[Row]) -> Statement:
    """Let the RelatedPersons among `rows` say what they say now; a deleted one says nothing."""
    stated = []
    sources = []
    for row in rows:
        if row.change.type != TYPE:
            continue
        source = f"{TYPE}/{row.change.id}"
        sources.append(source)
        acting = row.change.rows.acting
        if acting is not None and row.patients and row.change.method is not Method.DELETE:
            stated.append(Relationship(source, row.patients[0], source, *acting))
    return replace(sources, stated)
