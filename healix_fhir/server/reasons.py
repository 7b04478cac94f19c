"""How a command of the operator's, or a process of the server, ends that cannot go on: with one line that says why."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

import psycopg

from healix_fhir.kernel.errors import HealixError


@contextmanager
def reasons() -> Iterator[None]:
    """Turn refusals into their one-line reason on stderr and exit code 1; 75 (EX_TEMPFAIL), which tells `healix serve`
    that there is nothing wrong with a child, where the database does not answer.
    """
    try:
        yield
    except HealixError as error:
        stop("; ".join(issue.message for issue in error.issues))
    except psycopg.OperationalError as error:
        stop(f"the database does not answer: {str(error).splitlines()[0]}", os.EX_TEMPFAIL)


def stop(reason: str, code: int = 1) -> NoReturn:
    """End with `reason` and exit code `code`."""
    sys.stderr.write(f"healix: {reason}\n")
    raise SystemExit(code)
