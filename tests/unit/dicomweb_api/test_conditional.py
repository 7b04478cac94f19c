"""Tags of answers that callers keep."""

from __future__ import annotations

import pytest

from dicomweb.api import conditional


@pytest.mark.spec("RFC 9110 8.8.3")
def test_what_is_made_otherwise_of_a_blob_has_another_tag(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who kept what a wrong encoder made of a blob is not told that it has not changed."""
    before = conditional.tag_of("key", "1.2.840.10008.1.2.4.70")
    assert conditional.tag_of("key", "1.2.840.10008.1.2.4.70") == before
    monkeypatch.setattr(conditional, "EDITION", "next")
    assert conditional.tag_of("key", "1.2.840.10008.1.2.4.70") != before
