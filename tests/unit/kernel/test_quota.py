"""What is left of a limit, in headers."""

from __future__ import annotations

import pytest

from healix_fhir.kernel.quota import Quota, rate_limit, waiting

LOGIN = Quota("login", 5, 900, 0, 30)
ADDRESS = Quota("login-address", 100, 900, 95, 800)


@pytest.mark.spec("draft-ietf-httpapi-ratelimit-headers-11 3")
def test_policies_and_what_is_left() -> None:
    """Each limit is an item of both lists, with its quota and window in one and what is left in the other."""
    assert rate_limit([LOGIN, ADDRESS]) == {
        "RateLimit-Policy": '"login";q=5;w=900, "login-address";q=100;w=900',
        "RateLimit": '"login";r=0;t=30, "login-address";r=95;t=800',
    }


def test_nothing_limited_is_nothing_told() -> None:
    """An empty list is no valid field, so there is none."""
    assert rate_limit([]) == {}
    assert waiting(None, ()) == {}
    assert waiting(5, ()) == {"Retry-After": "5"}


@pytest.mark.spec("draft-ietf-httpapi-ratelimit-headers-11 6")
def test_waiting_covers_the_window() -> None:
    """A refusal tells when to come back beside what holds the caller."""
    assert waiting(30, (LOGIN,)) == {
        "Retry-After": "30", "RateLimit-Policy": '"login";q=5;w=900', "RateLimit": '"login";r=0;t=30',
    }  # fmt: skip
