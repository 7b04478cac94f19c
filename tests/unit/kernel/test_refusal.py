"""What failures of the database are for a caller."""

from __future__ import annotations

import pytest
from psycopg import errors

from healix_fhir.kernel.errors import Category
from healix_fhir.kernel.refusal import as_refusal


@pytest.mark.parametrize(
    ("error", "category"),
    [
        (errors.ProgramLimitExceeded(), Category.UNPROCESSABLE),
        (errors.DiskFull(), Category.FULL),
        (errors.QueryCanceled(), Category.UNAVAILABLE),
        (errors.AdminShutdown(), Category.UNAVAILABLE),
        (errors.SyntaxError(), Category.FAULT),
    ],
)
def test_a_failure(error: Exception, category: Category) -> None:
    """What the database cannot hold is the fault of the request; that it is away, is not."""
    assert as_refusal(error, "r").category is category
