"""How instances are spread over associations by the contexts that they need."""

from __future__ import annotations

import pytest

from dicomweb.dimse.propose import MOST_CONTEXTS
from dicomweb.dimse.push import groups, offered
from dicomweb.study.retrieve import Instance
from tests.support.dimse import CT, EXPLICIT, IMPLICIT

RLE = "1.2.840.10008.1.2.5"


def instance(sop_class: str, syntax: str = EXPLICIT) -> Instance:
    """An instance of a SOP class in a transfer syntax."""
    return Instance("1", "1.1", "1.1.1", sop_class, syntax, "key", 1)


@pytest.mark.spec("PS3.4 B.3 (2024d)")
def test_each_syntax_has_a_context_of_its_own() -> None:
    """Each stored transfer syntax is offered alone, so that the peer answers it, and then the uncompressed ones."""
    found = offered([instance(CT), instance(CT, RLE), instance(CT), instance("1.2.3", RLE)])
    fallback = (EXPLICIT, IMPLICIT)
    assert found == [(CT, (EXPLICIT,)), (CT, fallback), (CT, (RLE,)), ("1.2.3", (RLE,)), ("1.2.3", fallback)]


@pytest.mark.spec("PS3.8 9.3.2.2 (2024d)")
@pytest.mark.parametrize("classes", [1, 63, 64, 65, 128, 129, 200])
def test_an_association_has_at_most_128_contexts(classes: int) -> None:
    """Instances that need more contexts than an association has go over several, all of them and in their order."""
    stored = [instance(f"1.2.{number}") for number in range(classes) for _ in range(2)]
    found = list(groups(stored))
    assert [one for group in found for one in group] == stored
    assert all(0 < len(offered(group)) <= MOST_CONTEXTS for group in found)
    assert len(found) == -(-classes // (MOST_CONTEXTS // 2))


def test_nothing_is_no_group() -> None:
    """Without instances no association is opened."""
    assert list(groups([])) == []
