"""Every mail and text message that the server sends is in the language that is spoken, whole."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from healix_fhir.care import break_glass_notice
from healix_fhir.care.alerts import telling as alerts
from healix_fhir.care.calendar import telling as appointments
from healix_fhir.care.reports import link
from healix_fhir.imaging.reporting import telling as results
from healix_fhir.kernel.language.catalogue import say
from healix_fhir.kernel.language.spoken import ENGLISH, LANGUAGES, speaking
from healix_fhir.kernel.mail.message import Mail
from healix_fhir.subscription.guide import Content
from healix_fhir.subscription.letter import letter
from smart_auth.account import mails
from smart_auth.administration.mails import choose_password
from smart_auth.oauth.factors.notices import SAID

ROOT, TO = "https://healix.test", "ada@example.org"
SOURCES = Path(__file__).parents[3]
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
Made = Callable[[], Mail]


def told(events: int) -> Mail:
    """The mail of a Subscription."""
    one = SimpleNamespace(id="7", content=Content.EMPTY, endpoint=TO)
    return letter(cast("Any", SimpleNamespace(one=one, events=(None,) * events)), f"{ROOT}/fhir")


def visit(what: str) -> Mail:
    """A mail, or text message, about an appointment."""
    subject, text = appointments._said(UTC, what, "2026-03-02T12:00:00Z", NOON)
    return Mail(TO, subject, f"{text}\n{say(appointments.WHERE, address=ROOT)}")


def result(words: tuple[str, str]) -> Mail:
    """A mail to who ordered images."""
    return Mail(TO, say(words[0]), say(words[1]))


MAILS: dict[str, list[Made]] = {
    "healix_fhir/care/alerts/telling.py": [
        lambda: alerts._letter(TO, ROOT, own=True),
        lambda: alerts._letter(TO, ROOT, own=False),
    ],
    "healix_fhir/care/break_glass_notice.py": [
        lambda: break_glass_notice._mail(TO, ROOT, own=True),
        lambda: break_glass_notice._mail(TO, ROOT, own=False),
    ],
    "healix_fhir/care/calendar/telling.py": [lambda: visit("reminder"), lambda: visit("offer")],
    "healix_fhir/care/reports/link.py": [lambda: link._mail(ROOT, TO, 1, "x"), lambda: link._mail(ROOT, TO, 7, "x")],
    "healix_fhir/imaging/reporting/telling.py": [
        lambda: result(results.NEW),
        lambda: result(results.URGENT),
        lambda: result(results.MISTAKE),
    ],
    "healix_fhir/subscription/letter.py": [lambda: told(1), lambda: told(2)],
    "smart_auth/account/mails.py": [
        lambda: mails.confirm_registration(ROOT, TO, "ada", "x"),
        lambda: mails.name_taken(ROOT, TO, "ada"),
        lambda: mails.has_account(ROOT, TO, "ada"),
        lambda: mails.new_password(ROOT, TO, "ada", "x"),
        lambda: mails.password_changed(ROOT, TO, "ada"),
        lambda: mails.confirm_address(ROOT, TO, "ada", "x"),
        lambda: mails.address_changed(ROOT, TO, "ada"),
        *(lambda what=what: mails.factors_changed(ROOT, TO, "ada", what.format(left=3)) for what in SAID),
    ],
    "smart_auth/administration/mails.py": [
        lambda: choose_password(ROOT, TO, "ada", "x", 3600),
        lambda: choose_password(ROOT, TO, "ada", "x", 7 * 86400),
    ],
}
"""The mails of each module that writes some."""


def test_every_mail_is_in_the_table() -> None:
    """No other module writes mails, or hands text messages on."""
    found = set()
    for folder in ("healix_fhir", "smart_auth", "dicomweb"):
        for path in (SOURCES / folder).rglob("*.py"):
            source = path.read_text(encoding="utf-8")
            if "Mail(" in source and any(map(_writes, ast.walk(ast.parse(source)))):
                found.add(str(path.relative_to(SOURCES)))
    assert found == MAILS.keys()


@pytest.mark.parametrize("language", [code for code in LANGUAGES if code != ENGLISH])
def test_no_mail_has_english_left(language: str) -> None:
    """Each line with words is another one than in English, and every name in it has its value."""
    for place, several in MAILS.items():
        for made in several:
            plain = made()
            with speaking(language):
                theirs = made()
            assert theirs.subject != plain.subject, place
            same = [line for line in _lines(theirs) if line in _lines(plain)]
            assert same == [], place
            assert not re.search(r"\{(?!secret\})\w+\}", theirs.text), place


def _writes(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Mail"


def _lines(mail: Mail) -> list[str]:
    """The lines of a mail that say something."""
    return [line for line in mail.text.splitlines() if line.strip() and not line.strip().startswith("https://")]
