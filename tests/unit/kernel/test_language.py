"""The language of a request, and what is said in it."""

from __future__ import annotations

import time
from datetime import date, datetime

import pytest

from healix_fhir.kernel.language import dates
from healix_fhir.kernel.language.catalogue import Words, _patterns, catalogue, counted, heard, say
from healix_fhir.kernel.language.spoken import LANGUAGES, accepted, language, speak, speaking


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("", "fr"),
        ("de", "de"),
        ("de-AT, en;q=0.5", "de"),
        ("en;q=0.5, es;q=0.9", "es"),
        ("it, hi;q=0.1", "hi"),
        ("it, zh", "fr"),
        ("de;q=0, *", "fr"),
        ("*;q=0.1, es;q=0.2", "es"),
        ("DE", "de"),
        ("de;q=2, es;q=x, en;q=0.001", "en"),
        ("de;q=0.5, de-AT", "de"),
        (";;;,,;q=,=", "fr"),
    ],
)
@pytest.mark.spec("RFC 9110 12.5.4")
def test_the_language_that_is_liked_best(header: str, language: str) -> None:
    """By weight, then by order; unknown, refused and malformed ranges lead to the default."""
    assert accepted(header, "fr") == language


def test_a_language_lasts_as_long_as_its_request() -> None:
    """One that is none of ours changes nothing."""
    with speaking("de"):
        speak("xx")
        assert language() == "de"
        speak("hi")
        assert language() == "hi"
    assert language() == "en"


def test_texts_are_said_with_their_values(monkeypatch: pytest.MonkeyPatch) -> None:
    """In words of the catalogue, in English where it has none; singular and plural as the language has them."""
    words = {"{n} day": "{n} jour", "{n} days": "{n} jours", "Yes": "Oui", "at most {most} bytes": "{most} octets"}
    monkeypatch.setattr("healix_fhir.kernel.language.catalogue.catalogue", lambda _: words)
    table = Words({"y": "Yes", "n": "No"})
    assert (say("Yes"), table["y"], counted(0, "{n} day", "{n} days")) == ("Yes", "Yes", "0 days")
    monkeypatch.setattr("healix_fhir.kernel.language.catalogue._patterns", _patterns.__wrapped__)  # remembers nothing
    with speaking("fr"):
        assert [counted(n, "{n} day", "{n} days") for n in (0, 1, 2)] == ["0 jour", "1 jour", "2 jours"]
        assert (table["y"], table["n"], table.get("z", "raw")) == ("Oui", "No", "raw")
        assert [heard(text) for text in ("Yes", "at most 7 bytes", "Else")] == ["Oui", "7 octets", "Else"]


def test_a_message_is_heard_whatever_stands_for_its_names() -> None:
    """Braces and words of the sentence among them; what lacks its end, or a value, is another sentence."""
    with speaking("de"):
        assert heard("That cannot be: write a number from 1 to {n} to 3 kg.") == (
            "Das kann nicht sein: Geben Sie eine Zahl von 1 bis {n} to 3 kg ein."
        )
        for text in ("That cannot be: write a number from 1 to 3 kg", "That cannot be: write a number from 1 to 3 ."):
            assert heard(text) == text


def test_what_somebody_sends_is_heard_in_no_time() -> None:
    """A message that quotes a long text, made to be like many sentences, takes no time that grows with its powers."""
    before = time.process_time()
    with speaking("de"):
        for again in (" from  to , ", ": seconds, from  to ", " from 1 to 2 "):
            heard(again * 100)
    assert time.process_time() - before < 2


def test_dates_have_the_form_of_the_language() -> None:
    """Days, months, years and moments, as text or as values."""
    found = {}
    for code in LANGUAGES:
        with speaking(code):
            found[code] = (dates.day("2026-03-09"), dates.long_day(date(2026, 3, 9)), dates.figure(7.5))
    assert found == {
        "en": ("2026-03-09", "Monday, 9 March 2026", "7.5"),
        "de": ("09.03.2026", "Montag, 9. März 2026", "7,5"),
        "es": ("09/03/2026", "lunes, 9 de marzo de 2026", "7,5"),
        "fr": ("09/03/2026", "lundi 9 mars 2026", "7,5"),
        "hi": ("09/03/2026", "सोमवार, 9 मार्च 2026", "7.5"),
    }
    with speaking("de"):
        assert [dates.day(one) for one in ("2026", "2026-03", "x-y", "", None)] == ["2026", "03/2026", "x-y", "", ""]
        assert dates.moment(datetime(2026, 3, 9, 7, 5)) == dates.moment("2026-03-09T07:05:11Z") == "09.03.2026 07:05"  # noqa: DTZ001


def test_catalogues_are_read_once() -> None:
    """A language that nobody speaks costs nothing, and one that is spoken is read from disk once."""
    assert catalogue("de") is catalogue("de")
