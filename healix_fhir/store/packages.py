"""Installed FHIR packages: put in, taken out, listed, and looked up by the url of a definition.

Spec: FHIR R4, hl7.org/fhir/R4/packages.html
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

import msgspec
import zstandard

from healix_fhir.kernel import arrays
from healix_fhir.kernel.audit import OPERATOR, AuditRow, record
from healix_fhir.kernel.database import Statement, Work
from healix_fhir.kernel.errors import not_found
from healix_fhir.store.custom_parameters import changed

LEVEL = 9


class Packaged(msgspec.Struct, frozen=True):
    """A definition of a package; `kind` is StructureDefinition.type, `body` its JSON under zstd."""

    type: str
    kind: str
    url: str
    version: str
    body: bytes


class PackageFile(msgspec.Struct, frozen=True):
    """A package that has been read; `dependencies` as `name#version`."""

    name: str
    version: str
    digest: bytes
    dependencies: tuple[str, ...]
    definitions: tuple[Packaged, ...]


class Installed(msgspec.Struct, frozen=True):
    """A package as it is listed."""

    name: str
    version: str
    definitions: int
    installed: datetime


class Found(msgspec.Struct, frozen=True):
    """A definition of an installed package, with what that package needs."""

    url: str
    version: str
    body: bytes
    package: str
    package_version: str
    dependencies: tuple[str, ...]


def install(package: PackageFile) -> Work[str]:
    """Put a package in place of one of the same name and version: `installed`, `replaced`, or `unchanged`."""
    rows = yield Statement(
        "SELECT digest FROM package WHERE name = %s AND version = %s FOR UPDATE", (package.name, package.version)
    )
    if rows and bytes(rows[0][0]) == package.digest:
        return "unchanged"
    yield Statement("DELETE FROM package WHERE name = %s AND version = %s", (package.name, package.version))
    yield Statement(
        "INSERT INTO package (name, version, digest, dependencies) VALUES (%s, %s, %s, %s::text[])",
        (package.name, package.version, package.digest, arrays.text(package.dependencies)),
    )
    given = package.definitions
    yield Statement(
        """INSERT INTO definition (package, package_version, type, kind, url, version, body)
           SELECT %s, %s, * FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[], %s::bytea[])""",
        (
            package.name,
            package.version,
            arrays.text(one.type for one in given),
            arrays.text(one.kind for one in given),
            arrays.text(one.url for one in given),
            arrays.text(one.version for one in given),
            arrays.bytea(one.body for one in given),
        ),
    )
    action = "U" if rows else "C"
    yield record([AuditRow(OPERATOR, action, "package", entity=f"{package.name}#{package.version}")])
    yield from changed()
    return "replaced" if rows else "installed"


def remove(name: str, version: str) -> Work[None]:
    """Take a package and its definitions out. Raises NotFound for one that is not installed."""
    rows = yield Statement("DELETE FROM package WHERE name = %s AND version = %s RETURNING name", (name, version))
    if not rows:
        raise not_found(f"the package {name[:100]}#{version[:100]} is not installed")
    yield record([AuditRow(OPERATOR, "D", "package", entity=f"{name}#{version}")])
    yield from changed()


def listed() -> Work[list[Installed]]:
    """The installed packages by name, the latest installed version of each first."""
    rows = yield Statement(
        """SELECT p.name, p.version, count(d.pk), p.installed FROM package p
           LEFT JOIN definition d ON (d.package, d.package_version) = (p.name, p.version)
           GROUP BY p.name, p.version ORDER BY p.name, p.installed DESC"""
    )
    return [Installed(*row) for row in rows]


def look_up(urls: Iterable[str], types: Sequence[str]) -> Work[list[Found]]:
    """The definitions of these types that installed packages have under `urls`."""
    rows = yield Statement(
        """SELECT d.url, d.version, d.body, p.name, p.version, p.dependencies
           FROM definition d JOIN package p ON (p.name, p.version) = (d.package, d.package_version)
           WHERE d.url = ANY(%s::text[]) AND d.type = ANY(%s::text[])""",
        (arrays.text(urls), arrays.text(types)),
    )
    return [
        Found(url, version, zstandard.decompress(bytes(body)), name, package_version, tuple(dependencies))
        for url, version, body, name, package_version, dependencies in rows
    ]
