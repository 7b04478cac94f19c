"""What a workitem holds, as hashes in one inverted index.

Each value is marked as a whole, and a code together with its scheme, by hashes of 64 bits, which are trusted like those
of the search of FHIR resources. Texts are marked by their letters too (see dicomweb/index/grams.py), and words of names
by how they begin; what these find is looked at again among the values.

The planner knows how frequent a mark is, and so whether to look for the few that have it or to go through the list in
order until there are enough.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

from dicomweb.dicomjson import dictionary
from dicomweb.index import grams
from dicomweb.workitem.keys import WORDS, Key
from healix_fhir.kernel.hashing import key64

TEXTS = frozenset(("AE", "AS", "CS", "LO", "PN", "SH"))
"""Value representations of texts that are short enough to be marked by all their letters."""
LENGTHS = (1, 2, 3, 4, 5, 6, 8, 10, 12, 16)
"""How much of the beginning of a word is marked."""
SCHEME = "00080102"
CODES = frozenset(("00080100", "00080119", "00080120"))
"""Code Value, Long Code Value, URN Code Value; each is an attribute of an item that has a scheme."""


def marks(found: Iterable[Key]) -> set[int]:
    """All marks of a workitem with these keys."""
    made: set[int] = set()
    schemes: dict[tuple[str, tuple[int, ...]], str] = {}
    codes: list[tuple[str, Key]] = []
    for key in found:
        if key.path.endswith(WORDS):
            made |= {_begun(key.path, key.value[:length]) for length in LENGTHS}
            continue
        made.add(of_value(key.path, key.value))
        if is_text(key.path):
            made |= grams.inside(key.path, key.value) | grams.beginnings(key.path, [key.value])
        sequence, _, last = key.path.rpartition(".")
        if sequence and last == SCHEME:
            schemes[sequence, key.item] = key.value
        elif sequence and last in CODES:
            codes.append((sequence, key))
    of_schemes = ((schemes.get((sequence, key.item)), sequence, key) for sequence, key in codes)
    return made | {_coded(key.path, key.value, scheme) for scheme, sequence, key in of_schemes if scheme is not None}


def of_value(path: str, value: str) -> int:
    """The mark of a value as a whole."""
    return key64(f"{path}={value}")


def of_code(values: Mapping[str, str]) -> int | None:
    """The mark of a code with its scheme, from paths and values; None where these are not the two of one item."""
    paths = sorted(values)
    ends = [path.rpartition(".") for path in paths]
    if len(paths) != 2 or not ends[0][0] or ends[0][0] != ends[1][0]:
        return None
    code, scheme = sorted(paths, key=lambda path: path.endswith(SCHEME))
    if not scheme.endswith(SCHEME) or code.rpartition(".")[2] not in CODES:
        return None
    return _coded(code, values[code], values[scheme])


def _coded(path: str, code: str, scheme: str) -> int:
    return key64(f"{path}={code}|{scheme}")


def of_beginning(path: str, word: str) -> int:
    """A mark of all words that begin with `word`."""
    return _begun(path, word[: max(length for length in LENGTHS if length <= max(len(word), 1))])


def _begun(path: str, beginning: str) -> int:
    return key64(f"{path}^{beginning}")


def of_pattern(path: str, runs: Sequence[str]) -> list[int]:
    """Marks that a text has which contains runs of letters, the first of them at its beginning; none of long texts."""
    if not is_text(path):
        return []
    return grams.ends(path, runs) or ([grams.beginning(path, runs[0])] if runs[0] else [])


@lru_cache(maxsize=4096)
def is_text(path: str) -> bool:
    """Whether the values of an attribute are texts that are marked by their letters; private ones may be anything."""
    return not path.endswith("]") and dictionary.public(int(path[-8:], 16)) in TEXTS
