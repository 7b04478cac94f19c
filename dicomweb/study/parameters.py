"""The query parameters of QIDO-RS, parsed.

A server ignores what it does not support. An attribute of the standard that is not indexed is ignored as a condition,
and named in a warning; what is neither an attribute nor a parameter is refused here, and ignored with a warning over
HTTP (dicomweb/api/unsupported.py).

Spec: PS3.18 8.3, 8.3.4 and 10.6.1.2 (2024d)
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import timedelta

from dicomweb.index import moments, naming
from dicomweb.index.attributes import Level
from dicomweb.index.further import BUILT_IN, Catalogue
from dicomweb.study.query import LIMIT, How, Query, sortable
from dicomweb.whole import whole
from healix_fhir.kernel.errors import invalid

MOST_NAMES = 256
"""Attributes that one request names."""
ZONE = "TimezoneOffsetFromUTC"
MOST_ORDERS = 8
STEERING = ("limit", "offset", "fuzzymatching", "emptyvaluematching", "multiplevaluematching", "orderby")


def parse(
    level: Level,
    params: Sequence[tuple[str, str]],
    *,
    within: Sequence[tuple[str, str]] = (),
    catalogue: Catalogue = BUILT_IN,
) -> Query:
    """A search of what `catalogue` has from query parameters: attributes by keyword or tag, and those that steer it.

    `within` are keys from the path, e.g. `(("StudyInstanceUID", uid),)`. Raises Invalid, naming it, for what is
    malformed, unknown, or there twice.
    """
    creators = {name.upper(): value for name, value in params if naming.is_creator(name)}
    steering = {name: value for name, value in params if name in STEERING}
    fields = [field.strip() for name, value in params if name == "includefield" for field in value.split(",")]
    names = [field for field in fields if field not in ("", "all")]
    given = [(name, value) for name, value in params if name not in (*STEERING, *creators, "includefield")]
    if len(names) + len(given) > MOST_NAMES:
        raise invalid(f"a search names at most {MOST_NAMES} attributes", code="too-costly")
    keys = [(naming.canonical(name, creators), value) for name, value in given]
    _once([name for name, _ in params if name in STEERING])
    _once([name for name, _ in keys])
    found = Query(
        level,
        (*within, *keys),
        include=tuple(naming.canonical(name, creators) for name in names),
        include_all="all" in fields,
        below=len(within),
        how=How(
            fuzzy=_boolean(steering, "fuzzymatching"),
            empty=_boolean(steering, "emptyvaluematching"),
            multiple=_boolean(steering, "multiplevaluematching"),
            zone=_zone(keys),
        ),
        limit=min(whole("limit", steering.get("limit", str(LIMIT))), LIMIT),
        offset=whole("offset", steering.get("offset", "0")),
        catalogue=catalogue,
        order=_order(level, steering["orderby"], creators) if "orderby" in steering else (),
    )
    _ = found.conditions  # a malformed value is refused before anything is asked
    return found


def _once(names: Sequence[str]) -> None:
    """Refuse what is given twice: the standard has no meaning for it."""
    for name, times in Counter(names).items():
        if times > 1:
            raise invalid(f"'{name[: naming.SHOWN]}' is given more than once", code="structure")


def _boolean(steering: Mapping[str, str], name: str) -> bool:
    value = steering.get(name, "false").lower()
    if value not in ("true", "false"):
        raise invalid(f"{name} must be true or false", code="value")
    return value == "true"


def _order(level: Level, value: str, creators: naming.Creators) -> tuple[tuple[str, bool], ...]:
    """Names separated by commas, descending ones after a hyphen: `orderby=-StudyDate,PatientID`."""
    parts = [part.strip() for part in value.split(",")]
    if len(parts) > MOST_ORDERS:
        raise invalid(f"orderby takes at most {MOST_ORDERS} attributes", code="too-costly")
    found = [(naming.canonical(part.removeprefix("-"), creators), part.startswith("-")) for part in parts]
    for name, _ in found:
        sortable(level, name)
    return tuple(found)


def _zone(keys: Sequence[tuple[str, str]]) -> timedelta | None:
    """The zone that the dates and times of the query are in. Spec: PS3.18 10.6.1.2.3 (2024d)"""
    value = dict(keys).get(ZONE, "").strip()
    try:
        return moments.offset(value) if value else None
    except moments.MalformedError as error:
        raise invalid(f"the value of {ZONE} is no offset from UTC, such as +0100", code="value") from error
