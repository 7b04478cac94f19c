"""The statement of the DICOMweb service for people."""

from __future__ import annotations

import asyncio
from html import unescape
from types import SimpleNamespace
from typing import Any, cast

import pytest

from dicomweb.api.capabilities.table import table
from healix_fhir.pages.dicomweb import SERVICES, service_of, show


@pytest.mark.spec("PS3.18 Annex H")
def test_every_transaction_is_told() -> None:
    """The page names each transaction with its address, where its documents for programs are, and who may ask."""
    site = SimpleNamespace(root="https://healix.test")
    shown = asyncio.run(show(cast("Any", site), cast("Any", None)))
    text = unescape(bytes(shown.body).decode())
    for (method, address), one in table().items():
        assert f"{method} {address}" in text
        assert one.name in text
    assert 'href="https://healix.test/dicomweb/capabilities"' in text
    assert 'href="https://healix.test/fhir/.well-known/smart-configuration"' in text


def test_every_clause_is_of_a_service() -> None:
    """Each row of the table belongs to a service that people know by name."""
    assert {service_of(one.clause) for one in table().values()} <= set(SERVICES.values())
