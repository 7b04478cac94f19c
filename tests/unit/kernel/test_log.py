"""What stands in the log, and what does not."""

from __future__ import annotations

import logging

import pytest
import structlog
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs

from healix_fhir.kernel import jobs
from healix_fhir.kernel.log import _place, _Plain

SECRET = "Mrs Canary, born 1961"


def fail() -> None:
    """Raise an exception with a cause, both of which quote what a caller sent."""
    try:
        int(SECRET)
    except ValueError as error:
        raise KeyError(SECRET) from error


def failed() -> Exception:
    """That exception."""
    with pytest.raises(KeyError) as caught:
        fail()
    return caught.value


@pytest.mark.parametrize("given", [failed(), (KeyError, failed(), None)])
def test_exceptions_have_no_text(given: object) -> None:
    """Type, cause and places are told; the text, which may quote a record, is not."""
    told = _place(None, "", {"event": "x", "exc_info": given})
    assert SECRET not in str(told)
    assert "builtins.KeyError" in told["exception"]
    assert "builtins.ValueError" in told["exception"]
    assert "test_log.py:" in told["exception"]


def test_exceptions_of_libraries_have_no_text() -> None:
    """The same holds for what libraries log."""
    error = failed()
    record = logging.LogRecord("asyncio", 40, "", 0, "it failed", None, (KeyError, error, error.__traceback__))
    line = _Plain("%(name)s %(message)s").format(record)
    assert line.startswith("asyncio it failed")
    assert "builtins.KeyError" in line
    assert SECRET not in line


def test_jobs_are_told_without_their_arguments() -> None:
    """The library of jobs writes their arguments into its lines: here it does not."""
    record = logging.LogRecord("procrastinate.worker", 40, "", 0, f"Job sms[3](to='{SECRET}') ended", None, None)
    assert _Plain("%(message)s").format(record) == "Job sms[3](…) ended"


def test_a_job_is_told_by_the_request_that_asked_for_it() -> None:
    """A job's lines carry the id of the request that asked for it; its task is not given it."""
    given: list[dict[str, object]] = []

    def task(**arguments: object) -> None:
        given.append(arguments)
        structlog.get_logger().info("within")

    sql = jobs.enqueue("export", {"job": 1}, request="r-1")
    assert b'"_request":"r-1"' in str(sql.params).encode()
    with capture_logs(processors=[merge_contextvars]) as lines:
        jobs._told("export", task)(job=1, _request="r-1")
    assert given == [{"job": 1}]
    assert [(line["event"], line["job"], line["request"]) for line in lines] == [
        ("within", "export", "r-1"),
        ("job done", "export", "r-1"),
    ]
