"""Makes the files of `data/` of published ones: `python -m dicomweb.deidentify.distil FOLDER`.

FOLDER has three wheels of the Python Package Index, each unpacked in a folder of its name: `idiscore` 1.6.0 has the
table with all its options as it was in June 2025 (edition 2025b); `dicom_anonymizer` 2.1.0 has the column of the Basic
Profile as of 2026c, whose further rows are added, and as of 2024b; `highdicom` 0.28.2 (October 2026) has the Types of
attributes in the IODs, of all storage classes of today. Only facts of the standard are taken over. The tool refuses
where the sources contradict each other, so that each row of the Basic Profile is vouched for by two of them, but for
those that are newer than one.

Spec: PS3.15 Table E.1-1 (2025b, 2026c), PS3.3 A and C (2026)
"""

from __future__ import annotations

import json
import re
import runpy
import sys
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydicom.datadict import keyword_for_tag, tag_for_keyword

from dicomweb.deidentify.options import Option
from dicomweb.deidentify.table import TABLE, TYPES

CODES = {
    "DUMMY": "D", "EMPTY": "Z", "REMOVE": "X", "UID": "U", "KEEP": "K", "CLEAN": "C", "EMPTY_OR_DUMMY": "Z/D",
    "REMOVE_OR_EMPTY": "X/Z", "REMOVE_OR_DUMMY": "X/D", "REMOVE_OR_EMPTY_OR_DUMMY": "X/Z/D",
    "REMOVE_OR_EMPTY_OR_UID": "X/Z/U*",
}  # fmt: skip
LISTS = {
    "D_TAGS": "D", "Z_TAGS": "Z", "X_TAGS": "X", "U_TAGS": "U", "Z_D_TAGS": "Z/D", "X_Z_TAGS": "X/Z",
    "X_D_TAGS": "X/D", "X_Z_D_TAGS": "X/Z/D", "X_Z_U_STAR_TAGS": "X/Z/U*",
}  # fmt: skip
PRIVATE = "privatetags"
REPEATING = {"50000000": "50xxxxxx", "60003000": "60xx3000", "60004000": "60xx4000"}
BASIC = "113100"
TYPES_OF_ATTRIBUTES = frozenset({"1", "1C", "2", "2C", "3"})


def with_options(source: str) -> dict[str, dict[str, str]]:
    """For each code of CID 7050: the actions by tag."""
    found: dict[str, dict[str, str]] = {}
    for part in re.split(r"= RawNemaRuleSet\(", source)[1:]:
        code = re.findall(r'code="(\d+)"', part)[0]
        rows = re.findall(
            r'\(\s*(?:SingleTag|RepeatingGroup|(PrivateTags))\(\s*(?:"([^"]+)",?)?\s*\),\s*ActionCodes\.(\w+)', part
        )
        found[code] = {(tag or private).lower(): CODES[action] for private, tag, action in rows}
    return found


def basic(file: Path) -> dict[str, str]:
    """The actions of the Basic Profile by tag."""
    lists = runpy.run_path(str(file))
    found: dict[str, str] = {}
    for name, action in LISTS.items():
        for group, element, *_ in lists[name]:
            tag = f"{group:04x}{element:04x}"
            found[REPEATING.get(tag, tag)] = action
    return found


def merged(older: Mapping[str, Mapping[str, str]], newer: Mapping[str, str], oldest: Mapping[str, str]) -> list[str]:
    """The lines of the table."""
    for name, other in (("2026c", newer), ("2024b", oldest)):
        if differing := [tag for tag, action in other.items() if older[BASIC].get(tag, action) != action]:
            raise SystemExit(f"the sources contradict each other ({name}): {differing}")
    rows = {**newer, **older[BASIC]}
    lines = ["\t".join(("tag", "keyword", "basic", *(option.value for option in Option)))]
    for tag in sorted(rows):
        keyword = "Private" if tag == PRIVATE else keyword_for_tag(int(tag.replace("x", "0"), 16))
        options = [older[option.code].get(tag, "") if option.code in older else "" for option in Option]
        lines.append("\t".join((tag, keyword or "", rows[tag], *options)).rstrip("\t"))
    return lines


def types(folder: Path, rows: Mapping[str, str]) -> list[str]:
    """The Type of each attribute with a conditional action, in the IODs of storage classes, at their root.

    Of several modules that have it, the strictest Type counts; a module that need not be there counts as well.
    """

    def read(name: str) -> Any:
        return json.loads((folder / f"{name}.json").read_bytes())

    classes = defaultdict(list)
    for sop, iod in read("sop_class_iod_map").items():
        classes[iod].append(sop)
    attributes: dict[str, list[dict[str, Any]]] = read("module_attribute_map")
    strictest: dict[tuple[str, str], str] = {}
    for iod, modules in read("iod_module_map").items():
        for one in (one for module in modules for one in attributes.get(module["key"], ())):
            tag = f"{tag_for_keyword(one['keyword']) or 0:08x}"
            if one["path"] or "/" not in rows.get(tag, "") or one["type"] not in TYPES_OF_ATTRIBUTES:
                continue
            for sop in classes[iod]:
                strictest[tag, sop] = min(strictest.get((tag, sop), "3"), one["type"][0])
    lists = defaultdict(list)
    for (tag, sop), kind in strictest.items():
        lists[tag, kind].append(sop)
    return [f"{tag}\t{kind}\t{' '.join(sorted(found))}" for (tag, kind), found in sorted(lists.items())]


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    editions = folder / "dicom_anonymizer/dicomanonymizer/dicom_anonymization_databases"
    older = with_options((folder / "idiscore/idiscore/_public_dicom.py").read_text())
    lines = merged(older, basic(editions / "dicomfields_2026c.py"), basic(editions / "dicomfields_2024b.py"))
    TABLE.write_text("\n".join(lines) + "\n")
    conditional = {line.split("\t")[0]: line.split("\t")[2] for line in lines[1:]}
    standard = folder / "highdicom/highdicom/_standard"
    TYPES.write_text("\n".join(types(standard, conditional)) + "\n")
