"""JSON Patch against a naive model: places as paths of keys, documents as the sets of what is at each place."""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from healix_fhir.kernel.errors import HealixError
from healix_fhir.model.json import encode
from healix_fhir.model.patch.json_patch import apply, read
from tests.support.examples import examples

KEYS = st.sampled_from(["a", "b", "/", "~", "", "0"])
LEAVES = st.one_of(st.integers(-2, 2), st.booleans(), st.none(), st.sampled_from(["", "x"]))
VALUES = st.recursive(
    LEAVES, lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(KEYS, inner, max_size=3)), max_leaves=8
)
DOCUMENTS = st.dictionaries(KEYS, VALUES, min_size=1, max_size=4)
TOKENS = st.lists(st.one_of(KEYS, st.sampled_from(["0", "1", "2", "-", "01"])), max_size=3)


class RefusedError(Exception):
    """The naive model cannot do it."""


def pointer(tokens: list[str]) -> str:
    """A JSON Pointer, written from scratch."""
    return "".join("/" + token.replace("~", "~0").replace("/", "~1") for token in tokens)


def get(value: Any, tokens: list[str]) -> Any:
    """What is at a place."""
    for token in tokens:
        if isinstance(value, dict) and token in value:
            value = value[token]
        elif isinstance(value, list) and token in [str(n) for n in range(len(value))]:
            value = value[int(token)]
        else:
            raise RefusedError
    return value


def rebuilt(value: Any, tokens: list[str], change: Any) -> Any:
    """A new document in which `change` (container, last token) has made a new container of the parent."""
    if len(tokens) == 1:
        return change(value, tokens[0])
    inner = rebuilt(get(value, tokens[:1]), tokens[1:], change)
    if isinstance(value, dict):
        return {**value, tokens[0]: inner}
    return [inner if str(n) == tokens[0] else item for n, item in enumerate(value)]


def added(value: Any, tokens: list[str], new: Any) -> Any:
    """RFC 6902 4.1."""

    def change(parent: Any, token: str) -> Any:
        if isinstance(parent, dict):
            return {**parent, token: new}
        if isinstance(parent, list):
            places = [*map(str, range(len(parent) + 1)), "-"]
            if token in places:
                at = min(places.index(token), len(parent))
                return [*parent[:at], new, *parent[at:]]
        raise RefusedError

    return rebuilt(value, tokens, change) if tokens else new


def removed(value: Any, tokens: list[str]) -> Any:
    """RFC 6902 4.2."""

    def change(parent: Any, token: str) -> Any:
        get(parent, [token])
        if isinstance(parent, dict):
            return {key: item for key, item in parent.items() if key != token}
        return [item for n, item in enumerate(parent) if str(n) != token]

    return rebuilt(value, tokens, change) if tokens else None


def same(one: Any, other: Any) -> bool:
    """Equality that tells true from 1, by the way it is written."""
    return encode_sorted(one) == encode_sorted(other)


def encode_sorted(value: Any) -> str:
    """JSON with sorted members."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{key!r}:{encode_sorted(value[key])}" for key in sorted(value)) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(encode_sorted, value)) + "]"
    return repr(value)


def naive(value: Any, step: dict[str, Any]) -> Any:
    """One operation; `path` and `from` are lists of tokens."""
    path, source = step["path"], step.get("from", [])
    match step["op"]:
        case "add":
            return added(value, path, step["value"])
        case "remove":
            return removed(value, path)
        case "replace":
            get(value, path)
            return replaced(value, path, step["value"])
        case "move":
            moved = get(value, source)
            return added(removed(value, source), path, moved)
        case "copy":
            return added(value, path, copy.deepcopy(get(value, source)))
        case _:
            if not same(get(value, path), step["value"]):
                raise RefusedError
            return value


def replaced(value: Any, tokens: list[str], new: Any) -> Any:
    """RFC 6902 4.3."""

    def change(parent: Any, token: str) -> Any:
        if isinstance(parent, dict):
            return {**parent, token: new}
        return [new if str(n) == token else item for n, item in enumerate(parent)]

    return rebuilt(value, tokens, change) if tokens else new


@st.composite
def steps(draw: st.DrawFn) -> dict[str, Any]:
    """A well-formed operation."""
    op = draw(st.sampled_from(["add", "remove", "replace", "move", "copy", "test"]))
    step: dict[str, Any] = {"op": op, "path": draw(TOKENS)}
    if op in ("add", "replace", "test"):
        step["value"] = draw(VALUES)
    if op in ("move", "copy"):
        step["from"] = draw(TOKENS)
        if op == "move" and step["path"][: len(step["from"])] == step["from"]:
            step["from"] = step["path"]
    return step


def full(value: Any) -> bool:
    """Whether no container in `value` is empty."""
    if isinstance(value, dict | list):
        return bool(value) and all(full(item) for item in (value.values() if isinstance(value, dict) else value))
    return True


@settings(max_examples=examples(200), deadline=None)
@given(document=DOCUMENTS, listed=st.lists(steps(), min_size=1, max_size=4))
def test_a_patch_does_what_the_naive_model_does(document: dict[str, Any], listed: list[dict[str, Any]]) -> None:
    """Any patch gives the naive model's document, or is refused where the model refuses; what it empties aside."""
    written = [{key: pointer(v) if key in ("path", "from") else v for key, v in step.items()} for step in listed]
    expected: Any = document
    try:
        for step in listed:
            expected = naive(expected, step)
    except RefusedError:
        expected = None
    if not isinstance(expected, dict):
        expected = None
    try:
        made = apply(copy.deepcopy(document), read(encode(written)))
    except HealixError:
        made = None
    if expected is None or full(expected):
        assert (made is None) == (expected is None)
        assert same(made, expected)
    else:
        assert made is not None


@settings(max_examples=examples(100), deadline=None)
@given(document=DOCUMENTS, place=TOKENS, value=VALUES)
def test_adding_and_removing_undo_each_other(document: dict[str, Any], place: list[str], value: Any) -> None:
    """What is added where nothing was, and removed again, leaves the document as it was."""
    before = copy.deepcopy(document)
    try:
        get(document, place)
    except RefusedError:
        pass
    else:
        return
    add = {"op": "add", "path": pointer(place), "value": value}
    last = place[-1] if place else ""
    try:
        apply(copy.deepcopy(document), read(encode([add])))
    except HealixError:
        return
    if last == "-" and isinstance(get(document, place[:-1]), list):
        place = [*place[:-1], str(len(get(document, place[:-1])))]
    if full(before):
        undone = [add, {"op": "remove", "path": pointer(place)}]
        assert same(apply(copy.deepcopy(document), read(encode(undone))), before)
