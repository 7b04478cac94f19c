"""One frame between its compressed form and its samples, by transfer syntax.

Decoded samples are rows by columns, by samples where there are several, in native little endian; colours come out as
RGB, whatever the codec keeps them in. Every function raises Unprocessable for what its codec cannot read or write.
Spec: PS3.5 8.2, A.4 and G (2024d)
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from functools import partial
from struct import pack

import numpy as np

from dicomweb.dicomjson.syntax import DEFLATED_FRAMES, ENCAPSULATED_UNCOMPRESSED, RLE_LOSSLESS
from dicomweb.pixel import native
from dicomweb.pixel.codestream import size
from dicomweb.pixel.image import Array, Image, broken
from dicomweb.pixel.syntaxes import (
    HTJ2K,
    HTJ2K_LOSSLESS,
    HTJ2K_RPCL,
    JPEG_2000,
    JPEG_2000_LOSSLESS,
    JPEG_BASELINE,
    JPEG_EXTENDED,
    JPEG_LOSSLESS,
    JPEG_LOSSLESS_SV1,
    JPEG_LS,
    JPEG_LS_LOSSLESS,
    JPEG_XL,
    JPEG_XL_LOSSLESS,
    JPEG_XL_RECOMPRESSION,
)

QUALITY = 90
"""Of baseline JPEG, where nobody says it."""
NEAR_LOSSLESS = 2
"""The largest error of a sample in near-lossless JPEG-LS."""
SIGNAL = 55
"""Decibels between the largest sample and the noise of lossy JPEG 2000."""
DECIBELS_OF_A_BIT = 6
THUMBNAIL, DECOMPOSITIONS = 64, 5
"""Of HTJ2K by resolutions: rows and columns of the smallest one at most, and how often others are halved at least."""
RLE_RATIO = 64
"""Two bytes of RLE are at most 128 bytes of pixels: what says more is not even tried. Spec: PS3.5 G.3.1 (2024d)"""
RLE_SEGMENTS = 15
UNSIZED = frozenset({RLE_LOSSLESS, ENCAPSULATED_UNCOMPRESSED, DEFLATED_FRAMES})
"""Syntaxes whose frames tell no size."""

Decoder = Callable[[bytes, Image], Array]
Encoder = Callable[[Array, Image], bytes]


def decode(data: bytes, TransferSyntaxUID: str, image: Image) -> Array:  # noqa: N803 - a DICOM keyword
    """The samples of a compressed frame."""
    decoder = DECODERS.get(TransferSyntaxUID)
    if decoder is None:
        raise broken("frames of this transfer syntax cannot be decoded")
    if TransferSyntaxUID not in UNSIZED and (said := size(data)) != (image.rows, image.columns):
        raise broken("a compressed frame has another size than its attributes say", str(said))
    try:
        found = decoder(data, image)
    except (ValueError, RuntimeError, IndexError, TypeError) as error:  # what imagecodecs raises for broken streams
        raise broken("a compressed frame is broken", repr(error)) from error
    if found.shape != image.shape:
        raise broken("a compressed frame has another size than its attributes say", str(found.shape))
    return _fitted(found, image)


def encode(samples: Array, TransferSyntaxUID: str, image: Image) -> bytes:  # noqa: N803 - a DICOM keyword
    """The compressed form of a frame's samples."""
    encoder = ENCODERS.get(TransferSyntaxUID)
    if encoder is None:
        raise broken("frames cannot be written in this transfer syntax")
    try:
        return encoder(np.ascontiguousarray(samples), image)
    except (ValueError, RuntimeError, TypeError) as error:
        raise broken("this frame cannot be written in that transfer syntax", repr(error)) from error


def _fitted(found: Array, image: Image) -> Array:
    """Decoded samples in the type that the attributes say. Codecs that know no sign give the bits of signed values."""
    wanted = image.dtype
    if found.dtype == wanted:
        return found
    if found.dtype.kind == "u" and wanted.kind == "i":
        low = found.astype(wanted.str.replace("i", "u"))
        if found.dtype.itemsize == wanted.itemsize and image.bits_stored == image.bits_allocated:
            return np.asarray(low.view(wanted))
        return _signed(low, image)
    return found.astype(wanted)


