"""The dictionary of elements: value representations for those that do not carry it (implicit VR, and UN), keywords.

pydicom's dictionaries are imported on first use: most objects never need them.
Spec: PS3.6, PS3.5 6.2.2 and 7.1.3 (2024d)
"""

from __future__ import annotations

from functools import lru_cache

AMBIGUOUS = {
    "OB or OW": "OW",  # implicit pixel data is OW
    "US or OW": "OW",
    "US or SS or OW": "OW",
    "US or SS": "US",  # the walker reads SS where Pixel Representation says so
}


@lru_cache(maxsize=20_000)
def public(tag: int) -> str | None:
    """The VR of a tag of the standard, ambiguous ones as the dictionary has them (`US or SS`); None when unknown."""
    from pydicom.datadict import dictionary_VR

    try:
        return dictionary_VR(tag)
    except KeyError:
        return None


@lru_cache(maxsize=20_000)
def private(tag: int, creator: str) -> str | None:
    """The VR of a private tag whose creator's dictionary is known; None when unknown."""
    from pydicom.datadict import private_dictionary_VR

    try:
        return private_dictionary_VR(tag, creator)
    except KeyError:
        return None


@lru_cache(maxsize=20_000)
def keyword(tag: int) -> str:
    """The keyword of a tag of the standard; empty when unknown."""
    from pydicom.datadict import keyword_for_tag

    return keyword_for_tag(tag)


@lru_cache(maxsize=20_000)
def tag(keyword: str) -> int:
    """The tag of a keyword of the standard; 0 when unknown."""
    from pydicom.datadict import tag_for_keyword

    return (tag_for_keyword(keyword) or 0) if keyword else 0
