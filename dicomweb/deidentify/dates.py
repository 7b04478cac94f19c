"""Dates moved by whole days, so that the intervals between those of one patient stay as they are.

Spec: PS3.15 E.3.6 (2026c), PS3.5 6.2 for DA and DT
"""

from __future__ import annotations

import re
from datetime import date, timedelta

DATE = re.compile(r"(\d{4})(\d{2})?(\d{2})?")
REST = {"DA": re.compile(""), "DT": re.compile(r"(\d{2}(\d{2}(\d{2}(\.\d{1,6})?)?)?)?([+-]\d{4})?")}
"""What may stand behind a date, by representation. What else does may be a date too, and would not be moved."""
OLD_DATE = re.compile(r"(\d{4})\.(\d{2})\.(\d{2})")


def shifted(value: str, days: int, vr: str) -> str | None:
    """A value of DA or DT `days` earlier, with time and zone as they are; None for what is no date.

    What has no day or month is moved from the first one there is, and has none afterwards.
    """
    text = value.strip()
    if old := OLD_DATE.fullmatch(text):  # as ACR-NEMA wrote them
        text = "".join(old.groups())
    found = DATE.match(text)
    if found is None or not REST[vr].fullmatch(text, found.end()):
        return None
    year, month, day = found.groups()
    try:
        moved = date(int(year), int(month or 1), int(day or 1)) - timedelta(days=days)
    except (ValueError, OverflowError):
        return None
    whole = f"{moved:%Y%m%d}".rjust(8, "0")
    return whole[: found.end()] + text[found.end() :]
