"""Full text against reading every text: random words, phrases, alternatives and exclusions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.property.search.question import Question
from tests.property.search.store import Store
from tests.support.examples import examples

pytestmark = pytest.mark.spec("FHIR R4 search.html#content")

VOCABULARY = ("bone", "Liver", "metástases", "or", "7", "肝")
FOLDED = {"Liver": "liver", "metástases": "metastases"}
SEPARATORS = (" ", "-", ", ", "<br/>", " <b>&amp;</b> ")
Holds = Callable[[Sequence[str]], bool]
Asked = tuple[str, Holds]


def folded(word: str) -> str:
    """The word as any spelling of it compares."""
    return FOLDED.get(word, word)


def has(words: Sequence[str], text: Sequence[str]) -> bool:
    """The words stand one after the other in the text."""
    return any(list(text[at : at + len(words)]) == list(words) for at in range(len(text)))


WORDS = st.lists(st.sampled_from(VOCABULARY), min_size=1, max_size=3)
PHRASES: st.SearchStrategy[Asked] = WORDS.map(
    lambda words: (f'"{" ".join(words)}"', lambda text: has(list(map(folded, words)), text))
)


def joined(sign: str, every: bool) -> Callable[[list[Asked]], Asked]:
    """Several questions as one: all of them hold, or any."""

    def join(parts: list[Asked]) -> Asked:
        number = all if every else any
        return f"({sign.join(text for text, _ in parts)})", lambda words: number(holds(words) for _, holds in parts)

    return join


def without(pair: tuple[Asked, Asked]) -> Asked:
    """The first and not the second."""
    (wanted, holds), (unwanted, excluded) = pair
    return f"({wanted} -{unwanted})", lambda words: holds(words) and not excluded(words)


QUESTIONS = st.recursive(
    PHRASES,
    lambda inner: st.one_of(
        st.lists(inner, min_size=2, max_size=3).map(joined(" ", every=True)),
        st.lists(inner, min_size=2, max_size=3).map(joined(" OR ", every=False)),
        st.tuples(inner, inner).map(without),
    ),
    max_leaves=6,
)
TEXTS = st.lists(
    st.lists(st.tuples(st.sampled_from(VOCABULARY), st.sampled_from(SEPARATORS)), max_size=6), min_size=1, max_size=6
)


def resource(number: int, text: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """A Basic resource with the text as its narrative, if it has any."""
    made: dict[str, Any] = {"resourceType": "Basic", "id": f"b{number}", "code": {"text": "x"}}
    if text:
        content = "".join(word + separator for word, separator in text)
        made["text"] = {"status": "additional", "div": f'<div xmlns="http://www.w3.org/1999/xhtml">{content}</div>'}
    return made


def among(ids: set[str], found: dict[str, Any]) -> bool:
    """The resource is one of these."""
    return found["id"] in ids


@settings(max_examples=examples(30), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(TEXTS, st.lists(QUESTIONS, min_size=1, max_size=4))
def test_the_same_is_found_as_by_reading(
    store: Store, texts: list[list[tuple[str, str]]], questions: list[Asked]
) -> None:
    """Whatever the texts and the question, in the narrative and in the whole resource."""
    words = {f"b{number}": [folded(word) for word, _ in text] for number, text in enumerate(texts)}
    store.settle([resource(number, text) for number, text in enumerate(texts)])
    for asked, holds in questions:
        found = {id_ for id_, text in words.items() if text and holds(text)}
        for name in ("_text", "_content"):
            store.check(Question("Basic", name, asked, partial(among, found)))