def _signed(samples: Array, image: Image) -> Array:
    """Unsigned samples whose highest stored bit is a sign."""
    unused = image.bits_allocated - image.bits_stored
    return np.asarray(np.right_shift(np.left_shift(samples, unused).view(image.dtype), unused))


def _unsigned(samples: Array) -> Array:
    """The bits of the samples, for codecs that know no sign."""
    return np.asarray(samples.view(samples.dtype.str.replace("i", "u"))) if samples.dtype.kind == "i" else samples


def _jpeg(data: bytes, image: Image) -> Array:
    import imagecodecs

    kept = "RGB" if image.samples == 3 and image.photometric == "RGB" and not _says_ycc(data) else None
    return np.asarray(imagecodecs.jpeg8_decode(data, colorspace=kept, outcolorspace=kept))


def _jpeg_lossless(data: bytes, image: Image) -> Array:
    import imagecodecs

    kept = "RGB" if image.samples == 3 else None  # a conversion of colours would lose something
    return np.asarray(imagecodecs.jpeg8_decode(data, colorspace=kept, outcolorspace=kept))


def _says_ycc(data: bytes) -> bool:
    """Whether an Adobe marker says that the colours are Y, Cb and Cr; without one the DICOM attributes count."""
    at = data.find(b"\xff\xee", 0, 4096)
    return at >= 0 and data[at + 4 : at + 9] == b"Adobe" and data[at + 15 : at + 16] == b"\x01"


def _jpeg_encode(samples: Array, image: Image) -> bytes:
    import imagecodecs

    return bytes(imagecodecs.jpeg8_encode(samples, level=QUALITY))


def _jpeg_lossless_encode(samples: Array, image: Image) -> bytes:
    import imagecodecs

    kept = "RGB" if image.samples == 3 else None
    bits = _unsigned(samples)
    width = bits.dtype.itemsize * 8  # the library says 12 of all that is wider than a byte, and readers believe it
    return bytes(
        imagecodecs.jpeg8_encode(
            bits, lossless=True, predictor=1, bitspersample=width, colorspace=kept, outcolorspace=kept
        )
    )


def _jpeg_ls(data: bytes, image: Image) -> Array:
    import imagecodecs

    return np.asarray(imagecodecs.jpegls_decode(data))


def _jpeg_ls_encode(samples: Array, image: Image, level: int) -> bytes:
    import imagecodecs

    return bytes(imagecodecs.jpegls_encode(_unsigned(samples), level=level))


def _jpeg_2000(data: bytes, image: Image) -> Array:
    import imagecodecs

    return np.asarray(imagecodecs.jpeg2k_decode(data))


def _jpeg_2000_encode(samples: Array, image: Image, *, reversible: bool) -> bytes:
    import imagecodecs

    unused = samples.dtype.itemsize * 8 - image.bits_stored  # the library counts from the largest that the type holds
    level = 0 if reversible else SIGNAL + unused * DECIBELS_OF_A_BIT
    return bytes(imagecodecs.jpeg2k_encode(samples, level=level, codecformat="j2k", reversible=reversible))


def _htj2k(data: bytes, image: Image) -> Array:
    import imagecodecs

    return np.asarray(imagecodecs.htj2k_decode(data))


def _htj2k_encode(samples: Array, image: Image, *, reversible: bool) -> bytes:
    import imagecodecs

    return bytes(imagecodecs.htj2k_encode(samples, reversible=reversible))


