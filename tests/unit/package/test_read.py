"""Reading FHIR packages, hostile ones among them."""

from __future__ import annotations

import gzip
import io
import tarfile
from pathlib import Path

import pytest
import zstandard

from healix_fhir.kernel.errors import Category, HealixError
from healix_fhir.model.json import decode
from healix_fhir.server.package import read
from healix_fhir.server.package.read import Contents, read_package
from tests.support.packages import MANIFEST, Json, archive
from tests.support.profiles import profile

PROFILE = profile("Patient", {"id": "Patient.photo", "min": 1}, version="2.0")
VALUES: Json = {"resourceType": "ValueSet", "url": "urn:v", "status": "active"}


def contents(path: Path) -> Contents:
    """What is read."""
    return read_package(path, lambda _size: None)


@pytest.mark.spec("FHIR R4 packages.html")
def test_definitions_are_taken(tmp_path: Path) -> None:
    """Those of the package's folder; the index, examples and other files are not."""
    path = archive(
        tmp_path / "p.tgz",
        ("package/a.json", PROFILE),
        ("package/b.json", VALUES),
        ("package/.index.json", {"files": []}),
        ("package/other.json", {"some": "thing"}),
        ("package/example/c.json", VALUES | {"url": "urn:w"}),
        ("package/text.txt", b"text"),
        ("other/d.json", VALUES),
        manifest=MANIFEST | {"dependencies": {"hl7.fhir.r4.core": "4.0.1"}},
    )
    sizes: list[int] = []
    found = read_package(path, sizes.append)
    package = found.package
    assert (package.name, package.version, package.dependencies) == (
        "example.guide",
        "1.0.0",
        ("hl7.fhir.r4.core#4.0.1",),
    )
    assert [(d.type, d.kind, d.url, d.version) for d in package.definitions] == [
        ("StructureDefinition", "Patient", PROFILE["url"], "2.0"),
        ("ValueSet", "", "urn:v", ""),
    ]
    assert decode(zstandard.decompress(package.definitions[0].body)) == PROFILE
    assert (found.others, found.refused) == (1, {})
    assert sum(sizes) == path.stat().st_size
    assert len(package.digest) == 32
    assert found.examples == {}


def test_examples_are_taken_when_asked_for(tmp_path: Path) -> None:
    """Those of the example folders, and what has an id beside the definitions; no index."""
    adas = [{"resourceType": "Patient", "id": f"ada-{number}"} for number in range(3)]
    path = archive(
        tmp_path / "p.tgz",
        ("package/a.json", PROFILE),
        ("package/other.json", {"some": "thing"}),
        ("package/p0.json", adas[0]),
        ("package/example/p1.json", adas[1]),
        ("package/examples/p2.json", adas[2]),
        ("package/example/.index.json", {"files": []}),
        ("package/openapi/p3.json", adas[0]),
    )
    found = read_package(path, lambda _size: None, examples=True)
    assert [decode(zstandard.decompress(body)) for body in found.examples.values()] == adas
    assert [one.url for one in found.package.definitions] == [PROFILE["url"]]


def test_definitions_that_are_no_r4_are_left_out(tmp_path: Path) -> None:
    """Each with its file and first issue."""
    path = archive(tmp_path / "p.tgz", ("package/a.json", PROFILE), ("package/b.json", VALUES | {"status": "odd"}))
    found = contents(path)
    assert len(found.package.definitions) == 1
    assert list(found.refused) == ["b.json"]
    assert "ValueSet.status" in found.refused["b.json"]


@pytest.mark.parametrize(
    ("manifest", "reason"),
    [
        (None, "so it is no FHIR package"),
        ({"name": "x"}, "no version"),
        ({"version": "1"}, "no name"),
        (MANIFEST | {"fhirVersions": ["5.0.0"]}, "is for FHIR 5.0.0"),
    ],
)
def test_manifests(tmp_path: Path, manifest: Json | None, reason: str) -> None:
    """A package without a name or for another FHIR version is refused."""
    with pytest.raises(HealixError, match=reason):
        contents(archive(tmp_path / "p.tgz", ("package/a.json", PROFILE), manifest=manifest))


@pytest.mark.parametrize("name", ["../evil.json", "/etc/evil.json", "package/../../evil.json"])
def test_paths_out_of_the_package(tmp_path: Path, name: str) -> None:
    """The whole package is refused, and nothing is written anywhere."""
    with pytest.raises(HealixError, match="outside of itself"):
        contents(archive(tmp_path / "p.tgz", (name, PROFILE)))
    assert [path.name for path in tmp_path.iterdir()] == ["p.tgz"]


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE, tarfile.DIRTYPE])
def test_what_is_no_file_is_passed_over(tmp_path: Path, kind: bytes) -> None:
    """Links and devices are never followed or made."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        member = tarfile.TarInfo("package/package.json")
        member.type, member.linkname = kind, "/etc/passwd"
        tar.addfile(member)
    path = tmp_path / "p.tgz"
    path.write_bytes(gzip.compress(buffer.getvalue()))
    with pytest.raises(HealixError, match="so it is no FHIR package"):
        contents(path)


@pytest.mark.parametrize(
    "content",
    [b"", b"plain text", gzip.compress(b"no tar", mtime=0), gzip.compress(b"x" * 4096, mtime=0)[:-20]],
    ids=["empty", "text", "no tar", "cut"],
)
def test_what_is_no_archive(tmp_path: Path, content: bytes) -> None:
    """It is refused with a reason."""
    path = tmp_path / "p.tgz"
    path.write_bytes(content)
    with pytest.raises(HealixError) as error:
        contents(path)
    assert error.value.category is Category.INVALID


def test_broken_json(tmp_path: Path) -> None:
    """A file that cannot be read names itself."""
    with pytest.raises(HealixError, match=r"a\.json cannot be read"):
        contents(archive(tmp_path / "p.tgz", ("package/a.json", b"{")))


@pytest.mark.parametrize(
    ("limit", "value"), [("COMPRESSED", 100), ("UNPACKED", 5000), ("ONE_FILE", 100), ("MEMBERS", 1)]
)
def test_limits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str, value: int) -> None:
    """Sizes are capped while the package is read: a bomb is never unpacked."""
    monkeypatch.setattr(read, limit, value)
    with pytest.raises(HealixError) as error:
        contents(archive(tmp_path / "p.tgz", ("package/a.json", PROFILE), ("package/b.txt", b"0" * 50_000)))
    assert error.value.category is Category.TOO_LARGE


def test_a_missing_file(tmp_path: Path) -> None:
    """It is not found."""
    with pytest.raises(HealixError) as error:
        contents(tmp_path / "none.tgz")
    assert error.value.category is Category.NOT_FOUND
