"""The test of the tests of what hides beside relationships: queries of scopes, Consents and labels.

Each is taken away, for a caller from whom nothing else hides the patient; then the attacks must succeed, in every table
and, but for those that say why, all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

import pytest

from healix_fhir.search import plan
from healix_fhir.search.granular import ScopeQueries
from smart_auth.access import EVERYTHING, AccessContext
from tests.integration.attacks.test_flaws import copied
from tests.support.attacks.attack import Attack, findings
from tests.support.attacks.flaws import forget
from tests.support.attacks.hidden import hidden
from tests.support.attacks.names import names
from tests.support.attacks.scene import Scene, scene, seeded
from tests.support.attacks.table import ATTACKS


@contextmanager
def queries() -> Iterator[None]:
    """Every query of a scope holds of every resource."""
    with ExitStack() as stack:
        stack.enter_context(patch.object(ScopeQueries, "of_row", _says(EVERYTHING)))
        stack.enter_context(patch.object(ScopeQueries, "of_resource", _says(True)))
        stack.enter_context(patch.object(plan, "implied", _says(())))
        yield


@contextmanager
def consents() -> Iterator[None]:
    """Nobody is one from whom anything is hidden."""
    with patch.object(AccessContext, "_viewer", _says(None)):
        yield


def _says(what: object) -> Callable[..., Any]:
    return lambda *_, **__: what


FLAWS: Mapping[str, Callable[[], AbstractContextManager[None]]] = {
    "narrow service": queries,
    "denied clinician": consents,
}
"""By caller, how what hides the patient from them is taken away."""


CLOSED: Mapping[str, Mapping[str, str]] = {
    "narrow service": {
        "/AuditEvent": "a scope on the audit trail has no query",
        "AuditEventConnection": "a scope on the audit trail has no query",
        "POST /dicomweb/studies": "storing is refused by name to scopes with a query",
        "DELETE /dicomweb/studies": "deleting is refused by name to scopes with a query",
        "/fhir/Patient/$everything": "a page is of one patient, and those that other attacks have made come first",
        "/dicomweb/workitems": "a scope that asks of workitems what they do not tell opens none",
        """PUT /fhir/Observation/<measurement> ({'If-Match': 'W/"9"'})""": "ids are chosen by nobody who is bounded",
    },
    "denied clinician": {
        "/AuditEvent": "the audit trail is closed to clinicians",
        "AuditEventConnection": "the audit trail is closed to clinicians",
        "/fhir/Subscription/": "a Subscription is in no compartment",
    },
}
"""By caller, attacks that stay closed though nothing narrows the caller, and why."""


def _notices(made: Scene, caller: str, attack: Attack) -> bool:
    if attack.changes:  # others may have changed or deleted the patient, who is to be found
        made.put(hidden(names("hidq", "first"))[0])
    return bool(findings(made, made.callers[caller], attack))


@pytest.mark.parametrize("caller", FLAWS)
def test_each_attack_by_a_narrowed_caller_notices(
    database_url: str, tmp_path_factory: pytest.TempPathFactory, caller: str
) -> None:
    """Once nothing narrows the caller, each attack tells the hidden from the missing."""
    directory = tmp_path_factory.mktemp("narrowing")
    tokens = seeded(database_url, directory)
    forget()  # what is remembered of the same callers, narrowed
    with FLAWS[caller](), scene(copied(database_url), directory, tokens) as made:
        asked = [attack for attack in ATTACKS if caller in attack.callers and not attack.beside]
        blind = {str(attack) for attack in asked if not _notices(made, caller, attack)}
    forget()
    expected = {str(attack) for attack in asked if any(part in str(attack) for part in CLOSED[caller])}
    assert blind == expected