def _htj2k_rpcl_encode(samples: Array, image: Image) -> bytes:
    """Resolution by resolution, as the library orders them anyway, from one of at most `THUMBNAIL` pixels on, with the
    lengths of its parts. Spec: PS3.5 10.18 (2024d)
    """
    import imagecodecs

    halved = max((max(image.rows, image.columns) - 1) // THUMBNAIL, 0).bit_length()
    levels = max(halved, DECOMPOSITIONS)
    return bytes(imagecodecs.htj2k_encode(samples, reversible=True, tlm=True, resolutions=levels))


def _jpeg_xl(data: bytes, image: Image) -> Array:
    import imagecodecs

    return np.asarray(imagecodecs.jpegxl_decode(data))


def _uncompressed(data: bytes, image: Image) -> Array:
    """A native frame, which may be padded to an even length. Spec: PS3.5 A.4.11 (2024d)"""
    size = native.size(image)
    return native.samples(data[:size] if len(data) == size + size % 2 else data, image)


def _deflated(data: bytes, image: Image) -> Array:
    """A native frame, deflated without a header; not inflated further than it may be. Spec: PS3.5 A.4.13 (2025a)"""
    inflate = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        found = inflate.decompress(data, native.size(image) + 2)
    except zlib.error as error:
        raise broken("a deflated frame is broken", repr(error)) from error
    return _uncompressed(found, image)


def _rle(data: bytes, image: Image) -> Array:
    import imagecodecs

    whole = image.rows * image.columns * image.samples * image.dtype.itemsize
    if whole > len(data) * RLE_RATIO:
        raise broken("an RLE frame is too short for its rows and columns")
    plane = np.dtype(image.dtype.str.replace("<", "="))
    found = np.frombuffer(bytes(imagecodecs.dicomrle_decode(data, plane)), plane)
    if image.samples == 1:
        return found.reshape(image.shape)
    return np.moveaxis(found.reshape(image.samples, image.rows, image.columns), 0, -1)


def _rle_encode(samples: Array, image: Image) -> bytes:
    """Segments of the planes of each byte, the highest first, each row packed by itself. Spec: PS3.5 G.2 (2024d)"""
    import imagecodecs

    planes = samples.reshape(image.rows, image.columns, image.samples)
    width = samples.dtype.itemsize
    octets = planes.view(np.uint8).reshape(image.rows, image.columns, image.samples, width)
    segments = []
    for sample in range(image.samples):
        for byte in reversed(range(width)):
            plane = np.frombuffer(octets[:, :, sample, byte].tobytes(), np.uint8).reshape(image.rows, image.columns)
            packed = bytes(imagecodecs.packbits_encode(plane))
            segments.append(packed + b"\0" * (len(packed) % 2))
    if len(segments) > RLE_SEGMENTS:
        raise broken("RLE has no room for samples of this size")
    offsets = [64]
    for segment in segments[:-1]:
        offsets.append(offsets[-1] + len(segment))
    offsets += [0] * (RLE_SEGMENTS - len(offsets))
    return pack("<16L", len(segments), *offsets) + b"".join(segments)


DECODERS: dict[str, Decoder] = {
    ENCAPSULATED_UNCOMPRESSED: _uncompressed,
    DEFLATED_FRAMES: _deflated,
    RLE_LOSSLESS: _rle,
    **dict.fromkeys((JPEG_BASELINE, JPEG_EXTENDED), _jpeg),
    **dict.fromkeys((JPEG_LOSSLESS, JPEG_LOSSLESS_SV1), _jpeg_lossless),
    **dict.fromkeys((JPEG_LS_LOSSLESS, JPEG_LS), _jpeg_ls),
    **dict.fromkeys((JPEG_2000_LOSSLESS, JPEG_2000), _jpeg_2000),
    **dict.fromkeys((HTJ2K_LOSSLESS, HTJ2K_RPCL, HTJ2K), _htj2k),
    **dict.fromkeys((JPEG_XL_LOSSLESS, JPEG_XL_RECOMPRESSION, JPEG_XL), _jpeg_xl),
}
ENCODERS: dict[str, Encoder] = {
    RLE_LOSSLESS: _rle_encode,
    JPEG_BASELINE: _jpeg_encode,
    **dict.fromkeys((JPEG_LOSSLESS, JPEG_LOSSLESS_SV1), _jpeg_lossless_encode),
    JPEG_LS_LOSSLESS: partial(_jpeg_ls_encode, level=0),
    JPEG_LS: partial(_jpeg_ls_encode, level=NEAR_LOSSLESS),
    JPEG_2000_LOSSLESS: partial(_jpeg_2000_encode, reversible=True),
    JPEG_2000: partial(_jpeg_2000_encode, reversible=False),
    HTJ2K_LOSSLESS: partial(_htj2k_encode, reversible=True),
    HTJ2K_RPCL: _htj2k_rpcl_encode,
    HTJ2K: partial(_htj2k_encode, reversible=False),
}
"""By transfer syntax: what dicomweb/pixel/syntaxes.py says can be read and written."""
