"""Which images a route takes, when it begins, and that nothing goes back to where it came from."""

from __future__ import annotations

from typing import Any

import pytest
from pydicom.dataset import Dataset

from dicomweb.events import study_changed
from dicomweb.routing.arrived import arrived
from dicomweb.routing.forward import ACCESS
from dicomweb.routing.outgoing import outgoing
from dicomweb.routing.rules import Action, Route, find, put, remove, routes
from dicomweb.study.receive import FileMeta
from dicomweb.study.store import deposit
from healix_fhir.kernel.errors import Category, HealixError
from tests.support.dicom import bare, data_set, part10, uid
from tests.support.query_recorder import query_recorder
from tests.support.study import SYSTEM, Store, caller

EXPLICIT = "1.2.840.10008.1.2.1"


def came(store: Store, *images: Dataset, from_: str = "CT1") -> None:
    """Images come over DIMSE from an AE title, and the route consumer hears of it."""
    received = [
        store.receive(bare(part10(image)), FileMeta(str(image.SOPClassUID), str(image.SOPInstanceUID), EXPLICIT, from_))
        for image in images
    ]
    deposit(store.pool, store.archive, SYSTEM, received, "C-STORE")
    heard(store, *(str(image.StudyInstanceUID) for image in images))


def heard(store: Store, *studies: str) -> None:
    """The consumer hears of studies."""
    store.run(arrived(study_changed(studies)))


def route(store: Store, name: str = "all", **changes: Any) -> Route:
    """Add a route to the peer PACS."""
    made = Route(name, **{"peer": "PACS", "quiet": 0, **changes})
    store.run(put(SYSTEM, made))
    return made


def due(store: Store) -> list[tuple[str, str, str, str]]:
    """What is to be done: kind, receiver, study and route."""
    rows = "SELECT kind, receiver, about, rule FROM errand WHERE ended IS NULL ORDER BY seq"
    return store.sql(rows)


def to_send(store: Store, name: str = "all", study: int = 1, after: int = 0) -> list[str]:
    """The instances that a route has to send."""
    batch = store.run(outgoing(ACCESS, name, uid(study), after))
    return [one.instance.instance for one in batch.instances]


RULES: list[tuple[dict[str, Any], bool]] = [
    ({}, True),
    ({"modalities": ("CT", "MR")}, True),
    ({"modalities": ("MR",)}, False),
    ({"stations": ("ct-*",)}, True),
    ({"stations": ("CT-?",)}, False),
    ({"descriptions": ("*chest*",)}, True),
    ({"descriptions": ("AXIAL",)}, True),
    ({"descriptions": ("chest?",)}, False),
    ({"callers": ("CT1", "CT2")}, True),
    ({"callers": ("ct1",)}, False),
    ({"modalities": ("CT",), "stations": ("CT-01",), "descriptions": ("Chest",), "callers": ("CT1",)}, True),
    ({"modalities": ("CT",), "callers": ("MR1",)}, False),
]


@pytest.mark.parametrize(("conditions", "taken"), RULES, ids=str)
def test_conditions_of_a_route(store: Store, conditions: dict[str, Any], taken: bool) -> None:
    """A route takes what meets all its conditions; of several values of one, one is enough."""
    route(store, **conditions)
    came(store, data_set(StationName="CT-01"))
    assert due(store) == ([("send", "PACS", uid(1), "all")] if taken else [])
    assert to_send(store) == ([uid(1, 1, 1)] if taken else [])


def test_only_fitting_series_of_a_study_go(store: Store) -> None:
    """A route of one modality does not take the other series of a study."""
    route(store, modalities=("SR",))
    came(store, data_set(1, 1), data_set(1, 2, Modality="SR"))
    assert to_send(store) == [uid(1, 2, 1)]


def test_nothing_goes_back_to_where_it_came_from(store: Store) -> None:
    """What the receiver of a route has sent is not sent to it; what others sent to the same study is."""
    route(store)
    came(store, data_set(1, 1, 1), from_="PACS")
    assert due(store) == []
    came(store, data_set(1, 1, 2), from_="CT1")
    assert to_send(store) == [uid(1, 1, 2)]


def test_objects_that_are_here_already_go_nowhere(store: Store) -> None:
    """An object that comes round in a circle of servers is not stored again, and so not sent again."""
    route(store)
    came(store, data_set())
    store.sql("UPDATE errand SET ended = now(), after = (SELECT max(pk) FROM instance)")
    came(store, data_set(), from_="CT2")
    assert due(store) == []


def test_study_goes_when_it_has_been_quiet(store: Store) -> None:
    """A study that still grows waits; each new image starts the wait anew."""
    route(store, quiet=60)
    came(store, data_set(1, 1, 1))
    store.sql("UPDATE errand SET due = now()")
    came(store, data_set(1, 1, 2))
    ((wait,),) = store.sql("SELECT extract(epoch FROM due - now())::float8 FROM errand")
    assert 50 < wait <= 60
    batch = store.run(outgoing(ACCESS, "all", uid(1), 0))
    assert 50 < batch.restless <= 60
    store.sql("UPDATE study SET updated = now() - interval '61 seconds'")
    assert store.run(outgoing(ACCESS, "all", uid(1), 0)).restless == 0


