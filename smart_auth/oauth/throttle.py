"""The limit on password guessing, for each account, each address, and each account from one address.

A guess is counted before the password is looked at, with one atomic statement, so that guesses made at once cannot
pass the limit together. Unknown accounts are counted like known ones. IPv6 callers are counted by their /64.
"""

from __future__ import annotations

import ipaddress
import math

from healix_fhir.kernel.database import Statement, Work
from healix_fhir.kernel.errors import Category, HealixError
from smart_auth.store import digest

WINDOW = 900
PAIR, ACCOUNT, ADDRESS = 5, 50, 100
"""Failures within a window: of one account from one address, of one account, of one address."""


def attempt(username: str, address: str | None) -> Work[None]:
    """Count a guess; raises Busy when a limit is passed."""
    limits = dict(zip(_buckets(username, address), (PAIR, ACCOUNT, ADDRESS), strict=True))
    rows = yield Statement(
        """INSERT INTO login_attempt AS l (bucket, since, failures)
           SELECT b, now(), 1 FROM unnest(%s::bytea[]) AS b ORDER BY b
           ON CONFLICT (bucket) DO UPDATE SET
             failures = CASE WHEN l.since < now() - make_interval(secs => %s) THEN 1 ELSE l.failures + 1 END,
             since = CASE WHEN l.since < now() - make_interval(secs => %s) THEN now() ELSE l.since END
           RETURNING bucket, failures, extract(epoch FROM now() - since)::float8""",
        (list(limits), WINDOW, WINDOW),
    )
    passed = [WINDOW - age for bucket, failures, age in rows if failures > limits[bytes(bucket)]]
    if passed:
        pause = max(1, math.ceil(max(passed)))
        raise HealixError(
            Category.BUSY, f"too many failed attempts; try again in {math.ceil(pause / 60)} min", retry_after=pause
        )


def succeeded(username: str, address: str | None) -> Statement:
    """The guess was right: forget it, and all failures of this account from this address."""
    pair, *others = _buckets(username, address)
    return Statement(
        """WITH gone AS (DELETE FROM login_attempt WHERE bucket = %s)
           UPDATE login_attempt SET failures = greatest(failures - 1, 0) WHERE bucket = ANY(%s)""",
        (pair, others),
    )


def _buckets(username: str, address: str | None) -> tuple[bytes, bytes, bytes]:
    name, network = username.strip().lower(), _network(address)
    return digest(f"pair:{network} {name}"), digest(f"account:{name}"), digest(f"address:{network}")


def _network(address: str | None) -> str:
    try:
        parsed = ipaddress.ip_address(address or "")
    except ValueError:
        return address or ""
    if isinstance(parsed, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return str(parsed)
