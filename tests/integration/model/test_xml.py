"""XML on real data: Synthea's bundles, US Core's examples and the official definitions, there and back."""

from __future__ import annotations

import gzip
import tarfile
from collections.abc import Iterator
from typing import Any

import pytest

from healix_fhir.model import json
from healix_fhir.model.xml.decode import decode
from healix_fhir.model.xml.encode import encode
from tests.property.model.test_xml import exact
from tests.support.resources import shared_data, synthea_bundles


def _synthea() -> Iterator[dict[str, Any]]:
    for line in synthea_bundles():
        yield json.decode(line)


def _us_core() -> Iterator[dict[str, Any]]:
    for path in sorted(shared_data("fhir/us-core").glob("*.tgz")):
        with tarfile.open(path) as package:
            for member in package:
                if member.name.startswith("package/example/") and not member.name.endswith(".index.json"):
                    content = package.extractfile(member)
                    assert content is not None
                    yield json.decode(content.read())


def _definitions() -> Iterator[dict[str, Any]]:
    for path in sorted(shared_data("fhir/definitions").glob("*.json.gz")):
        yield json.decode(gzip.decompress(path.read_bytes()))


@pytest.mark.spec("FHIR R4 xml.html#root")
@pytest.mark.parametrize("source", [_synthea, _us_core, _definitions], ids=["synthea", "us-core", "definitions"])
def test_real_resources_survive_the_way_through_xml(source: Any) -> None:
    """Every resource is the same after JSON to XML to JSON: keys, digits, characters, order of arrays."""
    seen = 0
    for resource in source():
        assert exact(decode(encode(resource))) == exact(resource)
        seen += 1
    assert seen
