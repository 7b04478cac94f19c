"""What was stored comes out again: metadata, whole objects, frames of every encoding, bulk data."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset

from dicomweb.dicomjson.syntax import EXPLICIT_LITTLE
from dicomweb.pixel.frames import inflated, read
from dicomweb.pixel.image import image
from dicomweb.pixel.transcode import transcoded
from dicomweb.study import retrieve
from healix_fhir.kernel.database import Work
from healix_fhir.kernel.errors import Category, HealixError
from smart_auth.access import AccessContext
from tests.support.dicom import (
    big_endian,
    ct,
    data_set,
    deflated,
    encapsulated,
    implicit,
    part10,
    rle,
    uid,
    with_pixels,
)
from tests.support.study import SYSTEM, Store, caller

BASE = "https://example.org/dicomweb"


def stored_frames(store: Store, numbers: list[int], study: int = 1) -> retrieve.Frames:
    """Some frames of the one instance of a study."""
    ((one, layout),) = store.run(retrieve.laid_out(SYSTEM, uid(study), uid(study, 1), uid(study, 1, 1)))
    return retrieve.frames_of(one, layout, numbers)


def frame_of(store: Store, number: int, asked: str | None = None) -> bytes:
    """One frame of the one instance, through service and archive."""
    found = stored_frames(store, [number])
    one = found.instance
    data = read(store.archive, one.key, one.transfer_syntax, found.layout, number)
    if asked is None or asked == found.transfer_syntax:
        return data
    return transcoded(data, one.transfer_syntax, image(found.pixels), asked)


@pytest.mark.spec("PS3.18 10.4.1.1.1")
def test_objects_come_out_byte_for_byte(store: Store) -> None:
    """An instance is the file that was sent, in order of instance number."""
    files = [ct(1, 1, number, size=16) for number in (2, 1)]
    store.add(*files)
    found = store.run(retrieve.instances(SYSTEM, uid(1)))
    assert [b"".join(store.archive.stream(one.key)) for one in found] == files[::-1]
    assert [one.size for one in found] == [len(file) for file in files[::-1]]


@pytest.mark.spec("PS3.18 10.4.1.1.2")
def test_metadata_has_absolute_bulk_data_uris(store: Store) -> None:
    """Metadata is DICOM JSON whose pixel data is named by an absolute URI under the instance."""
    store.add(ct(size=64, PatientComments='say "BulkDataURI":"x" please'))
    (one,) = retrieve.encoded(store.run(retrieve.metadata(SYSTEM, uid(1))), BASE)
    found = json.loads(one)
    here = f"{BASE}/studies/{uid(1)}/series/{uid(1, 1)}/instances/{uid(1, 1, 1)}"
    assert found["7FE00010"] == {"vr": "OW", "BulkDataURI": f"{here}/bulkdata/7FE00010"}
    assert found["00104000"]["Value"] == ['say "BulkDataURI":"x" please']


@pytest.mark.spec("PS3.18 10.4.1.1.6")
@pytest.mark.parametrize("encode", [part10, implicit, big_endian, deflated, rle])
@pytest.mark.parametrize("bits", [8, 16])
def test_native_frames_are_served_in_little_endian(store: Store, encode: Callable[[Dataset], bytes], bits: int) -> None:
    """Each frame of a native, deflated or RLE object has the pixels that were sent, whatever the encoding."""
    ds = with_pixels(data_set(), rows=4, columns=6, frames=3, bits=bits)
    pixels = bytes(ds.PixelData)
    store.add(encode(ds))
    size = 4 * 6 * bits // 8
    assert [frame_of(store, number, EXPLICIT_LITTLE) for number in (1, 2, 3)] == [
        pixels[:size],
        pixels[size : 2 * size],
        pixels[2 * size : 3 * size],
    ]


def test_frames_of_single_bits_begin_at_a_byte(store: Store) -> None:
    """Frames of one bit a pixel that end within a byte are cut out exactly."""
    ds = with_pixels(data_set(), rows=3, columns=5, frames=3, bits=1)
    bits = np.unpackbits(np.frombuffer(ds.PixelData, np.uint8), bitorder="little")
    store.add(part10(ds))
    second = np.unpackbits(np.frombuffer(frame_of(store, 2), np.uint8), bitorder="little")
    assert second[:15].tolist() == bits[15:30].tolist()
    assert second[15:].tolist() == [0]


JPEG_FRAMES = [b"\xff\xd8one-frame!\xff\xd9", b"\xff\xd8another one, longer\xff\xd9\x00", b"\xff\xd8third!\xff\xd9"]


@pytest.mark.spec("PS3.5 A.4")
@pytest.mark.parametrize(
    "form", [{}, {"table": False}, {"fragments": 2}, {"fragments": 2, "table": False}, {"extended": True}]
)
def test_encapsulated_frames_are_joined_from_their_fragments(store: Store, form: dict[str, Any]) -> None:
    """Each compressed frame comes out as it was, by Basic or Extended Offset Table or, without, by its markers."""
    ds = with_pixels(data_set(), frames=3, bits=8)
    store.add(encapsulated(ds, JPEG_FRAMES, **form))
    found = stored_frames(store, [3, 1, 2])
    frames = [
        b"".join(store.archive.read(found.instance.key, *part) for part in frame.ranges) for frame in found.frames
    ]
    assert [frame.rstrip(b"\0") for frame in frames] == [JPEG_FRAMES[n].rstrip(b"\0") for n in (2, 0, 1)]


UNMARKED = [b"frame number one", b"the second frame, longer", b"and the third one."]


def test_the_basic_offset_table_alone_tells_frames_apart(store: Store) -> None:
    """Frames of several fragments without image markers are found by the table; without it they are refused by name."""
    store.add(encapsulated(with_pixels(data_set(), frames=3, bits=8), UNMARKED, fragments=2))
    assert [frame_of(store, number).rstrip(b"\0") for number in (1, 2, 3)] == UNMARKED
    store.add(encapsulated(with_pixels(data_set(2), frames=3, bits=8), UNMARKED, fragments=2, table=False))
    with pytest.raises(HealixError) as caught:
        stored_frames(store, [1], 2)
    assert caught.value.category is Category.UNSUPPORTED


@pytest.mark.parametrize("number", [0, 2, 99])
def test_a_frame_that_is_not_there(store: Store, number: int) -> None:
    """A frame number outside the object is NotFound."""
    store.add(ct(size=8))
    with pytest.raises(HealixError) as caught:
        frame_of(store, number)
    assert caught.value.category is Category.NOT_FOUND


@pytest.mark.parametrize("encode", [part10, deflated])
def test_bulk_data_is_the_elements_value(store: Store, encode: Callable[[Dataset], bytes]) -> None:
    """A bulk data element, also one in a sequence, is read by the path that the metadata names."""
    item = Dataset()
    item.add_new(0x00091002, "OB", bytes(range(256)) * 8)
    ds = data_set(ReferencedImageSequence=[item])
    store.add(encode(ds))
    (one,) = retrieve.encoded(store.run(retrieve.metadata(SYSTEM, uid(1))), BASE)
    url = json.loads(one)["00081140"]["Value"][0]["00091002"]["BulkDataURI"]
    ((found, layout),) = store.run(retrieve.laid_out(SYSTEM, uid(1), uid(1, 1), uid(1, 1, 1)))
    vr, *part = layout.bulk[url.rpartition("/bulkdata/")[2]]
    data = (
        b"".join(inflated(store.archive, found.key, *part))
        if encode is deflated
        else store.archive.read(found.key, *part)
    )
    assert (vr, data) == ("OB", bytes(range(256)) * 8)


def _everything(access: AccessContext, study: str) -> list[Work[Any]]:
    return [
        retrieve.instances(access, study),
        retrieve.metadata(access, study),
        retrieve.laid_out(access, study, uid(1, 1)),
    ]


@pytest.mark.parametrize("way", range(3))
def test_anothers_images_are_like_images_that_do_not_exist(store: Store, way: int) -> None:
    """A token of one patient gets the same refusal for another patient's study as for none."""
    (own,) = store.sql("INSERT INTO patient_key (id) VALUES ('own') RETURNING pat")
    store.add(ct(size=8))
    access = caller("patient/*.rs", pat=own[0])
    refusals = []
    for study in (uid(1), uid(7)):
        with pytest.raises(HealixError) as caught:
            store.run(_everything(access, study)[way])
        refusals.append((caught.value.category, caught.value.message))
    assert refusals[0] == refusals[1]
    assert refusals[0][0] is Category.NOT_FOUND
    store.sql("UPDATE study SET pat = %s", own[0])
    assert store.run(_everything(access, uid(1))[way])


