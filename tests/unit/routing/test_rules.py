"""Patterns of routes, groups of a request, and the names in Via."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicomweb.api.via import LONGEST, MOST, via
from dicomweb.routing.outgoing import Outgoing
from dicomweb.routing.rules import like, plain
from dicomweb.routing.stow import HOPS, WEIGHT, authority, may_go, packets
from dicomweb.study.retrieve import Instance


@given(st.text(alphabet="ab*?%_\\", max_size=12))
def test_pattern_is_shown_as_it_was_given(pattern: str) -> None:
    """What is stored as a pattern of SQL comes back as it was written."""
    assert plain(like(pattern)) == pattern


@pytest.mark.parametrize(
    ("pattern", "stored"), [("CT*", "CT%"), ("C?", "C_"), ("50%", "50\\%"), ("a_b", "a\\_b"), ("a\\b", "a\\\\b")]
)
def test_only_star_and_question_mark_stand_for_others(pattern: str, stored: str) -> None:
    """The wildcards are those of DICOM; those of SQL stand for themselves."""
    assert like(pattern) == stored


def outgoing(number: int, size: int = 10, came: tuple[str, ...] = ()) -> Outgoing:
    """An instance to send."""
    return Outgoing(number, Instance("1", "1.1", f"1.1.{number}", "1.2", "1.2.840.10008.1.2.1", "key", size), came)


def test_requests_are_bounded() -> None:
    """Instances share a request up to its weight; a heavier one goes alone, and order stays."""
    sizes = (10, WEIGHT - 5, 10, 2 * WEIGHT, 10)
    groups = [[one.pk for one in group] for group in packets([outgoing(n, size) for n, size in enumerate(sizes)])]
    assert groups == [[0], [1], [2], [3], [4]]
    assert [len(group) for group in packets([outgoing(n) for n in range(30)])] == [30]


def test_instances_of_another_way_have_a_request_of_their_own() -> None:
    """A request says of all its instances through which servers they came."""
    instances = [outgoing(0), outgoing(1, came=("a:1",)), outgoing(2, came=("a:1",)), outgoing(3)]
    assert [[one.pk for one in group] for group in packets(instances)] == [[0], [1, 2], [3]]


@pytest.mark.spec("RFC 9110 7.6.3")
@pytest.mark.parametrize(
    ("came", "goes"),
    [((), True), (("b:1",), True), (("a:1",), False), (("b:1", "a:1"), False), (("b:1",) * HOPS, False)],
)
def test_nothing_goes_in_circles(came: tuple[str, ...], goes: bool) -> None:
    """Nothing is sent to a server that it came through, or through too many."""
    assert may_go(outgoing(1, came=came), "a:1") is goes


@pytest.mark.parametrize(
    ("url", "name"),
    [("https://pacs.example/dicomweb", "pacs.example:443"), ("http://192.0.2.1:8042/dicom-web/", "192.0.2.1:8042")],
)
def test_servers_are_known_by_host_and_port(url: str, name: str) -> None:
    """Whatever path a route names, it is the same server."""
    assert authority(url) == name


@pytest.mark.spec("RFC 9110 7.6.3")
@pytest.mark.parametrize(
    ("fields", "names"),
    [
        ([], ()),
        (["1.1 a:80"], ("a:80",)),
        (["1.0 fred, 1.1 p.example.net (Apache/1.1)", "HTTP/2 b"], ("fred", "p.example.net", "b")),
        (["nonsense", ",,", ""], ()),
        ([f"1.1 {'x' * (LONGEST + 1)}, 1.1 ü, 1.1 a"], ("a",)),
        (["1.1 a," * (MOST + 9)], ("a",) * MOST),
    ],
)
def test_names_in_via(fields: list[str], names: tuple[str, ...]) -> None:
    """The received-by names are taken in order, bounded, and nonsense does no harm."""
    assert via(fields) == names
