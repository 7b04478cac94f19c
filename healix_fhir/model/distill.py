"""Distil the official FHIR 4.0.1 definitions into the data files of this package.

`python -m healix_fhir.model.distill SOURCE_DIR` reads the Bundles `profiles-types`, `profiles-resources`,
`profiles-others`, `extension-definitions`, `search-parameters`, `valuesets`, `v3-codesystems`, `v2-tables`,
`conceptmaps` and `compartments` (`.json` or `.json.gz`) in SOURCE_DIR and writes `healix_fhir/model/data`. The output
is the same bytes for the same input. What the files hold is described in healix_fhir/model/definitions.py and
healix_fhir/model/profile/official.py, which read them.

Spec: FHIR R4, hl7.org/fhir/R4/downloads.html
"""

from __future__ import annotations

import argparse
import gzip
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from healix_fhir.kernel.errors import HealixError, invalid
from healix_fhir.model.distill_elements import structures
from healix_fhir.model.distill_operations import operations
from healix_fhir.model.distill_profiles import corrected, distilled, terminology, with_snapshots
from healix_fhir.model.distill_search import compartments, search_parameters

DATA = Path(__file__).with_name("data")


def main(arguments: Sequence[str] | None = None) -> int:
    """The command: distil SOURCE_DIR; a missing or broken file ends it with one line on stderr."""
    parser = argparse.ArgumentParser(prog="python -m healix_fhir.model.distill", description=__doc__.partition("\n")[0])
    parser.add_argument("source", type=Path, metavar="SOURCE_DIR")
    parser.add_argument("--output", type=Path, default=DATA)
    options = parser.parse_args(arguments)
    try:
        distill(options.source, options.output)
    except HealixError as error:
        sys.stderr.write(f"{error.message}\n")
        return 1
    return 0


def distill(source: Path, output: Path) -> None:
    """Write the data files for the definitions in `source` to `output`."""
    found = {name: _resources(source, name) for name in ("profiles-types", "profiles-resources")}
    definitions = [
        corrected(definition)
        for resources in found.values()
        for definition in resources
        if definition["resourceType"] == "StructureDefinition"
    ]
    vocabulary = [
        resource for name in ("valuesets", "v3-codesystems", "v2-tables") for resource in _resources(source, name)
    ]
    tables, codes = structures(with_snapshots(definitions), vocabulary)
    names = sorted(
        definition["type"]
        for definition in definitions
        if definition["kind"] == "resource" and not definition["abstract"]
    )
    output.mkdir(parents=True, exist_ok=True)
    types = {name: number for number, name in enumerate(names, 1)}
    (output / "types.json").write_text(json.dumps(types, indent=0) + "\n")
    _write(output / "elements.json.gz", tables)
    _write(output / "codes.json.gz", codes)
    profiles = [*_resources(source, "profiles-others"), *_resources(source, "extension-definitions")]
    _write(output / "structures.json.gz", distilled([*definitions, *profiles]))
    _write(output / "terminology.json.gz", terminology([*vocabulary, *_resources(source, "conceptmaps")]))
    _write(output / "search.json.gz", search_parameters(_resources(source, "search-parameters")))
    _write(output / "compartments.json.gz", compartments(_resources(source, "compartments")))
    _write(output / "operations.json.gz", operations(found["profiles-resources"]))


def _resources(source: Path, name: str) -> Sequence[dict[str, Any]]:
    for path in (source / f"{name}.json.gz", source / f"{name}.json"):
        if path.exists():
            content = path.read_bytes()
            bundle = json.loads(gzip.decompress(content) if path.suffix == ".gz" else content)
            return [entry["resource"] for entry in bundle["entry"]]
    raise invalid(f"{source} has no {name}.json.gz")


def _write(path: Path, value: object) -> None:
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    path.write_bytes(gzip.compress(text.encode(), compresslevel=9, mtime=0))


if __name__ == "__main__":
    sys.exit(main())