@pytest.mark.parametrize("way", range(3))
def test_retrieving_needs_the_scope(store: Store, way: int) -> None:
    """Without read on ImagingStudy nothing is retrieved."""
    store.add(ct(size=8))
    with pytest.raises(HealixError) as caught:
        store.run(_everything(caller("system/ImagingStudy.s"), uid(1))[way])
    assert caught.value.category is Category.FORBIDDEN


@pytest.mark.parametrize("hostile", ["../../etc/passwd", "1.2/../3", "1..2", "01.2", "", "1." + "2" * 64])
def test_a_malformed_uid_is_refused_before_use(store: Store, hostile: str) -> None:
    """A path or any other non-UID never reaches rows or disk."""
    with pytest.raises(HealixError) as caught:
        store.run(retrieve.instances(SYSTEM, hostile))
    assert caught.value.category is Category.INVALID


def test_select_by_unique_keys(store: Store) -> None:
    """C-MOVE's identifiers select by lists of unique keys; no match is an empty list."""
    store.add(ct(1, 1, 1, size=8), ct(2, 1, 1, size=8, PatientID="P2"))
    both = store.run(retrieve.select(SYSTEM, [("StudyInstanceUID", [uid(1), uid(2)])]))
    assert {one.study for one in both} == {uid(1), uid(2)}
    assert [one.study for one in store.run(retrieve.select(SYSTEM, [("PatientID", ["P2"])]))] == [uid(2)]
    assert store.run(retrieve.select(SYSTEM, [("StudyInstanceUID", [uid(3)])])) == []


def test_retrieval_is_audited_with_its_patient(store: Store) -> None:
    """Who retrieved whose study is on record."""
    (own,) = store.sql("INSERT INTO patient_key (id) VALUES ('own') RETURNING pat")
    store.add(ct(size=8))
    store.sql("UPDATE study SET pat = %s", own[0])
    store.run(retrieve.instances(SYSTEM, uid(1)))
    rows = store.sql("SELECT action, subtype, patient, entity, query FROM audit_event WHERE action = 'R'")
    assert rows == [("R", "retrieve", "own", uid(1), uid(1, 1, 1))]
