"""The Query/Retrieve information models: their SOP classes, levels and unique keys, and what an identifier asks for.

Without relational queries or retrievals, which are negotiated, the unique key of each level above has one value. Keys
of a lower level than that of the query belong into no identifier; those that come anyhow narrow it, as relational ones
do, since leaving them out would find too much.

Spec: PS3.4 C.3, C.4.1.1.3, C.4.1.2, C.4.2.1.4, C.5 and C.6 (2024d)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from dicomweb.dicomjson.model import Members, text_of
from dicomweb.dimse.identifier import Identifier, text
from dicomweb.index import moments, naming
from dicomweb.index.attributes import BY_KEYWORD
from dicomweb.index.entities import level_of
from dicomweb.index.further import Catalogue
from dicomweb.study.pages import PATIENT, RELATED, WHOSE
from dicomweb.study.query import How, Level, Query
from healix_fhir.kernel.errors import Category, HealixError, invalid

QUERY_RETRIEVE_LEVEL = 0x00080052
NO_KEYS = frozenset(
    {
        0x00080005,  # Specific Character Set
        QUERY_RETRIEVE_LEVEL,
        0x00080053,  # Query/Retrieve View
        0x00080054,  # Retrieve AE Title
        0x00080056,  # Instance Availability
        0x00080201,  # Timezone Offset From UTC
    }
)
"""Attributes of an identifier that say something of the query or the answer, and are matched with nothing."""
TIMEZONE = 0x00080201
MOST_KEYS = 256


class Entity(StrEnum):
    """The values of Query/Retrieve Level."""

    PATIENT = "PATIENT"
    STUDY = "STUDY"
    SERIES = "SERIES"
    IMAGE = "IMAGE"


UNIQUE: Mapping[Entity, tuple[str, int]] = {
    Entity.PATIENT: ("PatientID", 0x00100020),
    Entity.STUDY: ("StudyInstanceUID", 0x0020000D),
    Entity.SERIES: ("SeriesInstanceUID", 0x0020000E),
    Entity.IMAGE: ("SOPInstanceUID", 0x00080018),
}
"""The unique key of each level. Spec: PS3.4 Table C.6-1 to C.6-5 (2024d)"""

LEVEL = {
    Entity.PATIENT: Level.STUDY,
    Entity.STUDY: Level.STUDY,
    Entity.SERIES: Level.SERIES,
    Entity.IMAGE: Level.INSTANCE,
}
"""The level of the index that is searched."""

Model = tuple[Entity, ...]
PATIENT_ROOT: Model = tuple(Entity)
STUDY_ROOT: Model = PATIENT_ROOT[1:]
PATIENT_STUDY_ONLY: Model = PATIENT_ROOT[:2]
_ROOT = "1.2.840.10008.5.1.4.1.2"
FIND: Mapping[str, Model] = {
    f"{_ROOT}.1.1": PATIENT_ROOT,
    f"{_ROOT}.2.1": STUDY_ROOT,
    f"{_ROOT}.3.1": PATIENT_STUDY_ONLY,  # retired
}
MOVE: Mapping[str, Model] = {
    f"{_ROOT}.1.2": PATIENT_ROOT,
    f"{_ROOT}.2.2": STUDY_ROOT,
    f"{_ROOT}.3.2": PATIENT_STUDY_ONLY,
}
GET: Mapping[str, Model] = {
    f"{_ROOT}.1.3": PATIENT_ROOT,
    f"{_ROOT}.2.3": STUDY_ROOT,
    f"{_ROOT}.3.3": PATIENT_STUDY_ONLY,
}
"""The levels of the model behind each SOP class."""

RELATIONAL, DATE_TIME, FUZZY, ZONE = range(4)
"""The bytes of the application information of C-FIND; that of C-MOVE and C-GET begins with the same one."""
EXTENDED: Mapping[str, bytes] = {
    **dict.fromkeys(FIND, b"\1\1\1\1\0"),
    **dict.fromkeys((*MOVE, *GET), b"\1\0"),
}
"""What of it we can: not Enhanced Multi-Frame Image Conversion. Spec: PS3.4 C.5.1.1 and C.5.2.1 (2024d)"""


@dataclass(frozen=True, slots=True)
class Asked:
    """What the identifier of a C-FIND asks for: the matches of `query`, with the attributes `returned`.

    `unsupported` says whether there are keys that are neither matched nor returned, `related` whether the numbers of
    what there is of its patient are to be returned with each study.
    """

    entity: Entity
    query: Query
    returned: Sequence[int]
    unsupported: bool
    related: bool = False


def question(identifier: Identifier, model: Model, extended: bytes, catalogue: Catalogue, limit: int) -> Asked:
    """What a C-FIND asks for; answers come in pages of `limit`.

    Raises Unprocessable for what does not suit the model, Invalid for a malformed value.
    """
    members = identifier.members
    entity = _entity(members, model)
    if not _agreed(extended, RELATIONAL):
        _above(members, model, entity)
    named, unknown = _named(members)
    sought = {tag: name for tag, name in named.items() if f"{tag:08X}" not in RELATED}
    keys = tuple(pair for tag, name in sought.items() for pair in _keys(members, tag, name))
    if len(keys) > MOST_KEYS:
        raise HealixError(Category.TOO_LARGE, f"an identifier has at most {MOST_KEYS} keys")
    how = How(
        fuzzy=_agreed(extended, FUZZY),
        combined=_agreed(extended, DATE_TIME),
        zone=_zone(members) if _agreed(extended, ZONE) else None,
    )
    related = entity is Entity.STUDY and len(sought) < len(named)
    include = (UNIQUE[entity][0], *(WHOSE if related else ()))
    query = Query(LEVEL[entity], keys, include, defaults=False, below=None, how=how, limit=limit, catalogue=catalogue)
    returned = [tag for tag, name in named.items() if _is_returned(entity, tag, name)]
    unsupported = unknown or bool(query.unmatched) or len(returned) < len(named)
    return Asked(entity, query, sorted({*returned, UNIQUE[entity][1]}), unsupported, related)


def _is_returned(entity: Entity, tag: int, name: str) -> bool:
    """Whether an attribute belongs to the level or one above; the numbers of a patient to his and that of studies.

    Spec: PS3.4 Tables C.6-1 and C.6-5 (2024d)
    """
    if f"{tag:08X}" in RELATED:
        return entity in (Entity.PATIENT, Entity.STUDY)
    if entity is Entity.PATIENT and name in BY_KEYWORD:
        return BY_KEYWORD[name] in PATIENT
    return level_of(name) <= LEVEL[entity]


def selection(identifier: Identifier, model: Model, extended: bytes) -> list[tuple[str, list[str]]]:
    """The unique keys of a C-MOVE or C-GET, each with its values, for dicomweb/study/retrieve.py.

    Raises Unprocessable for what does not suit the model.
    """
    members = identifier.members
    entity = _entity(members, model)
    if not _agreed(extended, RELATIONAL):
        _above(members, model, entity)
    found = [(UNIQUE[one][0], _values(members, one)) for one in model[: model.index(entity) + 1]]
    if not found[-1][1]:
        raise _mismatch(f"{UNIQUE[entity][0]} has no value")
    return [(keyword, values) for keyword, values in found if values]


def _entity(members: Members, model: Model) -> Entity:
    value = text_of(members, QUERY_RETRIEVE_LEVEL)
    if value not in model:
        raise _mismatch(f"QueryRetrieveLevel is none of {', '.join(model)}")
    return Entity(value)


def _above(members: Members, model: Model, entity: Entity) -> None:
    """Refuse a unique key of a level above that has not one value. Spec: PS3.4 C.4.1.2.1 and C.4.2.2.1 (2024d)"""
    for one in model[: model.index(entity)]:
        values = _values(members, one)
        if len(values) != 1 or any(letter in values[0] for letter in "*?"):
            raise _mismatch(f"{UNIQUE[one][0]} needs one value at level {entity}")


def _values(members: Members, entity: Entity) -> list[str]:
    member = members.get(UNIQUE[entity][1])
    return [part for part in text(member).split("\\") if part] if member is not None and member.vr != "SQ" else []


def _named(members: Members) -> tuple[dict[int, str], bool]:
    """The canonical names of keys by tag, and whether there are others."""
    creators: dict[str, str] = {}
    named: dict[int, str] = {}
    unknown = False
    for tag, member in members.items():
        if naming.is_creator(f"{tag:08X}"):
            creators[f"{tag:08X}"] = text(member)
        elif tag not in NO_KEYS:
            try:
                named[tag] = naming.canonical(f"{tag:08X}", creators)
            except HealixError:  # private, and nobody knows whose
                unknown = True
    return named, unknown


def _keys(members: Members, tag: int, name: str) -> Sequence[tuple[str, str]]:
    """The keys of an attribute; those of a sequence are the attributes of its item."""
    member = members[tag]
    if member.octets is not None:
        raise _mismatch(f"{name} has a value that cannot be matched")
    if member.vr != "SQ":
        return [(name, text(member))]
    if len(member.values) > 1:
        raise _mismatch(f"{name} has more than one item")
    item: Members = member.values[0] if member.values else {}
    inner, _ = _named(item)
    found = [pair for one, part in inner.items() for pair in _keys(item, one, f"{name}.{part}")]
    return found or [(name, "")]


def _zone(members: Members) -> timedelta | None:
    value = text_of(members, TIMEZONE)
    try:
        return moments.offset(value) if value else None
    except moments.MalformedError as error:
        raise invalid("TimezoneOffsetFromUTC is no offset from UTC, such as +0100", code="value") from error


def _agreed(extended: bytes, number: int) -> bool:
    return extended[number : number + 1] == b"\1"


def _mismatch(message: str) -> HealixError:
    return HealixError(Category.UNPROCESSABLE, message)