def test_study_that_came_before_the_clock_was_set_back_goes_when_it_has_been_quiet(store: Store) -> None:
    """It waits for as long as a study that has come just now, and not until that time comes again."""
    route(store, quiet=60)
    came(store, data_set(1, 1, 1))
    store.sql("UPDATE study SET updated = now() + interval '30 min'")
    assert store.run(outgoing(ACCESS, "all", uid(1), 0)).restless == 60


def test_later_images_alone_are_sent_again(store: Store) -> None:
    """An image that comes after its study was sent goes alone."""
    route(store)
    came(store, data_set(1, 1, 1))
    ((pk,),) = store.sql("SELECT pk FROM instance")
    store.sql("UPDATE errand SET ended = now(), after = %s", pk)
    came(store, data_set(1, 1, 2))
    assert due(store) == [("send", "PACS", uid(1), "all")]
    assert to_send(store, after=pk) == [uid(1, 1, 2)]


def test_events_without_new_images_ask_for_nothing(store: Store) -> None:
    """A study whose patient or labels changed is not sent again."""
    route(store)
    came(store, data_set())
    store.sql("UPDATE errand SET ended = now(), after = (SELECT max(pk) FROM instance)")
    heard(store, uid(1))
    assert due(store) == []


def test_copies_of_research_go_nowhere(store: Store) -> None:
    """De-identified copies are their project's."""
    route(store)
    came(store, data_set())
    store.sql("DELETE FROM errand")
    store.sql("UPDATE study SET pat = -5")
    heard(store, uid(1))
    assert due(store) == []
    assert to_send(store) == []


def test_several_routes_have_errands_of_their_own(store: Store) -> None:
    """Each route sends for itself, and a notice is another errand."""
    route(store, "a")
    route(store, "b", peer=None, url="https://pacs.example/dicomweb")
    route(store, "c", action=Action.NOTICE, peer="RIS")
    came(store, data_set())
    assert sorted(due(store)) == [
        ("notice", "RIS", uid(1), "c"),
        ("send", "PACS", uid(1), "a"),
        ("send", "https://pacs.example:443", uid(1), "b"),
    ]


def test_cost_does_not_depend_on_the_number_of_studies(store: Store) -> None:
    """One statement without routes, three with them, whatever is heard of."""
    came(store, *(data_set(n) for n in range(1, 9)))
    for expected in (1, 3):
        with query_recorder() as recorded:
            heard(store, *(uid(n) for n in range(1, 9)))
        assert len(recorded) == expected
        route(store)


def test_route_is_kept_shown_and_removed(store: Store) -> None:
    """A route is what was said last of its name; with it goes what it has still to send."""
    route(store)
    said = route(store, modalities=("CT",), stations=("a*",), descriptions=("50%",), callers=("CT1",), quiet=7)
    assert store.run(routes()) == [said]
    assert [store.run(find("all", action)) for action in Action] == [said, None]
    came(store, data_set(StationName="A1", StudyDescription="50%"))
    assert len(due(store)) == 1
    store.run(remove(SYSTEM, "all"))
    assert (store.run(routes()), due(store)) == ([], [])
    with pytest.raises(HealixError) as raised:
        store.run(remove(SYSTEM, "all"))
    assert raised.value.category is Category.NOT_FOUND


BAD: list[dict[str, Any]] = [
    {"name": ""},
    {"name": "x" * 65},
    {"peer": None},
    {"url": "https://pacs.example"},
    {"peer": None, "url": "http://pacs.example"},
    {"peer": None, "url": "https://10.0.0.1"},
    {"peer": None, "url": "https://pacs.example", "action": Action.NOTICE},
    {"peer": None, "url": "https://pacs.example", "token": "a\nb"},
    {"token": "abc"},
    {"allow_private": True},
    {"quiet": -1},
    {"modalities": ("",)},
    {"stations": ("x" * 65,)},
    {"descriptions": ("a",) * 51},
    {"callers": ("a\0",)},
]


@pytest.mark.parametrize("changes", BAD, ids=str)
def test_routes_that_cannot_work_are_refused(store: Store, changes: dict[str, Any]) -> None:
    """A route to nowhere, to two places, to an internal address, or with what no attribute has, is refused."""
    with pytest.raises(HealixError) as raised:
        route(store, **changes)
    assert raised.value.category is Category.INVALID
    assert store.run(routes()) == []


def test_routes_are_for_who_sees_every_study(store: Store) -> None:
    """A route sends everybody's images: so it needs access to everybody's."""
    with pytest.raises(HealixError) as raised:
        store.run(put(caller("patient/ImagingStudy.r", pat=1), Route("x", peer="PACS")))
    assert raised.value.category is Category.FORBIDDEN


def test_trail_has_the_route_without_its_token(store: Store) -> None:
    """Who added a route that takes images out is in the trail; its secret is not."""
    route(store, peer=None, url="https://pacs.example", token="secret-word")
    ((subtype, query),) = store.sql("SELECT subtype, query FROM audit_event")
    assert subtype == "route"
    assert "pacs.example" in query
    assert "secret-word" not in query
