"""The objects that a change concerns, and what it makes of each.

They are found in two steps, so that a study of any size takes little memory: which there are, and then a group at a
time what each says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import zstandard

from dicomweb.study.relabel.asked import Relabelling
from dicomweb.study.relabel.edit import Change
from dicomweb.study.relabel.labels import LABELS
from dicomweb.study.relabel.references import Moved
from healix_fhir.kernel.database import Statement, Work


@dataclass(frozen=True, slots=True)
class Concerned:
    """One object to be written anew: the study it is in, its blob, and what becomes of it."""

    study: str
    instance: str
    key: str
    size: int
    change: Change


@dataclass(frozen=True, slots=True)
class There:
    """What was there when the change began: `keys` of the rows of all objects of both studies, and a `print` of them
    that is another one when anything has come, gone or changed since.

    `series` go, and take `labels`; `whole` says that nothing stays behind.
    """

    keys: Sequence[int]
    print: str
    series: frozenset[str]
    labels: Mapping[str, str]
    whole: bool


_THERE = """
SELECT coalesce(array_agg(i.pk ORDER BY i.pk), '{}'),
       md5(coalesce(
         string_agg(concat_ws(' ', s.study_uid, e.series_uid, i.instance_uid, i.blob), ',' ORDER BY i.pk), '')),
       array_agg(DISTINCT e.series_uid) FILTER (WHERE s.study_uid = %s)
FROM study s JOIN series e ON e.study_pk = s.pk JOIN instance i ON i.series_pk = e.pk
WHERE s.study_uid = ANY(%s)"""

_FIRST = """
SELECT i.metadata FROM study s JOIN series e ON e.study_pk = s.pk JOIN instance i ON i.series_pk = e.pk
WHERE s.study_uid = %s ORDER BY e.series_number, e.pk, i.instance_number, i.pk LIMIT 1"""

_ELSEWHERE = """
WITH moved AS (SELECT * FROM study WHERE study_uid = ANY(%s)),
     others AS (
       SELECT s.pk, s.study_uid FROM moved m JOIN study s ON s.pat = m.pat
       UNION
       SELECT s.pk, s.study_uid FROM moved m JOIN study s ON s.patient_id = m.patient_id
         AND s.patient_id_issuer IS NOT DISTINCT FROM m.patient_id_issuer)
SELECT i.pk FROM others o JOIN series e ON e.study_pk = o.pk JOIN instance i ON i.series_pk = e.pk
WHERE o.pk NOT IN (SELECT pk FROM moved) AND NOT EXISTS (SELECT FROM study_hold h WHERE h.study_uid = o.study_uid)
ORDER BY i.pk"""

_OBJECTS = """
SELECT s.study_uid, e.series_uid, i.instance_uid, i.blob, i.size, i.metadata
FROM instance i JOIN series e ON e.pk = i.series_pk JOIN study s ON s.pk = e.study_pk
WHERE i.pk = ANY(%s) ORDER BY i.pk"""


def there(asked: Relabelling) -> Work[There]:
    """What is in both studies now."""
    rows = yield Statement(_THERE, (asked.study, sorted({asked.study, asked.target})))
    keys, print_, of_study = rows[0]
    all_series = frozenset(of_study or ())
    series = frozenset(asked.series) or all_series
    labels = asked.labels
    if asked.target != asked.study:
        first = yield Statement(_FIRST, (asked.target,))
        if first:
            labels = _labels(msgspec.json.decode(zstandard.ZstdDecompressor().decompress(first[0][0])))
    return There(keys, print_, series, labels, all_series <= series)


def elsewhere(asked: Relabelling) -> Work[list[int]]:
    """The keys of what may refer from a third study to what is moved: objects refer to those of their own patient, so
    all of the patient or patients of both studies. Those of a study under legal hold stay as they are.
    """
    if asked.target == asked.study:
        return []
    rows = yield Statement(_ELSEWHERE, ([asked.study, asked.target],))
    return [pk for (pk,) in rows]


def concerned(asked: Relabelling, found: There, keys: Sequence[int]) -> Work[list[Concerned]]:
    """Those of the objects at `keys` that are labelled or moved, or refer to what is; one statement."""
    rows = yield Statement(_OBJECTS, (list(keys),))
    if asked.target == asked.study:
        return [
            Concerned(study, instance, key, size, Change(asked.labels)) for study, _, instance, key, size, _ in rows
        ]
    decompress = zstandard.ZstdDecompressor().decompress
    named = {*found.series, asked.study} if found.whole else found.series
    objects = []
    for study, own_series, instance, key, size, described in rows:
        comes = study == asked.study and own_series in found.series
        moved = Moved(found.series, asked.study, asked.target, asked.target if comes else study, comes, found.whole)
        if comes:
            objects.append(Concerned(study, instance, key, size, Change(found.labels, asked.target, moved)))
        elif _names(decompress(described), named):
            objects.append(Concerned(study, instance, key, size, Change({}, None, moved)))
    return objects


def _labels(members: Mapping[str, Any]) -> dict[str, str]:
    """The labels of an object; those that it has not are empty."""
    found = {}
    for name, (tag, vr) in LABELS.items():
        value = next(iter(members.get(f"{tag:08X}", {}).get("Value", ())), None)
        if vr == "PN" and isinstance(value, dict):
            groups = [value.get(group, "") for group in ("Alphabetic", "Ideographic", "Phonetic")]
            value = "=".join(groups).rstrip("=")
        found[name] = str(value) if value is not None else ""
    return found


def _names(described: bytes, uids: frozenset[str] | set[str]) -> bool:
    """Whether an object that does not go itself refers to one of the series, or to the study."""
    return any(f'"{uid}"'.encode() in described for uid in uids)
