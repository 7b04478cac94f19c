"""A document sent by a link: the secret in the mail opens it together with the patient's birth date.

The secret is random, is made when the mail is sent and kept as a hash. A link ends with its time, with its uses, when
it is taken back, and for good after `TRIES` wrong birth dates. It opens what who sent it may see at that moment: who
loses sight of a document, or whose account is closed, has no links to it any more.

Spec: OWASP ASVS 5.0 6.4.1, 6.5 (random, time-limited, single use); NIST SP 800-63B-4 3.2.2 (limited guesses)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec

from healix_fhir.kernel import ids
from healix_fhir.kernel.audit import AuditRow, Origin, record
from healix_fhir.kernel.database import Statement, Work
from healix_fhir.kernel.errors import Category, HealixError, invalid
from healix_fhir.kernel.language.catalogue import counted, say
from healix_fhir.kernel.language.spoken import speaking
from healix_fhir.kernel.mail.message import SECRET, Mail, mail_address
from healix_fhir.kernel.mail.queue import post
from smart_auth.access import AccessContext
from smart_auth.account.home import Home
from smart_auth.denial import REFUSED
from smart_auth.store import digest

TRIES = 5
"""Wrong birth dates after which a link is locked for good."""
DAYS = (1, 7, 30)
"""Days for which a link may be good."""
USES = 20
"""How often a link opens that is not for one time alone."""
OPEN_AT_ONCE = 20
"""Links to one document that are good at the same time."""
PREFIX = "document-link:"
"""What the tickets of their mails begin with."""
WORD = "document-link"
ADDRESS = "/account/document"
_GOOD = "revoked IS NULL AND expires > now() AND uses > 0 AND tries < %s"


class Link(msgspec.Struct, frozen=True):
    """A link as who sent it sees it. `state` is one of waiting, open, used, over, locked, taken back."""

    id: str
    document: str
    recipient: str
    created: datetime
    expires: datetime
    state: str


class Door(msgspec.Struct, frozen=True):
    """What a link leads to, and in whose name."""

    id: str
    document: str
    patient: str
    account: str
    access: Mapping[str, str | None]


def send(
    access: AccessContext, document: str, patient: str, to: str, days: int, *, once: bool, home: Home
) -> Work[None]:
    """Send a link to a document of a patient, which the caller has read. Raises Invalid, Busy for too many links.

    Who has an account with the address is written to in their language, others in the clinic's.
    """
    recipient = mail_address(to)
    if days not in DAYS:
        raise invalid(f"a link is good for {', '.join(map(str, DAYS))} days")
    rows = yield Statement(f"SELECT count(*) FROM document_link WHERE document = %s AND {_GOOD}", (document, TRIES))
    if rows[0][0] >= OPEN_AT_ONCE:
        raise HealixError(Category.BUSY, f"{OPEN_AT_ONCE} links to this document are good: take one back")
    id_ = ids.logical_id()
    yield Statement(
        """INSERT INTO document_link (id, document, patient, account, access, recipient, expires, uses)
           VALUES (%s, %s, %s, %s, %s, %s, now() + make_interval(days => %s), %s)""",
        (
            id_,
            document,
            patient,
            access.origin.account,
            msgspec.json.encode(access.captured()),
            recipient,
            days,
            1 if once else USES,
        ),
    )
    yield record([_row(access.origin, "C", patient, document)])
    theirs = yield from home.spoken_at(recipient)
    with speaking(theirs):
        letter = _mail(home.root, recipient, days, id_)
    yield post([letter])


def links(access: AccessContext, documents: Sequence[str]) -> Work[list[Link]]:
    """The links to documents that the caller has sent, the newest first."""
    rows = yield Statement(
        """SELECT id, document, recipient, created, expires,
             CASE WHEN revoked IS NOT NULL THEN 'taken back' WHEN tries >= %s THEN 'locked'
                  WHEN uses <= 0 THEN 'used' WHEN expires <= now() THEN 'over'
                  WHEN hash IS NULL THEN 'waiting' ELSE 'open' END
           FROM document_link WHERE account = %s AND document = ANY(%s) ORDER BY created DESC LIMIT 200""",
        (TRIES, access.origin.account, list(documents)),
    )
    return [Link(*row) for row in rows]


def take_back(access: AccessContext, id_: str) -> Work[None]:
    """End a link that the caller has sent; nothing happens to any other."""
    rows = yield Statement(
        """UPDATE document_link SET revoked = now() WHERE id = %s AND account = %s AND revoked IS NULL
           RETURNING patient, document""",
        (id_, access.origin.account),
    )
    if rows:
        yield record([_row(access.origin, "D", *rows[0])])


def renew(tickets: Sequence[str]) -> Work[Mapping[str, str]]:
    """A fresh secret for each link that is still good, by the ticket of its mail; an earlier secret is worthless."""
    secrets = {one.removeprefix(PREFIX): ids.secret() for one in tickets}
    rows = yield Statement(
        f"""UPDATE document_link t SET hash = x.hash FROM unnest(%s::text[], %s::bytea[]) AS x (id, hash)
            WHERE t.id = x.id AND {_GOOD} RETURNING t.id""",
        (list(secrets), [digest(secret) for secret in secrets.values()], TRIES),
    )
    return {f"{PREFIX}{id_}": secrets[id_] for (id_,) in rows}


def knock(secret: str) -> Work[Door]:
    """Count a try at a link. Raises NotFound for one that is not good, whatever the reason.

    The try is counted before it is known to be right, so that tries at once are no more tries.
    """
    rows = yield Statement(
        f"""UPDATE document_link d SET tries = tries + 1 FROM account a WHERE d.hash = %s AND {_GOOD}
            AND a.username = d.account AND NOT a.disabled
            RETURNING d.id, d.document, d.patient, d.account, d.access, a.role, a.fhir_user""",
        (digest(secret), TRIES),
    )
    if not rows:
        raise ended()
    id_, document, patient, account, captured, role, person = rows[0]
    access = msgspec.json.decode(captured)
    practitioner = access["practitioner"]
    if practitioner is not None and (role, person) != ("practitioner", f"Practitioner/{practitioner}"):
        raise ended()  # the account is somebody else's now
    return Door(id_, document, patient, account, access)


def refuse(door: Door, who: Origin) -> Work[None]:
    """Put a wrong birth date on record."""
    yield record([msgspec.structs.replace(_row(who, "R", door.patient, door.document), outcome=REFUSED)])


def enter(door: Door, who: Origin) -> Work[None]:
    """Use a link once. Raises NotFound where another was faster with its last use."""
    rows = yield Statement(
        "UPDATE document_link SET uses = uses - 1, tries = 0, opened = now() WHERE id = %s AND uses > 0 RETURNING 1",
        (door.id,),
    )
    if not rows:
        raise ended()
    yield record([_row(who, "R", door.patient, door.document)])


def sweep() -> Statement:
    """Forget links that ended a month ago."""
    return Statement("DELETE FROM document_link WHERE expires < now() - interval '30 days'")


def ended() -> HealixError:
    """The answer for a link that is not good."""
    return HealixError(
        Category.NOT_FOUND, "This link is not good any more, or never was. Ask who sent it for another one."
    )


def _row(who: Origin, action: str, patient: str, document: str) -> AuditRow:
    return AuditRow(who, action, WORD, patient=patient, entity=f"DocumentReference/{document}")


def _mail(root: str, to: str, days: int, id_: str) -> Mail:
    """A mail without anything of anybody: neither the name nor the number of a patient."""
    return Mail(
        to,
        say("A document for you"),
        say(
            """Somebody sends you a document by this link, which is good for
{until}:

  {link}

You are asked for the date of birth of the person whom it is about.

If you do not expect a document, ignore this mail.
""",
            until=counted(days, "{n} day", "{n} days"),
            link=f"{root}{ADDRESS}?link={SECRET}",
        ),
        f"{PREFIX}{id_}",
    )
