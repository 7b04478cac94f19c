"""Sends the mails that wait: claimed for a while, sent outside of any transaction, then settled.

A worker that dies leaves its claims to others; a reader may then get a mail twice, under the same Message-ID.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from psycopg import Connection

from healix_fhir.kernel.database import Row, run
from healix_fhir.kernel.log import get_logger
from healix_fhir.kernel.mail.message import Letter
from healix_fhir.kernel.mail.queue import ATTEMPTS, Tickets, claim, settle
from healix_fhir.kernel.mail.transport import NotSentError, Transport

log = get_logger("mail")

Failures = dict[int, NotSentError]


def mailer(transport: Transport, tickets: Tickets) -> Callable[[Connection[Row]], int]:
    """The step that sends due mails; `tickets` makes the secrets that they carry."""

    def send_due(connection: Connection[Row]) -> int:
        with connection.transaction():
            letters = run(connection, claim(tickets))
        if not letters:
            return 0
        failures = _send(transport, letters)
        sent = [one for one in letters if one.seq not in failures]
        refused = [one for one in letters if one.seq in failures and failures[one.seq].final]
        failed = [one for one in letters if one.seq in failures and not failures[one.seq].final]
        for one in failed + refused:
            over = one in refused or one.attempts >= ATTEMPTS
            log.warning(
                "mail not sent", mail=one.seq, attempts=one.attempts, given_up=over, reason=str(failures[one.seq])
            )
        with connection.transaction():
            run(connection, settle(sent, failed, refused))
        return len(letters)

    return send_due


def _send(transport: Transport, letters: Sequence[Letter]) -> Failures:
    """Send each; a server that is away fails all that are not sent yet."""
    failures: Failures = {}
    pending = list(letters)
    try:
        with transport.open() as line:
            while pending:
                try:
                    line.send(pending[0])
                except NotSentError as error:
                    failures[pending[0].seq] = error
                pending.pop(0)
    except NotSentError as error:
        failures |= {one.seq: error for one in pending}
    return failures
