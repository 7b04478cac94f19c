"""Change custom search parameters along with the SearchParameter resources that define them.

Spec: FHIR R4, hl7.org/fhir/R4/searchparameter.html
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from healix_fhir.kernel import jobs
from healix_fhir.kernel.arrays import bytea, int2, int4, text
from healix_fhir.kernel.database import Statement, Work
from healix_fhir.kernel.errors import Category, HealixError, Issue
from healix_fhir.model.custom import PER_TYPE, custom_id, type_of
from healix_fhir.model.definitions import TYPE_ID
from healix_fhir.model.search_parameter import Defined, SearchParameter
from healix_fhir.store import custom_parameters, reindexing
from healix_fhir.store.custom_parameters import LOCK

TYPE = "SearchParameter"
CODE = f"{TYPE}.code"


class Known:
    """The parameters by id, as they become: `resources` has the logical ids of those who define them."""

    def __init__(self, rows: Sequence[custom_parameters.Kept]) -> None:
        self.parameters = {row.id: row.parameter for row in rows}
        self.resources = {row.id: row.resource for row in rows}

    def of(self, resource: str) -> dict[int, SearchParameter]:
        """What a resource defines."""
        return {id_: self.parameters[id_] for id_, owner in self.resources.items() if owner == resource}

    def place(self, resource: str, wanted: Sequence[Defined]) -> dict[int, SearchParameter]:
        """What a resource is to define, with ids. Raises Unprocessable where another one has the code of a type."""
        ids = {(type_of(id_), parameter.code): id_ for id_, parameter in self.parameters.items()}
        placed = {}
        for base, parameter in wanted:
            type_id = TYPE_ID[base]
            id_ = ids.get((type_id, parameter.code))
            if id_ is not None and self.resources[id_] != resource:
                raise _refusal(f"{base} has a search parameter '{parameter.code}' by {TYPE}/{self.resources[id_]}")
            placed_id = self._free(base) if id_ is None else id_
            placed[placed_id] = parameter._replace(id=placed_id)
        return placed

    def _free(self, base: str) -> int:
        for slot in range(PER_TYPE):
            if (id_ := custom_id(TYPE_ID[base], slot)) not in self.parameters:
                return id_
        raise _refusal(f"{base} has {PER_TYPE} custom search parameters, and more are not possible")

    def exchange(self, resource: str, placed: Mapping[int, SearchParameter]) -> None:
        """Let a resource define what is placed, and nothing else."""
        for id_ in self.of(resource):
            del self.parameters[id_], self.resources[id_]
        self.parameters |= placed
        self.resources |= dict.fromkeys(placed, resource)


def define(wanted: Mapping[str, Sequence[Defined]]) -> Work[dict[str, HealixError]]:
    """Let SearchParameters, by their ids, define this from now on. Those that cannot are refused and change nothing."""
    yield Statement("SELECT pg_advisory_xact_lock(%s, 0)", (LOCK,))
    known = Known((yield from custom_parameters.kept()))
    before = dict(known.parameters)
    refused: dict[str, HealixError] = {}
    for resource, parameters in wanted.items():
        try:
            known.exchange(resource, known.place(resource, parameters))
        except HealixError as error:
            refused[resource] = error
    gone = [id_ for id_, parameter in before.items() if known.parameters.get(id_) != parameter]
    made = {id_: parameter for id_, parameter in known.parameters.items() if before.get(id_) != parameter}
    if gone or made:
        number = yield from custom_parameters.changed()
        yield Statement("DELETE FROM custom_parameter WHERE id = ANY(%s::int[])", (int4(gone),))
        if made:
            yield _insertion(made, known.resources, number)
            run = yield from reindexing.begin_types(sorted({type_of(id_) for id_ in made}), number)
            yield jobs.enqueue(reindexing.TASK, {"run": run.id}, lock=reindexing.TASK)
    return refused


def _insertion(made: Mapping[int, SearchParameter], resources: Mapping[int, str], number: int) -> Statement:
    return Statement(
        """INSERT INTO custom_parameter (id, type, resource, definition, generation)
           SELECT x.*, %s::bigint FROM unnest(%s::int[], %s::smallint[], %s::text[], %s::bytea[]) AS x""",
        (
            number,
            int4(made),
            int2(type_of(id_) for id_ in made),
            text(resources[id_] for id_ in made),
            bytea(msgspec.msgpack.encode(parameter) for parameter in made.values()),
        ),
    )


def _refusal(message: str) -> HealixError:
    issue = Issue("duplicate", f"{CODE}: {message}", (CODE,))
    return HealixError(Category.UNPROCESSABLE, issue.message, issues=(issue,))
