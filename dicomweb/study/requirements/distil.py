"""Makes `data/required.tsv` of a published file: `python -m dicomweb.study.requirements.distil FOLDER`.

FOLDER has the wheel `highdicom` 0.28.2 of the Python Package Index (October 2026), unpacked in a folder of its name,
with the modules of each IOD and the attributes of each module. Only facts of the standard are taken over: for each
storage class the attributes of Type 1 at the root of its mandatory modules.

Spec: PS3.3 A and C, PS3.4 B.5 (2026)
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from pydicom.datadict import tag_for_keyword

from dicomweb.study.requirements.required import TABLE

MANDATORY, REQUIRED = "M", "1"


def lines(folder: Path) -> list[str]:
    """A line for each module that requires something, then one for each storage class with its modules."""

    def read(name: str) -> Any:
        return json.loads((folder / f"{name}.json").read_bytes())

    modules: dict[str, list[str]] = {}
    for module, attributes in read("module_attribute_map").items():
        tags = {tag_for_keyword(one["keyword"]) for one in attributes if one["type"] == REQUIRED and not one["path"]}
        if tags - {None}:
            modules[module] = sorted(f"{tag:08X}" for tag in tags if tag is not None)
    iods = {
        iod: sorted({one["key"] for one in found if one["usage"] == MANDATORY and one["key"] in modules})
        for iod, found in read("iod_module_map").items()
    }
    classes = {sop: iods[iod] for sop, iod in sorted(read("sop_class_iod_map").items()) if iods.get(iod)}
    used = {module for found in classes.values() for module in found}
    return [
        *(f"{module}\t{' '.join(modules[module])}" for module in sorted(used)),
        *(f"{sop}\t{' '.join(found)}" for sop, found in classes.items()),
    ]


if __name__ == "__main__":
    source = Path(sys.argv[1]) / "highdicom/highdicom/_standard"
    TABLE.write_text("\n".join(lines(source)) + "\n")
