"""The definitions of the operations that run: valid resources that say what is true."""

from __future__ import annotations

import pytest

from healix_fhir.model.operation_definition import standard
from healix_fhir.model.validate import validate
from healix_fhir.operation.declaring import changed, into
from healix_fhir.operation.operation import Operation
from healix_fhir.operation.publishing import definitions
from healix_fhir.operation.registry import ROWS
from healix_fhir.operation.validate import validate as runs


@pytest.mark.spec("FHIR R4 operationdefinition.html")
@pytest.mark.parametrize("id_", sorted(definitions()))
def test_definitions_are_valid(id_: str) -> None:
    """Each is a valid resource under an id of its own."""
    resource = definitions()[id_]
    assert validate(resource, "OperationDefinition") == ()
    assert resource["id"] == id_


def test_no_two_are_the_same() -> None:
    """Each row has its own id and canonical url, and no two of one name are for the same type and level."""
    assert len({row.definition.id for row in ROWS}) == len({row.definition.url for row in ROWS}) == len(ROWS)
    for n, row in enumerate(ROWS):
        for other in ROWS[:n]:
            if row.name == other.name and row.levels & other.levels:
                assert row.types is not None
                assert other.types is not None
                assert not row.types & other.types


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.definition.id)
def test_get_is_for_what_changes_nothing(row: Operation) -> None:
    """What may change something is called with POST; what is read can be called with GET if a query can hold it."""
    assert row.published().affects_state is row.changes
    if row.changes and not row.by:
        assert row.methods == {"POST"}
    assert row.refused <= row.definition.inputs.keys()
    assert row.as_sent <= row.definition.inputs.keys()


def test_a_definition_of_r4_as_it_runs_here() -> None:
    """Further parameters and levels take the place of R4's, and the comment tells."""
    made = changed(standard("Resource-meta"), "Not of the system.", into("extra", "code", ""), levels=("type",))
    assert made.levels == {"type"}
    assert [one.name for one in made.parameter] == ["return", "extra"]
    assert made.comment.endswith("Not of the system.")
    refusing = Operation(made, runs, refused=frozenset({"extra"}))
    assert "refuses: extra" in refusing.published().comment
