"""Routes: images of some kind go to a peer or a DICOMweb server by themselves, or a peer is told that they are here.

A route speaks of series: of their modality, station and description (that of the study counts too), and of who sent
them. Nothing goes back to where it came from. Routes are the operator's, so an address in a private network is allowed
where the operator says so for that route.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

import msgspec

from healix_fhir.kernel.audit import AuditRow, record
from healix_fhir.kernel.database import Statement, Work
from healix_fhir.kernel.endpoint import check_endpoint
from healix_fhir.kernel.errors import forbidden, invalid, not_found
from smart_auth.access import AccessContext
from smart_auth.scope import Permission

WORD = "route"
LONGEST_NAME, LONGEST_PATTERN, LONGEST_TOKEN, MOST_PATTERNS = 64, 64, 8000, 50
MOST = 100
"""Routes."""
LONGEST_QUIET = 86_400


class Action(StrEnum):
    """What a route does."""

    SEND = "send"
    NOTICE = "notice"


class Route(msgspec.Struct, frozen=True):
    """Where images go whose `modalities`, `stations`, `descriptions` (with `*` and `?`) and `callers` are these (empty:
    any), when no image has come to their study for `quiet` seconds. One of `peer` and `url` is set.
    """

    name: str
    action: Action = Action.SEND
    peer: str | None = None
    url: str | None = None
    token: str | None = None
    allow_private: bool = False
    modalities: Sequence[str] = ()
    stations: Sequence[str] = ()
    descriptions: Sequence[str] = ()
    callers: Sequence[str] = ()
    quiet: int = 30

    @property
    def receiver(self) -> str:
        """Who gets the images: an AE title, or the origin of a URL."""
        if self.peer is not None:
            return self.peer
        parts = check_endpoint(self.url or "", allow_private=True)
        return f"{'https' if parts.secure else 'http'}://{parts.host}:{parts.port}"


MATCHES = """(r.modalities IS NULL OR e.modality = ANY(r.modalities))
  AND (r.stations IS NULL OR e.station_name ILIKE ANY(r.stations))
  AND (r.descriptions IS NULL OR s.study_description ILIKE ANY(r.descriptions)
       OR e.series_description ILIKE ANY(r.descriptions))
  AND (r.callers IS NULL OR i.source = ANY(r.callers))
  AND (r.peer IS NULL OR i.source IS DISTINCT FROM r.peer)"""
"""Whether an instance `i` of the series `e` and the study `s` is the route `r`'s, and did not come from its peer."""

COLUMNS = "name, action, peer, url, token, allow_private, modalities, stations, descriptions, callers, quiet"


def put(access: AccessContext, route: Route) -> Work[None]:
    """Add a route, or put it in the place of the one of its name; audited without its token. Raises Invalid."""
    require(access)
    _check(route)
    rows = yield Statement(
        f"""INSERT INTO route AS r ({COLUMNS}) SELECT {", ".join(["%s"] * 11)}
            WHERE (SELECT count(*) FROM route WHERE name <> %s) < {MOST}
            ON CONFLICT (name) DO UPDATE SET action = excluded.action, peer = excluded.peer, url = excluded.url,
              token = excluded.token, allow_private = excluded.allow_private, modalities = excluded.modalities,
              stations = excluded.stations, descriptions = excluded.descriptions, callers = excluded.callers,
              quiet = excluded.quiet
            RETURNING name""",
        (
            route.name,
            route.action.value,
            route.peer,
            route.url,
            route.token,
            route.allow_private,
            list(route.modalities) or None,
            [like(one) for one in route.stations] or None,
            [like(one) for one in route.descriptions] or None,
            list(route.callers) or None,
            route.quiet,
            route.name,
        ),
    )
    if not rows:
        raise invalid(f"there are at most {MOST} routes", code="too-costly")
    yield record([AuditRow(access.origin, "U", WORD, query=msgspec.json.encode(shown(route)).decode())])


