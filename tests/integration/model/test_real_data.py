"""The model on real data: Synthea's bundles, US Core's examples, and the official definitions it was distilled from."""

from __future__ import annotations

import gzip
import json
import tarfile
from decimal import Decimal
from pathlib import Path

import pytest

from healix_fhir.model.data_files import DIRECTORY
from healix_fhir.model.distill import distill, main
from healix_fhir.model.json import decode, encode
from healix_fhir.model.references import references, rewrite
from healix_fhir.model.validate import validate
from tests.support.resources import shared_data, synthea_bundles

# a hash in base64 that is abbreviated with dots: not base64
BROKEN_EXAMPLES = {"us_core_311.tgz": {"package/example/DiagnosticReport-cardiology-report.json"}}


def test_synthea_is_valid() -> None:
    """All 8,367 resources, validated inside their bundles, have no issue."""
    count = 0
    for line in synthea_bundles():
        bundle = decode(line)
        count += len(bundle["entry"])
        assert validate(bundle, "Bundle") == ()
    assert count == 8367


def test_synthea_is_written_as_it_was_read() -> None:
    """Reading and writing a bundle loses no digit, key or character."""
    for line in synthea_bundles():
        written = json.loads(encode(decode(line)), parse_float=str, parse_int=Decimal)
        assert written == json.loads(line, parse_float=str, parse_int=Decimal)


def test_synthea_references_are_all_rewritten() -> None:
    """After rewriting, a bundle's fullUrls stand nowhere but in the entries' own fullUrl."""
    for line in synthea_bundles():
        bundle = decode(line)
        mapping = {
            entry["fullUrl"]: f"{entry['resource']['resourceType']}/{number}"
            for number, entry in enumerate(bundle["entry"])
        }
        rewrite(bundle, mapping)
        assert encode(bundle).count(b"urn:uuid:") == len(mapping)
        local = {text for _, text in references(bundle) if not text.startswith("#")}
        assert local <= set(mapping.values())


def test_us_core_examples_are_valid() -> None:
    """The examples of three US Core versions have no structural issue, but for one that is broken."""
    for path in sorted(shared_data("fhir/us-core").glob("*.tgz")):
        broken = set()
        with tarfile.open(path) as package:
            for member in package:
                if member.name.startswith("package/example/") and not member.name.endswith(".index.json"):
                    content = package.extractfile(member)
                    assert content is not None
                    resource = decode(content.read())
                    if validate(resource, resource["resourceType"]):
                        broken.add(member.name)
        assert broken == BROKEN_EXAMPLES.get(path.name, set())


def test_package_data_is_what_the_distiller_makes(tmp_path: Path) -> None:
    """The data files in the package come from the official definitions by the distiller."""
    distill(shared_data("fhir/definitions"), tmp_path)
    assert _contents(tmp_path) == _contents(DIRECTORY)


def _contents(directory: Path) -> dict[str, bytes]:
    """The files of a folder, decompressed: compressors differ."""
    return {
        path.name: gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        for path in directory.iterdir()
    }


def test_distiller_names_what_is_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A source folder without the definitions ends the command with one line."""
    assert main([str(tmp_path), "--output", str(tmp_path / "out")]) == 1
    assert capsys.readouterr().err == f"{tmp_path} has no profiles-types.json.gz\n"
