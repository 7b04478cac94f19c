"""Text messages through the operator's hook."""

from __future__ import annotations

import msgspec
import pytest

from healix_fhir.kernel.errors import Category, HealixError
from healix_fhir.kernel.sms import send
from tests.support.receiver import receiving


def test_the_hook_gets_number_and_text() -> None:
    """One POST of JSON; an answer other than success, or none, is to be tried again."""
    with receiving() as hook:
        send(f"{hook.url}?key=1", "+431", "Grüß Gott", allow_private=True)
        (seen,) = hook.seen
        assert (seen.method, seen.path) == ("POST", "/hook?key=1")
        assert msgspec.json.decode(seen.body) == {"to": "+431", "text": "Grüß Gott"}
        hook.status = 500
        with pytest.raises(HealixError) as failed:
            send(hook.url, "+431", "x", allow_private=True)
        assert failed.value.category is Category.UNAVAILABLE
    with pytest.raises(HealixError) as away:
        send(hook.url, "+431", "x", allow_private=True)
    assert away.value.category is Category.UNAVAILABLE


@pytest.mark.parametrize(
    "url", ["http://sms.test/x", "https://127.0.0.1/x", "https://localhost/x", "file:///etc/passwd"]
)
def test_private_addresses_are_not_called(url: str) -> None:
    """Unless the operator allows them, nothing inside the network is called."""
    with pytest.raises(HealixError) as refused:
        send(url, "+431", "x", allow_private=False)
    assert refused.value.category is Category.INVALID