def remove(access: AccessContext, name: str) -> Work[None]:
    """Remove a route, and what it has not sent yet; audited. Raises NotFound."""
    require(access)
    wanted = name.replace("\0", "")
    rows = yield Statement("DELETE FROM route WHERE name = %s RETURNING name", (wanted,))
    if not rows:
        raise not_found(f"there is no route '{name[:LONGEST_NAME]}'")
    yield Statement("DELETE FROM errand WHERE kind IN ('send', 'notice') AND rule = %s", (wanted,))
    yield record([AuditRow(access.origin, "D", WORD, query=wanted)])


def routes() -> Work[list[Route]]:
    """The routes, by name."""
    rows = yield Statement(f"SELECT {COLUMNS} FROM route ORDER BY name")
    return [_route(*row) for row in rows]


def find(name: str, action: Action) -> Work[Route | None]:
    """The route of that name, as long as it does that: it may have been replaced since it asked for an errand."""
    rows = yield Statement(f"SELECT {COLUMNS} FROM route WHERE name = %s AND action = %s", (name, action.value))
    return _route(*rows[0]) if rows else None


def shown(route: Route) -> dict[str, object]:
    """A route without its token."""
    plain: dict[str, object] = msgspec.to_builtins(route)
    return {**plain, "token": route.token is not None}


def like(pattern: str) -> str:
    """A pattern with `*` and `?` as one of SQL's."""
    escaped = pattern.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return escaped.replace("*", "%").replace("?", "_")


def plain(pattern: str) -> str:
    """What `like` was made of."""
    back = pattern.replace("\\\\", "\0").replace("\\%", "\1").replace("\\_", "\2")
    back = back.replace("%", "*").replace("_", "?")
    return back.replace("\0", "\\").replace("\1", "%").replace("\2", "_")


def _route(
    name: str,
    action: str,
    peer: str | None,
    url: str | None,
    token: str | None,
    allow_private: bool,
    modalities: list[str] | None,
    stations: list[str] | None,
    descriptions: list[str] | None,
    callers: list[str] | None,
    quiet: int,
) -> Route:
    return Route(
        name,
        Action(action),
        peer,
        url,
        token,
        allow_private,
        tuple(modalities or ()),
        tuple(map(plain, stations or ())),
        tuple(map(plain, descriptions or ())),
        tuple(callers or ()),
        quiet,
    )


def _check(route: Route) -> None:
    check_name(route.name, "route")
    if (route.peer is None) == (route.url is None):
        raise invalid("a route goes to a peer or to a URL", code="required")
    if route.url is not None:
        if route.action is Action.NOTICE:
            raise invalid("a notice goes to a peer")
        check_endpoint(route.url, allow_private=route.allow_private)
    elif route.token is not None or route.allow_private:
        raise invalid("a token and a private network are matters of a URL")
    if route.token is not None and not (
        0 < len(route.token) <= LONGEST_TOKEN and route.token.isascii() and route.token.isprintable()
    ):
        raise invalid("the token is not one that can be sent in a header")
    if not 0 <= route.quiet <= LONGEST_QUIET:
        raise invalid(f"a study counts as complete after 0 to {LONGEST_QUIET} seconds")
    check_texts("modality", route.modalities)
    check_texts("station", route.stations)
    check_texts("description", route.descriptions)
    check_texts("calling AE title", route.callers)


def check_name(name: str, of: str) -> None:
    """Raises Invalid for what is no name of a rule."""
    if not 0 < len(name) <= LONGEST_NAME or not name.isprintable():
        raise invalid(f"the name of a {of} has 1 to {LONGEST_NAME} characters")


def check_texts(what: str, texts: Sequence[str]) -> None:
    """Raises Invalid for too many values, or one that no attribute has."""
    if len(texts) > MOST_PATTERNS:
        raise invalid(f"a rule has at most {MOST_PATTERNS} values for the {what}", code="too-costly")
    if any(not 0 < len(one) <= LONGEST_PATTERN or not one.isprintable() for one in texts):
        raise invalid(f"a {what} has 1 to {LONGEST_PATTERN} characters")


def require(access: AccessContext) -> None:
    """Refuse (Forbidden) whom not every study is open to."""
    if not access.sees_all("ImagingStudy", Permission.READ):
        raise forbidden("routes need system access to ImagingStudy")
