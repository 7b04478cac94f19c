"""Wild cards of DICOM on one text, in time that grows with the product of both lengths at most, whatever a key says.

Spec: PS3.4 C.2.2.2.4 (2024d)
"""

from __future__ import annotations


def fits(key: str, text: str) -> bool:
    """Whether `text` is of the form of `key`, in which `*` stands for any characters and `?` for one."""
    first, *later = key.split("*")
    if not later:
        return len(key) == len(text) and _at(key, text, 0)
    *middle, last = later
    end = len(text) - len(last)
    if len(first) > end or not _at(first, text, 0) or not _at(last, text, end):
        return False
    at = len(first)
    for part in middle:  # the leftmost place leaves the most room for those that follow
        found = next((place for place in range(at, end - len(part) + 1) if _at(part, text, place)), None)
        if found is None:
            return False
        at = found + len(part)
    return True


def _at(part: str, text: str, place: int) -> bool:
    return all(one in ("?", other) for one, other in zip(part, text[place : place + len(part)], strict=True))
