"""FHIR packages for tests, made in memory."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from pathlib import Path
from typing import Any

import zstandard

from healix_fhir.model.json import encode
from healix_fhir.store.packages import LEVEL, Packaged, PackageFile

Json = dict[str, Any]
MANIFEST: Json = {"name": "example.guide", "version": "1.0.0", "fhirVersions": ["4.0.1"]}


def archive(path: Path, *files: tuple[str, Json | bytes], manifest: Json | None = MANIFEST) -> Path:
    """Write a package with these files; names are whole paths."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, content in ((("package/package.json", manifest),) if manifest is not None else ()) + files:
            data = content if isinstance(content, bytes) else json.dumps(content).encode()
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    path.write_bytes(gzip.compress(buffer.getvalue()))
    return path


def package(
    *bodies: Json, name: str = "example.guide", version: str = "1.0.0", needs: tuple[str, ...] = ()
) -> PackageFile:
    """A package that has been read."""
    definitions = tuple(
        Packaged(
            b["resourceType"], b.get("type", ""), b["url"], b.get("version", ""), zstandard.compress(encode(b), LEVEL)
        )
        for b in bodies
    )
    return PackageFile(name, version, f"{name}{version}{len(bodies)}".encode(), needs, definitions)
