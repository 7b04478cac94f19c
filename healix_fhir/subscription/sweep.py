"""Removes what subscriptions no longer need, and ends those whose writers have lost their access since."""

from __future__ import annotations

from healix_fhir.kernel.database import Statement, Work
from healix_fhir.subscription.standing import ENDED, STANDING
from healix_fhir.subscription.status import stop


def sweep(bases: tuple[str, ...], hours: int) -> Work[int]:
    """Forget events older than `hours`; how many subscriptions were turned off."""
    yield Statement("DELETE FROM subscription_event WHERE at < now() - make_interval(hours => %s)", (hours,))
    yield Statement("DELETE FROM subscription_binding WHERE expires < now()")
    rows = yield Statement(f"SELECT s.id FROM subscription s WHERE s.state <> 'off' AND NOT ({STANDING})")
    over = [id_ for (id_,) in rows]
    if over:
        yield from stop(dict.fromkeys(over, ("off", ENDED)), bases)
    return len(over)
