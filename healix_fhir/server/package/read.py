"""Reads a FHIR package: a gzipped tar with `package/package.json` and one JSON file for each resource beside it.

Nothing is unpacked to disk. A package may come from anywhere, so that its sizes are capped while it is read, names that
leave the package are refused, and files that are no conformance resources are counted and left, or kept as examples.

Spec: FHIR R4, hl7.org/fhir/R4/packages.html; FHIR NPM Package Specification
"""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

import msgspec
import zstandard

from healix_fhir.kernel.errors import HealixError, invalid, not_found, too_large
from healix_fhir.model.json import decode, encode
from healix_fhir.model.validate import validate
from healix_fhir.store.packages import LEVEL, Packaged, PackageFile

MB = 1 << 20
COMPRESSED = 512 * MB
UNPACKED = 2048 * MB
ONE_FILE = 64 * MB
MEMBERS = 200_000
FOLDER = "package"
EXAMPLES = ("package/example", "package/examples")
MANIFEST = "package.json"
INDEX = ".index.json"
FHIR = ("4.0.1", "4.0.0", "4.0")

TYPES = frozenset(
    {
        "CapabilityStatement", "CodeSystem", "CompartmentDefinition", "ConceptMap", "GraphDefinition",
        "ImplementationGuide", "Library", "Measure", "MessageDefinition", "NamingSystem", "OperationDefinition",
        "PlanDefinition", "Questionnaire", "ActivityDefinition", "SearchParameter", "StructureDefinition",
        "StructureMap", "TerminologyCapabilities", "ValueSet",
    }
)  # fmt: skip
"""The resources with a url that a package defines."""

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Contents:
    """What was in the file: the package, how many JSON files in its folder are no definitions, and what is broken.

    `refused` are definitions that are no valid R4 resources, by file with the first issue; they are left out.
    `examples` are the other resources with an id, by file, their JSON under zstd.
    """

    package: PackageFile
    others: int
    refused: dict[str, str]
    examples: dict[str, bytes]


def read_package(path: Path, advance: Callable[[int], None], *, examples: bool = False) -> Contents:
    """Read the package file `path`, with its `examples` or without; `advance` is told how many bytes were read.

    Raises NotFound, TooLarge, or Invalid for what is no FHIR package of R4.
    """
    if not path.is_file():
        raise not_found(f"there is no file {path}")
    if path.stat().st_size > COMPRESSED:
        raise too_large(f"{path} is larger than {COMPRESSED // MB} MB")
    with path.open("rb") as file:
        raw = _Counted(file, advance)
        try:
            contents = _contents(path, raw, examples)
            while raw.read(MB):
                pass  # what stands behind the archive is part of its digest
        except (tarfile.TarError, EOFError, zlib.error, OSError) as error:
            raise invalid(f"{path} is no gzipped tar file: {error}") from error
    package = msgspec.structs.replace(contents.package, digest=raw.digest.digest())
    return replace(contents, package=package)


def _contents(path: Path, raw: _Counted, examples: bool) -> Contents:
    """What is in the archive; a file is compressed again as soon as it is read, so that one at a time is held."""
    manifest: Json | None = None
    definitions: dict[tuple[str, str, str], Packaged] = {}
    others, refused, shown = 0, {}, {}
    for place, content in _files(raw, (FOLDER, *EXAMPLES) if examples else (FOLDER,)):
        name = place.name
        try:
            resource = decode(content)
        except HealixError as error:
            raise invalid(f"{path}: {name} cannot be read: {error.message}") from error
        if name == INDEX:
            continue
        if str(place.parent) != FOLDER:
            shown[name] = zstandard.compress(encode(resource), LEVEL)
        elif name == MANIFEST:
            manifest = resource
        else:
            found = _definition(resource)
            others += found is None
            if found is None and examples and "id" in resource:
                shown[name] = zstandard.compress(encode(resource), LEVEL)
            if found is not None:
                issues = validate(resource, found.type)
                if issues:
                    refused[name] = issues[0].message
                else:
                    definitions[found.type, found.url, found.version] = found
    name, version, dependencies = _about(path, manifest)
    return Contents(PackageFile(name, version, b"", dependencies, tuple(definitions.values())), others, refused, shown)


def _files(raw: _Counted, folders: tuple[str, ...]) -> Iterator[tuple[PurePosixPath, bytes]]:
    """The JSON files directly in these folders."""
    stream = _Limited(gzip.GzipFile(fileobj=raw))
    with tarfile.open(fileobj=io.BufferedReader(stream, MB), mode="r|") as archive:
        for number, member in enumerate(archive):
            if number >= MEMBERS:
                raise too_large(f"the package has more than {MEMBERS} files")
            place = PurePosixPath(member.name)
            if place.is_absolute() or ".." in place.parts:
                raise invalid(f"the package holds a path outside of itself: {member.name[:100]}")
            if not member.isfile() or str(place.parent) not in folders or place.suffix != ".json":
                continue
            if member.size > ONE_FILE:
                raise too_large(f"{member.name[:100]} is larger than {ONE_FILE // MB} MB")
            content = archive.extractfile(member)
            assert content is not None
            yield place, content.read()


def _about(path: Path, manifest: Json | None) -> tuple[str, str, tuple[str, ...]]:
    """Name, version and dependencies of the package."""
    if manifest is None:
        raise invalid(f"{path} has no {FOLDER}/{MANIFEST}, so it is no FHIR package")
    name, version = manifest.get("name"), manifest.get("version")
    if not isinstance(name, str) or not isinstance(version, str) or not name or not version:
        raise invalid(f"{path}: {MANIFEST} has no name or no version")
    versions = manifest.get("fhirVersions", manifest.get("fhir-version-list", []))
    versions = versions if isinstance(versions, list) else [versions]
    if versions and not any(version in FHIR for version in versions):
        raise invalid(f"{path} is for FHIR {', '.join(map(str, versions))}; this server is R4 ({FHIR[0]})")
    needs = manifest.get("dependencies")
    return name, version, tuple(f"{n}#{v}" for n, v in needs.items()) if isinstance(needs, dict) else ()


def _definition(resource: Json) -> Packaged | None:
    type_name, url = resource.get("resourceType"), resource.get("url")
    if type_name not in TYPES or not isinstance(url, str):
        return None
    version, kind = resource.get("version"), resource.get("type") if type_name == "StructureDefinition" else None
    return Packaged(
        type_name,
        kind if isinstance(kind, str) else "",
        url,
        version if isinstance(version, str) else "",
        zstandard.compress(encode(resource), LEVEL),
    )


class _Counted(io.RawIOBase):
    """Reads through, reports how much, and keeps the digest."""

    def __init__(self, raw: io.BufferedReader, advance: Callable[[int], None]) -> None:
        self._raw = raw
        self._advance = advance
        self.digest = hashlib.sha256()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        piece = self._raw.read(len(buffer))
        buffer[: len(piece)] = piece
        self.digest.update(piece)
        self._advance(len(piece))
        return len(piece)


class _Limited(io.RawIOBase):
    """Reads through until more has come than a package may unpack to."""

    def __init__(self, stream: gzip.GzipFile) -> None:
        self._stream = stream
        self._left = UNPACKED

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        piece = self._stream.read(len(buffer))
        self._left -= len(piece)
        if self._left < 0:
            raise too_large(f"the package unpacks to more than {UNPACKED // MB} MB")
        buffer[: len(piece)] = piece
        return len(piece)
