"""Value sets with everything that they name put in its place.

A value set that leads back to itself is refused by the way it goes, and so is one that needs too many others.

Spec: FHIR R4, hl7.org/fhir/R4/valueset.html#compositions
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from healix_fhir.kernel import arrays
from healix_fhir.kernel.database import Statement, Work
from healix_fhir.kernel.errors import invalid
from healix_fhir.terminology.catalog import LOADED
from healix_fhir.terminology.compose import Composition, composition
from healix_fhir.terminology.implicit import implicit
from healix_fhir.terminology.sets import (
    Active,
    Both,
    Codes,
    Either,
    Named,
    Selected,
    Set,
    Supplemented,
    Without,
    leaves,
)
from healix_fhir.terminology.value_sets import Source, find
from smart_auth.access import AccessContext

DEPTH = 32
"""So many value sets may lead from one to the next."""
MOST = 500
"""So many may be needed for one."""
LEAVES = 2000
"""So many parts may one have in the end, those of the value sets that it names included."""


def resolved(access: AccessContext, whole: Composition) -> Work[Set]:
    """The members of a value set. Raises Invalid for what leads back to itself, is too much, or is not known."""
    known: dict[str, Composition] = {}
    open_ = _named(whole)
    while open_:
        if len(known) + len(open_) > MOST:
            raise invalid(f"the value set needs more than {MOST} others", code="too-costly")
        known |= yield from look_up(access, open_)
        open_ = {name for one in open_ for name in _named(known[one])} - known.keys()
    return _Putting(known).members(whole, (whole.url,) if whole.url else ())


def look_up(access: AccessContext, canonicals: set[str]) -> Work[dict[str, Composition]]:
    """The compositions of these canonicals. Raises Invalid for one that is not known, to this caller."""
    found = yield from sources(access, canonicals)
    return {canonical: source.composition for canonical, source in found.items()}


def sources(access: AccessContext, canonicals: set[str]) -> Work[dict[str, Source]]:
    """The value sets that canonicals mean, implicit ones too. Raises Invalid for one that is not known."""
    found: dict[str, Source] = {}
    for canonical in canonicals:
        url = canonical.partition("|")[0]
        if (members := implicit(url)) is not None:
            found[canonical] = _implied(url, members)
    missing = sorted(canonicals - found.keys())
    if missing:
        written = yield from find(access, "ValueSet", missing)
        found |= {canonical: source for canonical, source in written.items() if source is not None}
    if missing := sorted(canonicals - found.keys()):
        found |= yield from _whole_systems(missing)
    if missing := sorted(canonicals - found.keys()):
        raise invalid(f"the value set {missing[0][:200]} is not known", code="not-found")
    return found


def _implied(url: str, members: Set) -> Source:
    return Source({"resourceType": "ValueSet", "url": url, "status": "active"}, members)


def _whole_systems(canonicals: Sequence[str]) -> Work[dict[str, Source]]:
    """The value sets of all concepts of loaded code systems, whose urls these have in `CodeSystem.valueSet`."""
    rows = yield Statement(
        "SELECT value_set, url FROM code_system WHERE value_set = ANY(%s::text[]) AND ready AND source = %s",
        (arrays.text(canonicals), LOADED),
    )
    return {str(url): _implied(url, Selected(system, None)) for url, system in rows}


def _named(whole: Composition) -> set[str]:
    """The canonicals that a value set, or one that it contains, names."""
    names = {leaf.canonical for leaf in leaves(whole.members) if isinstance(leaf, Named)}
    inside = {name for name in names if name.startswith("#")}
    seen: set[str] = set()
    while inside:
        one = inside.pop()
        seen.add(one)
        more = {leaf.canonical for leaf in leaves(_contained(whole, one).members) if isinstance(leaf, Named)}
        names |= more
        inside |= {name for name in more if name.startswith("#")} - seen
    return {name for name in names if not name.startswith("#")}


def _contained(whole: Composition, fragment: str) -> Composition:
    if fragment not in whole.contained:
        raise invalid(f"the value set contains no {fragment[:64]}", code="not-found")
    found = composition(whole.contained[fragment])
    return Composition(found.url or f"{whole.url}{fragment}", found.version, found.members, whole.contained)


class _Putting:
    """Puts compositions in the places where they are named."""

    def __init__(self, known: Mapping[str, Composition]) -> None:
        self._known = known
        self._done: dict[tuple[int, str], tuple[Set, int]] = {}

    def members(self, whole: Composition, trail: tuple[str, ...]) -> Set:
        return self._put(whole.members, whole, trail)[0]

    def _put(self, found: Set, whole: Composition, trail: tuple[str, ...]) -> tuple[Set, int]:
        """What a set is with everything in its place, and of how many parts."""
        match found:
            case Named(canonical):
                return self._of_name(canonical, whole, trail)
            case Codes() | Selected():
                return found, 1
            case Both(several):
                parts, size = self._each(several, whole, trail)
                return Both(parts), size
            case Either(several):
                parts, size = self._each(several, whole, trail)
                return Either(parts), size
            case Without(kept, dropped):
                (of, less), size = self._each((kept, dropped), whole, trail)
                return Without(of, less), size
            case Active(inner):
                of, many = self._put(inner, whole, trail)
                return Active(of), many
            case Supplemented(inner, canonicals):
                of, many = self._put(inner, whole, trail)
                return Supplemented(of, canonicals), many

    def _each(self, several: Sequence[Set], whole: Composition, trail: tuple[str, ...]) -> tuple[tuple[Set, ...], int]:
        """Several sets, and how many parts they have together; what is empty counts too."""
        parts: list[Set] = []
        sum_ = 0
        for one in several:
            part, size = self._put(one, whole, trail)
            parts.append(part)
            sum_ += size
            if sum_ > LEAVES:
                raise invalid(f"the value set has more than {LEAVES} parts in the end", code="too-costly")
        return tuple(parts), max(sum_, 1)

    def _of_name(self, canonical: str, whole: Composition, trail: tuple[str, ...]) -> tuple[Set, int]:
        inside = canonical.startswith("#")
        key = (id(whole.contained) if inside else 0, canonical)  # what contains it lives as long as this
        if key in self._done:
            return self._done[key]
        inner = _contained(whole, canonical) if inside else self._known[canonical]
        name = inner.url or canonical
        if name in trail:
            way = " → ".join([*trail[trail.index(name) :], name])
            raise invalid(f"the value set leads back to itself: {way[:500]}", code="business-rule")
        if len(trail) >= DEPTH:
            raise invalid(f"more than {DEPTH} value sets lead from one to the next", code="too-costly")
        self._done[key] = self._put(inner.members, inner, (*trail, name))
        return self._done[key]
