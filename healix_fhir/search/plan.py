"""Choosing where a search starts, and in which arms it reads.

The rule is fixed, not estimated: PostgreSQL cannot tell how many rows of a token lie within an order and a limit. A
search starts from ids, else from a hot token, else from a reference, else from the type itself. It reads from the start
in arms, each of which an index answers in the order of the results, so that each can stop at the limit: an alternative
of the starting parameter times a way in which the rows are bound to a patient. What is left is a filter of every arm.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from healix_fhir.kernel.database import Fragment
from healix_fhir.search.fragments import EVERYTHING
from healix_fhir.search.nodes import EachRow, Id, Node, Reference, Token, Visible
from healix_fhir.search.source import Source, alternatives, reference_sources, resource_source, token_sources
from healix_fhir.search.visible import sees_one_patient, visible_arms
from smart_auth.access import AccessContext


@dataclass(frozen=True, slots=True)
class Plan:
    """Each of `sources` with each of `pins` is an arm; `filters` hold in each of them."""

    sources: tuple[Source, ...]
    pins: tuple[Fragment, ...]
    filters: tuple[Node, ...]

    @property
    def repeats(self) -> bool:
        """Whether two rows of the arms may be the same resource."""
        return len(self.sources) > 1 or len(self.pins) > 1 or any(source.repeats for source in self.sources)


def plan(type_id: int, where: Sequence[Node], visible: Visible, access: AccessContext) -> Plan:
    """The plan of a search for the resources of a type of which all of `where` holds and which are `visible`."""
    arms = visible_arms(visible, access)
    start = _start(where, one_patient=sees_one_patient(visible, access))
    if start is None:
        return Plan((resource_source(type_id),), arms, tuple(where))
    rest = tuple(node for node in where if node is not start)
    sources = token_sources(start)
    if not sources:
        return Plan(reference_sources(start), (EVERYTHING,) if arms else (), (visible, *rest))
    if arms and (patient := _patient(rest)) is not None:
        confirmed = (EachRow(patient), *(node for node in rest if node is not patient))
        return Plan(sources, _bound_to(patient), (visible, *confirmed))
    return Plan(sources, arms, rest)


def _start(where: Sequence[Node], *, one_patient: bool) -> Node | None:
    """The node that gives the rows; None to read the type itself, which a single patient's compartment bounds best."""
    if any(isinstance(alternative, Id) for node in where for alternative in alternatives(node)):
        return None
    tokens = [node for node in where if token_sources(node)]
    if tokens:
        return min(tokens, key=_frequency)
    references = [node for node in where if reference_sources(node)]
    if not references or (one_patient and _patient(references) is None):
        return None
    return _patient(references) or references[0]


def _frequency(node: Node) -> int:
    return max(token.frequency for token in alternatives(node) if isinstance(token, Token))


def _patient(nodes: Sequence[Node]) -> Reference | None:
    """The condition that binds the resources to one patient's compartment, if there is one."""
    return next((node for node in nodes if isinstance(node, Reference) and node.patient), None)


def _bound_to(patient: Reference) -> tuple[Fragment, ...]:
    """The arms of a patient's compartment: as main patient, and as a further one.

    They hold all that refers to the patient by the parameter, and what another parameter put into the compartment.
    """
    key = "(SELECT p.pat FROM patient_key p WHERE p.id = %s)"
    return (
        Fragment(f"t.pat = {key}", (patient.target,)),
        Fragment(f"t.pk IN (SELECT c.pk FROM compartment c WHERE c.pat = {key})", (patient.target,)),
    )
