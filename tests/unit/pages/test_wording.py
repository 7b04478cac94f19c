"""Templates in other languages."""

from __future__ import annotations

import pytest

from healix_fhir.pages.render import TEMPLATES
from healix_fhir.pages.wording import messages, rewritten, unlike


@pytest.mark.parametrize("path", sorted(TEMPLATES.rglob("*.html")), ids=lambda path: path.name)
def test_without_words_a_template_stays_as_it_is(path: object) -> None:
    """Taking a template apart loses nothing."""
    source = path.read_text(encoding="utf-8")  # type: ignore[attr-defined]
    assert rewritten(source, lambda message: message) == source


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("<h1>Sign in</h1>", ["Sign in"]),
        ("<p>\n  Two\n  lines.\n</p>", ["Two lines."]),
        ('<p><a href="/x">{% if own %}Mine{% else %}All{% endif %}</a></p>', ["Mine", "All"]),
        ('<p>Go <a href="{{ x }}">there</a> or <a href="/y">back</a>.</p>', ["Go <a>there</a> or <a2>back</a>."]),
        ('<li>born <time datetime="{{ x }}">{{ x | day }}</time> in {{ one.at }}</li>', ["born {time} in {at}"]),
        ('<nav><a href="/x">Users</a>\n <a href="/y">Apps</a></nav>', ["Users", "Apps"]),
        ("<p>{{ a.name }} and {{ b.name }}, {{ a.name }}</p>", ["{name} and {name2}, {name}"]),
        ('<nav aria-label="Pages of {{ what }}"><input placeholder="Name"></nav>', ["Pages of {what}", "Name"]),
        ('<p>{{ say("Yes") if x else say("No, {n}", n=3) }}</p>', ["Yes", "No, {n}"]),
        ("<p>{{ name }} · {{ 3 }}</p>{# A comment #}<!-- Another -->", []),
    ],
)  # fmt: skip
def test_messages_are_whole_sentences(source: str, found: list[str]) -> None:
    """Names stand for expressions, tags of a sentence stay in it; statements and other tags end a message."""
    assert messages(source) == found


def test_a_translation_may_turn_a_sentence_around() -> None:
    """Expressions and attributes follow their names, wherever those stand."""
    words = {"Go <a>there</a> with {name}": "Mit {name} <a>dorthin</a> gehen", "Menu": "Menü"}
    source = '<p aria-label="Menu">\n Go <a href="/x">there</a> with {{ one.name }}</p>'
    assert rewritten(source, words.__getitem__) == (
        '<p aria-label="Menü">\n Mit {{ one.name }} <a href="/x">dorthin</a> gehen</p>'
    )


@pytest.mark.parametrize(
    ("words", "same"), [("{a} <b>x</b>", True), ("<b>x</b> {a}", True), ("{b} <b>x</b>", False), ("{a} x", False)]
)
def test_names_and_tags_are_compared(words: str, same: bool) -> None:
    """A translation that loses or invents one is told."""
    assert (unlike("{a} <b>y</b>", words) == "") is same
