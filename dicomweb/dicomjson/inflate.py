"""Inflating data sets of the deflated transfer syntax, within bounds.

Spec: PS3.5 A.5 (2024d)
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator

from healix_fhir.kernel.errors import invalid, too_large

STEP = 1 << 18
FLOOR = 256 << 20
RATIO = 100


def bound(deflated: int) -> int:
    """The most that `deflated` bytes may inflate to: a hundredfold, but always 256 MB (empty segmentations)."""
    return max(FLOOR, deflated * RATIO)


def inflate(chunks: Iterable[bytes], limit: int) -> Iterator[bytes]:
    """The inflated bytes, at most 256 kB at a time. Raises Invalid when broken or cut, TooLarge past `limit`."""
    inflater = zlib.decompressobj(wbits=-zlib.MAX_WBITS)
    total = 0
    for chunk in chunks:
        pending = chunk
        while pending and not inflater.eof:
            try:
                piece = inflater.decompress(pending, STEP)
            except zlib.error as error:
                raise invalid("the deflated data set is broken") from error
            pending = inflater.unconsumed_tail
            total += len(piece)
            if total > limit:
                raise too_large(f"the deflated data set inflates to more than {limit >> 20} MB")
            yield piece
    if not inflater.eof:
        raise invalid("the deflated data set is truncated")
