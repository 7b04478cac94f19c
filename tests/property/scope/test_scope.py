"""The algebra of scopes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from smart_auth.access import EVERYTHING, NOTHING, AccessContext
from smart_auth.scope import Permission, Scope, contexts, parse
from smart_auth.shared import LOOKING, SHARED_TYPES

TYPES = ("Patient", "Observation", "Practitioner", "Basic")
V2 = {"read": "rs", "write": "cud", "*": "cruds"}

letters = st.sets(st.sampled_from("cruds"), min_size=1).map(lambda chosen: "".join(c for c in "cruds" if c in chosen))
places = st.tuples(st.sampled_from(("patient", "user", "system")), st.sampled_from((*TYPES, "*")))
words = st.tuples(places, letters).map(lambda parts: f"{parts[0][0]}/{parts[0][1]}.{parts[1]}")
asked = st.tuples(st.sampled_from(TYPES), st.sampled_from(list(Permission)))


@given(places, st.sampled_from(sorted(V2)))
def test_versions_are_equal(place: tuple[str, str], permission: str) -> None:
    """A version 1 scope is its version 2 equivalent."""
    context, type_name = place
    assert parse(f"{context}/{type_name}.{permission}") == parse(f"{context}/{type_name}.{V2[permission]}")


@given(st.lists(words), st.lists(words), asked)
def test_more_scopes_open_no_less(first: list[str], second: list[str], ask: tuple[str, Permission]) -> None:
    """Scopes are monotone: a further one never closes what another opens, and adds only what it opens alone."""
    alone = contexts(parse(" ".join(first)), *ask)
    added = contexts(parse(" ".join(second)), *ask)
    assert contexts(parse(" ".join(first + second)), *ask) == alone | added


@given(st.lists(words), asked)
def test_splitting_letters_changes_nothing(chosen: list[str], ask: tuple[str, Permission]) -> None:
    """A scope of several letters equals one scope for each letter."""
    split = [f"{word.rsplit('.', 1)[0]}.{letter}" for word in chosen for letter in word.rsplit(".", 1)[1]]
    assert contexts(parse(" ".join(chosen)), *ask) == contexts(parse(" ".join(split)), *ask)


@given(st.lists(words), asked)
def test_predicate_follows_scopes(chosen: list[str], ask: tuple[str, Permission]) -> None:
    """No row without a scope for it; every row only by a system scope, or to look at a type that describes no patient.

    What describes no patient is changed by a system scope or not at all.
    """
    scopes: frozenset[Scope] = parse(" ".join(chosen))
    predicate = AccessContext(scopes, patient="p", pat=1, practitioner="d").predicate(*ask, "r")
    opened = {context.value for context in contexts(scopes, *ask)}
    shared, looking = ask[0] in SHARED_TYPES, ask[1] in LOOKING
    everything = "system" in opened or (bool(opened) and shared and looking)
    assert (predicate == EVERYTHING) == everything
    assert (predicate == NOTHING) == (not opened or (shared and not everything))


@given(st.lists(words))
def test_scopes_are_written_as_they_are_read(chosen: list[str]) -> None:
    """The text of scopes opens exactly what they open."""
    scopes = parse(" ".join(chosen))
    assert parse(" ".join(map(str, scopes))) == scopes
