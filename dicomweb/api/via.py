"""Through which servers the instances of a request have come, as its `Via` fields say.

Other servers of this kind name themselves there, so that routes between them do not send in circles. Proxies may be
among the names: they do no harm.

Spec: RFC 9110 7.6.3
"""

from __future__ import annotations

from collections.abc import Sequence

MOST = 16
LONGEST = 255


def via(fields: Sequence[str]) -> tuple[str, ...]:
    """The names in order, at most `MOST`; what is too long or no name is passed over."""
    entries = [entry.split() for field in fields for entry in field.split(",")]
    names = [parts[1] for parts in entries if len(parts) > 1]
    return tuple(name for name in names if len(name) <= LONGEST and name.isascii() and name.isprintable())[:MOST]
