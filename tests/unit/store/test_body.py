"""The bytes of a version."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

from healix_fhir.model.json import decode
from healix_fhir.store.body import pack, stamp, unpack

MOMENT = datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=UTC)


def test_server_sets_id_version_and_time_and_keeps_the_rest() -> None:
    """What the caller says of id, versionId and lastUpdated is replaced; all else stays, digits and order included."""
    sent = decode(
        b'{"status":"final","id":"x","meta":{"tag":[{"code":"a"}],"versionId":"9","lastUpdated":"2001-01-01T00:00:00Z"},'
        b'"resourceType":"Observation","valueQuantity":{"value":1.50}}'
    )
    assert stamp(sent, "Observation", "id1", 2, MOMENT) == (
        b'{"resourceType":"Observation","id":"id1","meta":{"versionId":"2","lastUpdated":"2026-01-02T03:04:05.678Z",'
        b'"tag":[{"code":"a"}]},"status":"final","valueQuantity":{"value":1.50}}'
    )


def test_time_is_written_in_utc() -> None:
    """A moment in another zone, as a database session may answer, is the same instant."""
    east = MOMENT.astimezone(timezone(timedelta(hours=5)))
    assert stamp({}, "Patient", "a", 1, east) == stamp({}, "Patient", "a", 1, MOMENT)


def test_packing_is_undone() -> None:
    """History gives back the bytes; a deletion stays empty."""
    assert unpack(pack(b"{}" * 100)) == b"{}" * 100
    assert pack(b"") == unpack(b"") == b""
    assert len(pack(b"{}" * 1000)) < 100
