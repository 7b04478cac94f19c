"""A bucket for each test, and for each module."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.s3 import Bucket, bucket


@pytest.fixture(name="bucket")
def _bucket() -> Iterator[Bucket]:
    with bucket() as made:
        yield made
