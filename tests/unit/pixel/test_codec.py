"""Codecs of frames: what is lossless comes back exactly, what others wrote is read as they meant it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import dcmread
from pydicom.encaps import generate_frames

from dicomweb.dicomjson.syntax import EXPLICIT_LITTLE, RLE_LOSSLESS
from dicomweb.pixel import codec, syntaxes
from dicomweb.pixel.image import Array, Image
from dicomweb.pixel.rewrite import rewritten
from healix_fhir.kernel.errors import Category, HealixError
from tests.support.dicom import data_set, part10, with_pixels
from tests.support.tools import require_tool

FILES = Path(pydicom.__file__).parent / "data" / "test_files"
LOSSLESS = [uid for uid, known in syntaxes.COMPRESSED.items() if known.lossless and known.written]
LOSSY = [uid for uid, known in syntaxes.COMPRESSED.items() if not known.lossless and known.written]
DECODED_BY_PYDICOM = [
    "693_J2KI.dcm", "J2K_pixelrep_mismatch.dcm", "JPEG2000.dcm", "MR_small_RLE.dcm", "MR_small_jp2klossless.dcm",
    "SC_jpeg_no_color_transform.dcm", "SC_jpeg_no_color_transform_2.dcm", "SC_rgb_dcmtk_+eb+cr.dcm",
    "SC_rgb_dcmtk_+eb+cy+n1.dcm", "SC_rgb_dcmtk_+eb+cy+np.dcm", "SC_rgb_dcmtk_+eb+cy+s4.dcm", "SC_rgb_gdcm_KY.dcm",
    "SC_rgb_jpeg_app14_dcmd.dcm", "SC_rgb_rle_16bit.dcm", "SC_rgb_rle_32bit.dcm", "SC_rgb_small_odd_jpeg.dcm",
    "examples_jpeg2k.dcm", "rtdose_rle.dcm",
]  # fmt: skip


def described(one: pydicom.Dataset) -> Image:
    """The description of the frames of a data set."""
    return Image(
        one.Rows, one.Columns, one.SamplesPerPixel, one.BitsAllocated, one.BitsStored, one.PixelRepresentation == 1,
        one.PhotometricInterpretation,
    )  # fmt: skip


@st.composite
def frames(draw: st.DrawFn) -> tuple[Array, Image]:
    """Small frames of every form that lossless codecs take, smooth or noisy."""
    rows, columns = draw(st.integers(1, 40)), draw(st.integers(1, 40))
    samples = draw(st.sampled_from([1, 3]))
    allocated = draw(st.sampled_from([8, 16]))
    stored = draw(st.integers(allocated // 2 + 1, allocated))
    signed = draw(st.booleans()) and samples == 1
    image = Image(rows, columns, samples, allocated, stored, signed, "RGB" if samples == 3 else "MONOCHROME2")
    low, high = (-(1 << stored - 1), (1 << stored - 1) - 1) if signed else (0, (1 << stored) - 1)
    ends = sorted(draw(st.tuples(st.integers(low, high), st.integers(low, high))))
    random = np.random.default_rng(draw(st.integers(0, 1 << 32)))
    return random.integers(ends[0], ends[1], image.shape, endpoint=True).astype(image.dtype), image


@pytest.mark.spec("PS3.5 8.2")
@pytest.mark.parametrize("syntax", LOSSLESS)
@settings(max_examples=60, deadline=None)
@given(frame=frames())
def test_lossless_syntaxes_lose_nothing(syntax: str, frame: tuple[Array, Image]) -> None:
    """Any frame comes out of a lossless transfer syntax as it went in: size, sign and every bit."""
    samples, image = frame
    found = codec.decode(codec.encode(samples, syntax, image), syntax, image)
    assert found.dtype == image.dtype
    assert np.array_equal(found, samples)


@pytest.mark.parametrize("syntax", LOSSY)
def test_lossy_syntaxes_keep_what_is_seen(syntax: str) -> None:
    """A smooth frame differs by little after a lossy syntax, and takes less room than in RLE."""
    image = Image(64, 64, bits_allocated=8)
    rows, columns = np.mgrid[0:64, 0:64]
    samples = np.rint(127 + 60 * np.sin(rows / 9) * np.cos(columns / 7)).astype(np.uint8)
    encoded = codec.encode(samples, syntax, image)
    found = codec.decode(encoded, syntax, image)
    assert np.abs(found.astype(int) - samples).max() <= 6
    assert len(encoded) < len(codec.encode(samples, RLE_LOSSLESS, image))


@pytest.mark.parametrize("name", DECODED_BY_PYDICOM)
def test_frames_of_other_makers_are_read_as_pydicom_reads_them(name: str) -> None:
    """The first frame of pydicom's test files has the samples that pydicom's own decoders find."""
    one = dcmread(FILES / name)
    count = int(one.get("NumberOfFrames", 1))
    frame = next(iter(generate_frames(one.PixelData, number_of_frames=count)))
    wanted = one.pixel_array if count == 1 else one.pixel_array[0]
    assert np.array_equal(codec.decode(frame, str(one.file_meta.TransferSyntaxUID), described(one)), wanted)


DCMTK = {
    syntaxes.JPEG_LOSSLESS: ["dcmcjpeg", "+el"],
    syntaxes.JPEG_LOSSLESS_SV1: ["dcmcjpeg", "+e1"],
    syntaxes.JPEG_LS_LOSSLESS: ["dcmcjpls", "+el"],
    RLE_LOSSLESS: ["dcmcrle"],
}
BACK = {syntaxes.JPEG_LS_LOSSLESS: "dcmdjpls", RLE_LOSSLESS: "dcmdrle"}


@pytest.mark.parametrize("syntax", DCMTK)
@pytest.mark.parametrize("bits", [8, 16])
def test_dcmtk_and_we_read_each_other(syntax: str, bits: int, tmp_path: Path) -> None:
    """What dcmtk compresses without loss is read here, and what is written here dcmtk decompresses, both exactly."""
    one = with_pixels(data_set(), rows=32, columns=24, frames=2, bits=bits)
    sent, packed, ours, unpacked = (tmp_path / name for name in ("sent", "packed", "ours", "unpacked"))
    sent.write_bytes(part10(one))
    wanted = dcmread(sent).pixel_array
    subprocess.run([require_tool(DCMTK[syntax][0]), *DCMTK[syntax][1:], sent, packed], check=True, timeout=60)
    theirs = dcmread(packed)
    assert theirs.file_meta.TransferSyntaxUID == syntax
    read = [
        codec.decode(frame, syntax, described(theirs))
        for frame in generate_frames(theirs.PixelData, number_of_frames=2)
    ]
    assert np.array_equal(read, wanted)
    ours.write_bytes(rewritten(sent.read_bytes(), described(one), syntax))
    subprocess.run([require_tool(BACK.get(syntax, "dcmdjpeg")), ours, unpacked], check=True, timeout=60)
    assert np.array_equal(dcmread(unpacked).pixel_array, wanted)


@pytest.mark.spec("PS3.5 8.2.1")
@pytest.mark.parametrize("syntax", [syntaxes.JPEG_LOSSLESS, syntaxes.JPEG_LOSSLESS_SV1])
@pytest.mark.parametrize("signed", [False, True])
def test_dcmtk_reads_every_value_of_sixteen_bits(syntax: str, signed: bool, tmp_path: Path) -> None:
    """Lossless JPEG says how many bits its samples have: with fewer, other readers cut the largest values off."""
    one = with_pixels(data_set(), rows=256, columns=256, bits=16)
    one.PixelRepresentation = int(signed)
    wanted = np.arange(1 << 16, dtype="<u2").reshape(256, 256)
    one.PixelData = wanted.tobytes()
    ours, unpacked = tmp_path / "ours", tmp_path / "unpacked"
    ours.write_bytes(rewritten(part10(one), described(one), syntax))
    subprocess.run([require_tool("dcmdjpeg"), ours, unpacked], check=True, timeout=60)
    assert np.array_equal(dcmread(unpacked).pixel_array.view("<u2"), wanted)


@pytest.mark.parametrize("syntax", LOSSLESS)
@pytest.mark.parametrize("name", ["CT_small.dcm", "MR_small_bigendian.dcm", "SC_rgb_small_odd.dcm", "image_dfl.dcm"])
def test_a_rewritten_object_holds_the_same(name: str, syntax: str) -> None:
    """An object in another syntax and back has the same attributes and pixels."""
    sent = (FILES / name).read_bytes()
    before = dcmread(FILES / name)
    image = described(before)
    packed = rewritten(sent, image, syntax)
    after = dcmread(FILES / name)
    back = rewritten(packed, image, EXPLICIT_LITTLE)
    (tmp := pydicom.filebase.DicomBytesIO(back)).seek(0)
    after = dcmread(tmp)
    assert np.array_equal(after.pixel_array, before.pixel_array)
    for ds in (before, after):
        del ds.PixelData
    assert {e.tag: e.value for e in after} == {e.tag: e.value for e in before}


@pytest.mark.spec("PS3.5 10.18")
@pytest.mark.parametrize("size", [(1, 1), (64, 64), (2049, 3), (2, 4097), (1500, 1300)])
@pytest.mark.parametrize("samples", [1, 3])
def test_htj2k_by_resolutions_begins_with_a_thumbnail(size: tuple[int, int], samples: int) -> None:
    """RPCL is the progression order, lengths are told in the main header, the lowest resolution has 64 pixels."""
    image = Image(*size, samples)
    data = codec.encode(np.zeros(image.shape, np.uint8), syntaxes.HTJ2K_RPCL, image)
    head = data[: data.index(b"\xff\x90")]
    coding = head.index(b"\xff\x52")
    assert head[coding + 5] == 2  # RPCL. Spec: ISO/IEC 15444-1 Table A.16
    assert b"\xff\x55" in head  # TLM
    assert max(size) <= 64 << head[coding + 9]


BROKEN = [b"", b"\xff\xd8", b"\xff\x4f\xff\x51" + b"\x00" * 60, b"\x01" + b"\x00" * 80, b"\xff" * 500]


@pytest.mark.parametrize("syntax", syntaxes.COMPRESSED)
@pytest.mark.parametrize("data", BROKEN)
def test_broken_frames_are_refused(syntax: str, data: bytes) -> None:
    """What no codec can read is Unprocessable, whatever the syntax."""
    with pytest.raises(HealixError) as caught:
        codec.decode(data, syntax, Image(16, 16))
    assert caught.value.category is Category.UNPROCESSABLE


def test_a_frame_of_another_size_is_refused() -> None:
    """A stream of more or fewer pixels than rows and columns say is not served."""
    data = codec.encode(np.zeros((8, 8), np.uint8), syntaxes.JPEG_2000_LOSSLESS, Image(8, 8))
    with pytest.raises(HealixError, match="another size"):
        codec.decode(data, syntaxes.JPEG_2000_LOSSLESS, Image(8, 9))


def test_there_is_a_codec_for_what_is_said_to_be_served() -> None:
    """Every compressed syntax of the table is read, and just those that it says are written."""
    assert codec.DECODERS.keys() == syntaxes.COMPRESSED.keys()
    assert codec.ENCODERS.keys() == {uid for uid, known in syntaxes.COMPRESSED.items() if known.written}


def test_only_objects_that_fit_into_memory_are_rewritten() -> None:
    """A large object is served as it is stored, and in no other form."""
    stored, image = EXPLICIT_LITTLE, Image(512, 512, bits_allocated=16)
    asked = syntaxes.HTJ2K_LOSSLESS
    assert syntaxes.can_rewrite(stored, asked, image, syntaxes.LARGEST)
    assert not syntaxes.can_rewrite(stored, asked, image, syntaxes.LARGEST + 1)
    assert syntaxes.can_rewrite(stored, stored, image, syntaxes.LARGEST + 1)


@pytest.mark.spec("PS3.5 8.2")
@pytest.mark.parametrize("syntax", syntaxes.COMPRESSED)
def test_indices_of_a_palette_are_not_approximated(syntax: str) -> None:
    """What is near an index is another colour: images with a palette are written in lossless syntaxes alone."""
    image = Image(8, 8, photometric="PALETTE COLOR")
    assert syntaxes.can_serve(EXPLICIT_LITTLE, syntax, image) == (syntax in LOSSLESS)
    assert syntaxes.can_rewrite(EXPLICIT_LITTLE, syntax, image, 64) == (syntax in LOSSLESS)
    assert syntaxes.can_rewrite(syntax, EXPLICIT_LITTLE, image, 64)
