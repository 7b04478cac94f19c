"""Flaws to plant: the access predicate holds of everything, but only where one module asks for it.

So each path to rows is opened alone, as it would be had its author left the predicate out, and it can be seen which
attacks notice. A search that asks twice keeps what is hidden when one of them is left out; so all of it is a flaw too.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

from healix_fhir.kernel.database import Fragment
from healix_fhir.search import included
from smart_auth.access import EVERYTHING, AccessContext
from tests.support.attacks.attack import Attack
from tests.support.attacks.bundles import bundles
from tests.support.attacks.custom import custom
from tests.support.attacks.imaging import imaging
from tests.support.attacks.looking import looking
from tests.support.attacks.operating import operating
from tests.support.attacks.searching import searching
from tests.support.attacks.worklist import worklist
from tests.support.attacks.writing import writing
from tests.support.resources import REPOSITORY

Table = Callable[[], Iterator[Attack]]
ASKED: Mapping[str, object] = {
    **dict.fromkeys(("predicate", "compartments", "reach", "compartments_of", "represented", "asking"), EVERYTHING),
    **dict.fromkeys(("shows", "opens"), True),
    "reached": Fragment("ARRAY[true, true, true]"),
}
"""How modules ask `AccessContext` about rows, and the answer that opens them all."""

SEARCH = ("healix_fhir.search.visible", "healix_fhir.search.lower", "healix_fhir.search.contained")
FLAWS: Mapping[str, tuple[Table, ...]] = {
    "healix_fhir.store.read": (looking, bundles, operating),
    "healix_fhir.store.history": (looking, bundles),
    "healix_fhir.store.lock": (writing, bundles, operating),
    "healix_fhir.store.commit": (writing, bundles),
    "healix_fhir.store.decide": (writing, bundles, operating),
    "healix_fhir.interaction.trail.trail": (looking, operating),
    "healix_fhir.subscription.known": (operating,),
    "dicomweb.study.query": (imaging,),
    "dicomweb.study.retrieve": (imaging,),
    "dicomweb.study.reader": (imaging,),
    "dicomweb.study.delete": (imaging,),
    "dicomweb.study.gone": (imaging,),
    "dicomweb.study.reject": (imaging,),
    "dicomweb.study.store": (imaging,),
    "dicomweb.study.rows": (imaging,),
    "dicomweb.commitment.judge": (imaging,),
    "dicomweb.workitem.rows": (worklist,),
    **dict.fromkeys((" ".join(SEARCH), *SEARCH), (searching, custom, bundles, writing, operating)),
}
"""By module or modules, the tables of attacks in which some notice; which most notice comes first, for those are then
not asked again.
"""

STEPS = "is for DIMSE peers; tests/integration/imaging/test_procedure_steps.py holds it"
ASIDE: Mapping[str, str] = {
    "healix_fhir.interaction.history": "tells whether an audit row names the caller's patient",
    "healix_fhir.interaction.search": "tells whether an audit row names the caller's patient",
    "healix_fhir.interaction.definitions": "tells whether profiles may be shown whole",
    "healix_fhir.terminology.catalog": "asks of CodeSystems, which are of no patient",
    "healix_fhir.terminology.value_sets": "asks of ValueSets and ConceptMaps, which are of no patient",
    "healix_fhir.search.terms": "asks of ValueSets, which are of no patient",
    "healix_fhir.operation.process_message": "tells whether ids may be chosen, before anything is looked at",
    "healix_fhir.operation.appointment.series": "asks of Slots, which are of no patient",
    "healix_fhir.operation.appointment.move": "looks for the visit of an appointment that was read before; "
    "tests/integration/care/test_booking.py holds it",
    "healix_fhir.search.run": "tells how a total is counted",
    "dicomweb.study.continued": "asks whose the study is as well; tests/integration/study/test_continued.py holds it",
    "dicomweb.study.restore": "is for operators and administrators, who see every study",
    "dicomweb.study.overview": "is for operators and administrators, who see every study",
    "dicomweb.study.relabel.asked": "is for operators and administrators, who see every study",
    "dicomweb.procedure.scheduled.search": STEPS,
    "dicomweb.procedure.performed.rows": STEPS,
    "dicomweb.procedure.performed.create": STEPS,
    "dicomweb.study.pages": "is for DIMSE peers; tests/integration/study/test_pages.py holds it",
    "dicomweb.dimse.pushing": "is for the operator's commands, whose access is to every study",
    "dicomweb.routing.outgoing": "is for the operator's routes, whose access is to every study",
    "healix_fhir.bulk.cohort": "refuses apps of one patient before it looks; tests/integration/bulk/test_access.py",
    "healix_fhir.bulk.selection": "writes files for later; tests/integration/bulk/test_access.py holds it",
    "healix_fhir.bulk.gathered": "writes files for later; tests/integration/bulk/test_access.py holds it",
    "healix_fhir.subscription.seen": "tells subscribers; tests/integration/subscription/test_narrowed.py holds it",
    "healix_fhir.pages.alerts.inbox": "names alerts to a search, which asks by itself",
    "smart_auth.access": "makes one condition of another",
}
"""Modules that ask, but show nothing by it."""


@contextmanager
def planted(flaw: str) -> Iterator[None]:
    """Open what the modules of a flaw ask for to everyone whose scope names the type."""
    forget()
    try:
        with ExitStack() as stack:
            for name, opened in ASKED.items():
                real = getattr(AccessContext, name)
                stack.enter_context(patch.object(AccessContext, name, _flawed(real, opened, frozenset(flaw.split()))))
            yield
    finally:
        forget()


def forget() -> None:
    """Drop the conditions that are remembered for each access."""
    included._visible.cache_clear()
    included._seen_from.cache_clear()


def _flawed(real: Callable[..., Any], opened: object, modules: frozenset[str]) -> Callable[..., Any]:
    def asked(self: AccessContext, type_name: str, permission: Any, *rest: Any) -> Any:
        if sys._getframe(1).f_globals["__name__"] in modules and self.allows(type_name, permission):
            return opened
        return real(self, type_name, permission, *rest)

    return asked


def asking() -> set[str]:
    """The modules of the program that ask for a condition on rows."""
    found = set()
    for package in ("healix_fhir", "dicomweb", "smart_auth"):
        for path in (REPOSITORY / package).rglob("*.py"):
            if any(map(_asks, ast.walk(ast.parse(path.read_bytes())))):
                found.add(_module(path.relative_to(REPOSITORY)))
    return found


def _asks(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in ASKED


def _module(path: Path) -> str:
    return ".".join(path.with_suffix("").parts)
