"""One start of a bulk job: what may pass begins it again, so many times; all else is its end."""

from __future__ import annotations

from collections.abc import Callable

from healix_fhir.bulk.job import Run
from healix_fhir.bulk.pulse import OverError
from healix_fhir.kernel.errors import Category, HealixError
from healix_fhir.kernel.jobs import passes
from healix_fhir.kernel.log import get_logger

STARTS = 20
"""A job that has not ended after so many starts never will: those of killed workers, and an hour's of an absence;"""
FAILURES = 5
"""one that fails of itself from so many on, or by what another try would not find better: no room, others' servers."""
log = get_logger("bulk")


class SourceError(HealixError):
    """A server of others that gives what a job needs is away."""


def started(begun: Run, kind: str, work: Callable[[], None], fail: Callable[[HealixError], None]) -> None:
    """Do `work`, the job of a `kind` such as `export`; what ends the job goes to `fail`.

    Raises OverError, and what may pass while the job may be begun again.
    """
    if begun.number > STARTS:
        log.warning("a bulk job never comes to its end", kind=kind, starts=begun.number)
        fail(HealixError(Category.FAULT, f"the {kind} was begun {STARTS} times and never came to its end"))
        return
    try:
        work()
    except OverError:
        raise
    except HealixError as error:
        own = error.category is Category.FULL or isinstance(error, SourceError)
        if passes(error) and begun.number < (FAILURES if own else STARTS):
            raise
        log.warning("a bulk job came to nothing", kind=kind, category=error.category.value, detail=error.detail)
        fail(error)
    except Exception as error:
        if begun.number < (STARTS if passes(error) else FAILURES):
            raise
        log.exception("a bulk job came to nothing", kind=kind)
        fail(HealixError(Category.FAULT, f"the {kind} failed; its operator finds the reason in the log"))
