"""Any exception as a refusal: what an edge answers when something fails that nobody meant to fail."""

from __future__ import annotations

import psycopg
from psycopg_pool import PoolClosed, PoolTimeout, TooManyRequests

from healix_fhir.kernel.errors import Category, HealixError
from healix_fhir.kernel.log import get_logger

AWAY = (psycopg.OperationalError, psycopg.InterfaceError, PoolTimeout, PoolClosed, TooManyRequests)
LIMITS = "54"
"""The SQLSTATE class of program limits that are exceeded: psycopg takes them for operational errors."""
CANCELLED = "57014"
"""The SQLSTATE of a statement that took too long."""
RETRY_AFTER = 5
log = get_logger("edge")


def is_of_the_statement(error: psycopg.Error) -> bool:
    """Whether a statement failed by what it says or takes, with the database there: the next one may not."""
    state = error.sqlstate or ""
    return not isinstance(error, AWAY) or state.startswith(LIMITS) or state == CANCELLED


def as_refusal(error: Exception, request: str) -> HealixError:
    """`error` itself when it is a refusal, Unavailable when the database is away or too slow, Full when it has no room,
    Unprocessable when it cannot hold a value, else Fault.

    The last ones are logged with the id of their request; a caller learns nothing but that id.
    """
    if isinstance(error, HealixError):
        if error.detail:
            log.warning("refused", request=request, category=error.category.value, detail=error.detail)
        return error
    if isinstance(error, psycopg.errors.QueryCanceled):
        log.warning("a statement took too long and was stopped", request=request)
        return HealixError(
            Category.UNAVAILABLE, "this took longer than the server allows and was stopped", code="timeout"
        )
    if isinstance(error, psycopg.errors.DiskFull):
        log.error("the database has no room", request=request)
        return HealixError(Category.FULL, "the server's database is full; its operator has to make room")
    if isinstance(error, psycopg.Error) and (error.sqlstate or "").startswith(LIMITS):
        log.warning("the database cannot hold a value", request=request, sqlstate=error.sqlstate)
        return HealixError(Category.UNPROCESSABLE, "it has a value that the database cannot hold", code="too-long")
    if isinstance(error, AWAY):
        log.error("the database is away", request=request, error=type(error).__name__)
        return HealixError(
            Category.UNAVAILABLE, "the server cannot reach its database; try again later", retry_after=RETRY_AFTER
        )
    log.error("unexpected error", request=request, exc_info=error)
    return HealixError(Category.FAULT, f"the server failed; its operator finds the reason under request {request}")
