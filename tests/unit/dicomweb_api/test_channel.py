"""The pieces of the channel that need no socket."""

from __future__ import annotations

from typing import Any, cast

import pytest

from dicomweb.api.channel import MOST, MOST_OF_ONE, Channels, with_token
from dicomweb.workitem.announce import LONGEST, named
from dicomweb.workitem.subscribers import title
from healix_fhir.kernel.audit import Origin
from healix_fhir.kernel.errors import Category, HealixError
from smart_auth.access import AccessContext
from smart_auth.scope import parse

NOTHING = cast("Any", None)


@pytest.mark.parametrize(
    ("headers", "offered", "expected"),
    [
        ({}, [], None),
        ({}, ["healix.events"], None),
        ({}, ["healix.events", "healix.bearer.abc"], b"Bearer abc"),
        ({b"authorization": b"Bearer own"}, ["healix.bearer.abc"], b"Bearer own"),
    ],
)
def test_a_token_comes_as_a_header_or_as_a_subprotocol(
    headers: dict[bytes, bytes], offered: list[str], expected: bytes | None
) -> None:
    """The header wins."""
    assert with_token(dict(headers), offered).get(b"authorization") == expected


@pytest.mark.spec("PS3.5 6.2")
@pytest.mark.parametrize("text", ["A", " WATCH ", "A B", "x" * 16, "a/b"])
def test_an_ae_title_is_taken_without_its_padding(text: str) -> None:
    """Spaces at both ends mean nothing."""
    assert title(text) == text.strip()


@pytest.mark.parametrize("text", ["", " ", "x" * 17, "a\\b", "a\nb", "ä", "a\0"])
def test_what_is_no_ae_title_is_refused(text: str) -> None:
    """By name."""
    with pytest.raises(HealixError, match="no AE title"):
        title(text)


def test_channels_are_counted_for_each_and_for_all() -> None:
    """Beyond either limit a further one is refused as busy, and those that end make room."""
    channels = Channels(NOTHING, NOTHING, NOTHING, "")

    def caller(name: str) -> AccessContext:
        return AccessContext(parse("system/*.cruds"), Origin(client=name))

    opened = [channels.counted(caller("one")) for _ in range(MOST_OF_ONE)]
    for each in opened:
        each.__enter__()
    with pytest.raises(HealixError) as refused, channels.counted(caller("one")):
        pass
    assert refused.value.category is Category.BUSY
    with channels.counted(caller("two")):
        pass
    opened.pop().__exit__(None, None, None)
    with channels.counted(caller("one")):
        pass
    channels.open["many", None] = MOST
    with pytest.raises(HealixError), channels.counted(caller("three")):
        pass


def test_a_notification_names_its_receivers_as_far_as_it_can() -> None:
    """Too many are not named: whoever hears of it looks."""
    assert named(["A", "B C"]) == "A\\B C"
    assert named(["x" * 16] * (LONGEST // 16)) == ""
