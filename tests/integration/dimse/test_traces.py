"""Associations and their operations as spans of OpenTelemetry."""

from __future__ import annotations

from pathlib import Path

from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from dicomweb.dimse.limits import Limits
from healix_fhir.kernel.settings import Settings
from healix_fhir.kernel.tracing import provider, tracing
from tests.support.dimse import CT, ECHO, RELEASE, VERIFICATION, Peer, p_data, store
from tests.support.dimse_service import CALLER, serving_dimse
from tests.support.gate import Pool

INSTANCE = "1.2.826.0.1.3680043.9.7777.1"


def test_operations_are_spans_within_their_association(database_url: str, tmp_path: Path, pool: Pool) -> None:
    """Each with its SOP class and status; what is refused, or cut off, is marked. No UID of an object is in them."""
    spans = InMemorySpanExporter()
    settings = Settings(data_dir=tmp_path, database_url=database_url)
    with tracing(provider(SimpleSpanProcessor(spans))), serving_dimse(settings, pool, Limits()) as port:
        with Peer(port) as peer:
            peer.associate()
            peer.send(p_data(1, 3, ECHO))
            assert peer.status() == 0
            peer.send(p_data(3, 3, store(INSTANCE)) + p_data(3, 2, b"no data set"))
            assert peer.status() == 0xC000
            peer.send(RELEASE)
            peer.read()
        with Peer(port) as peer:
            peer.associate()
            peer.send(p_data(3, 3, store(INSTANCE)))
    found = spans.get_finished_spans()
    associations = [one for one in found if one.name == "association"]
    assert [dict(one.attributes or {}) for one in associations] == [
        {"healix.calling": CALLER, "healix.called": "HEALIX"}
    ] * 2
    first, second = associations
    within = [one for one in found if one.parent is not None and one.parent == first.context]
    assert [(one.name, dict(one.attributes or {}), one.status.status_code) for one in within] == [
        ("C-ECHO", {"healix.sop_class": VERIFICATION, "healix.status": "0000"}, StatusCode.UNSET),
        ("C-STORE", {"healix.sop_class": CT, "healix.status": "C000"}, StatusCode.ERROR),
    ]
    (cut,) = [one for one in found if one.parent is not None and one.parent == second.context]
    assert (cut.name, cut.status.status_code) == ("C-STORE", StatusCode.ERROR)
    assert all(INSTANCE not in one.to_json() for one in found)
