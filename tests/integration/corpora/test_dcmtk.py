"""Our metadata of the whole corpus beside what `dcm2json` and `dcm2xml` of dcmtk make of the same files."""

from __future__ import annotations

import json
import math
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from dicomweb.dicomjson.xml import native_model
from tests.integration.corpora.archive import accepted
from tests.support.corpora import File, sampled
from tests.support.dicomjson import normal
from tests.support.exclusions import exclusions
from tests.support.native_model import model
from tests.support.tools import require_tool
from tests.support.walk import json_of

pytestmark = pytest.mark.filterwarnings("ignore")

FILES = [pytest.param(file, id=file.name) for file in sampled(accepted().values())]
DIGITS = {"FL": 1e-6, "FD": 1e-14, "DS": 1e-14}
UNCOMPRESSED_ONLY = 81
"""The exit code of `dcm2json` for a file whose pixels are compressed."""


def run(program: str, file: File, folder: Path, *options: str) -> subprocess.CompletedProcess[bytes]:
    """Run a program of dcmtk on a file."""
    path = folder / "file.dcm"
    path.write_bytes(file.content)
    return subprocess.run([require_tool(program), *options, path], capture_output=True, timeout=60, check=False)


@pytest.mark.spec("PS3.18 F.2")
@pytest.mark.spec("PS3.18 8.8")
@pytest.mark.parametrize("file", FILES)
def test_the_same_json(file: File, tmp_path: Path) -> None:
    """Every attribute of every file has the value that `dcm2json` writes, in every character set."""
    if file.name in exclusions("dcmtk-unread"):
        return
    done = run("dcm2json", file, tmp_path)
    if done.returncode != UNCOMPRESSED_ONLY:
        assert list(differences(normal(json_of(file.content)), normal(json.loads(done.stdout)))) == []


@pytest.mark.spec("PS3.19 A.1")
@pytest.mark.parametrize("file", FILES)
def test_the_same_xml(file: File, tmp_path: Path) -> None:
    """Every attribute of every file has the values that `dcm2xml` writes."""
    if file.name in exclusions("dcmtk-unread") | exclusions("dcm2xml-otherwise"):
        return
    done = run("dcm2xml", file, tmp_path, "--native-format", "--convert-to-utf8")
    assert done.returncode == 0, done.stderr
    ours = ET.fromstring(native_model(json.dumps(json_of(file.content)).encode()))
    theirs = ET.fromstring(done.stdout)
    for attribute in (*ours.iter("DicomAttribute"), *theirs.iter("DicomAttribute")):
        attribute.attrib.pop("keyword", None)  # dcmtk has none for what is retired
    assert model(ours) == model(theirs)


def differences(ours: Mapping[str, Any], theirs: Mapping[str, Any], path: str = "") -> Iterator[str]:
    """The attributes that differ; binary values are compared where they are retrieved."""
    for tag in sorted(ours.keys() | theirs.keys()):
        one, other = ours.get(tag), theirs.get(tag)
        if one is None or other is None or one["vr"] != other["vr"]:
            yield f"{path}{tag}: {one} and {other}"
        elif one["vr"] == "SQ" and len(one["Value"]) == len(other["Value"]):
            for number, (item, their) in enumerate(zip(one["Value"], other["Value"], strict=True)):
                yield from differences(item, their, f"{path}{tag}[{number}].")
        elif "Value" in one and not _same(one, other):
            yield f"{path}{tag}: {one} and {other}"


def _same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    if one.get("InlineBinary") != other.get("InlineBinary"):
        return False
    values, theirs = ([_shown(value) for value in found.get("Value", ())] for found in (one, other))
    values, theirs = ([] if found == [None] else found for found in (values, theirs))
    if one["vr"] in DIGITS and len(values) == len(theirs):
        pairs = zip(values, theirs, strict=True)
        return all(a == b or _close(a, b, DIGITS[one["vr"]]) for a, b in pairs)
    return values == theirs


def _close(one: Any, other: Any, digits: float) -> bool:
    numbers = isinstance(one, int | float) and isinstance(other, int | float)
    return numbers and math.isclose(one, other, rel_tol=digits)


def _shown(value: Any) -> Any:
    """A name without the delimiters of components that are empty, which dcmtk leaves out."""
    if isinstance(value, dict):
        return {group: text.rstrip("^") for group, text in value.items() if text.rstrip("^")} or None
    return value
