"""The access predicate as arms: the same condition as `AccessContext.predicate`, in parts that an index can answer.

An OR over the main patient and the further ones would be answered by reading everything; each part alone is a range
of an index that begins with the patient.
"""

from __future__ import annotations

from healix_fhir.kernel.database import Fragment
from healix_fhir.search.fragments import EVERYTHING, NOTHING, any_of
from healix_fhir.search.nodes import Visible
from smart_auth.access import AccessContext
from smart_auth.scope import Context, contexts


def visible_arms(node: Visible, access: AccessContext) -> tuple[Fragment, ...]:
    """The conditions on the alias `t` of which one must hold; none when the caller sees nothing."""
    within = _compartments(node, access, "t.pat")
    if within == NOTHING:
        return ()
    if within == EVERYTHING:
        return (EVERYTHING,)
    further = _compartments(node, access, "c.pat")
    return (within, Fragment(f"t.pk IN (SELECT c.pk FROM compartment c WHERE {further.sql})", further.params))


def sees_one_patient(node: Visible, access: AccessContext) -> bool:
    """Whether the caller sees at most one patient's compartment of the type."""
    opened = {context for p in node.permissions for context in contexts(access.scopes, node.type_name, p)}
    return opened == {Context.PATIENT} and _compartments(node, access, "t.pat") != EVERYTHING


def _compartments(node: Visible, access: AccessContext, column: str) -> Fragment:
    return any_of(access.compartments(node.type_name, permission, column) for permission in node.permissions)
