"""Takes the OHIF viewer's files from its npm package and fits them to be served under `/ohif/`."""

from __future__ import annotations

import base64
import gzip
import hashlib
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

from healix_fhir.kernel.errors import Category, HealixError

PACKAGE = "@ohif/app"
VERSION = "3.12.10"
SHA512 = "0kuF66Mq9c9dMD++bUsTjMrJpXJwaZhz9B4uS244DawAjSkTwIYFU93pxPuRUQixaRi7QAHlF3Fe1qudBlZrmA=="
PREFIX = "package/dist/"
MOUNT = "/ohif/"

REWRITES: dict[str, tuple[tuple[str, str], ...]] = {
    ".js": (('__webpack_require__.p = "/";', f'__webpack_require__.p = "{MOUNT}";'),),
    ".css": (("url(/", f"url({MOUNT}"),),
    ".html": (('="/', f'="{MOUNT}'), ("PUBLIC_URL = '/'", f"PUBLIC_URL = '{MOUNT}'")),
    ".json": (('"/assets/', f'"{MOUNT}assets/'),),
}
"""The package is built for the root of a site; these are the places that say so, by kind of file."""

COMPRESSIBLE = frozenset({".css", ".html", ".js", ".json", ".svg", ".wasm"})
PACKED, WORTHWHILE, LEVEL = ".gz", 1024, 6
"""The viewer is 50 MB of script; beside each of its files lies what browsers get of it, a quarter as long."""


def install(target: Path) -> int:
    """Put the viewer into `target`, replacing what was there; returns the number of files.

    Raises Unavailable when npm is missing or cannot get the package, Fault when the package is not the known one.
    """
    if shutil.which("npm") is None:
        raise HealixError(Category.UNAVAILABLE, "npm is needed to get the viewer; install Node.js and try again")
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        archive = _download(Path(scratch))
        fresh = Path(scratch) / "viewer"
        count = _unpack(archive, fresh)
        if target.exists():
            shutil.rmtree(target)
        fresh.rename(target)
    return count


def _download(directory: Path) -> Path:
    done = subprocess.run(
        ["npm", "pack", "--silent", f"{PACKAGE}@{VERSION}"], cwd=directory, capture_output=True, text=True, check=False
    )
    found = list(directory.glob("*.tgz"))
    if done.returncode != 0 or len(found) != 1:
        reason = (done.stderr.strip().splitlines() or ["no package came"])[-1]
        raise HealixError(Category.UNAVAILABLE, f"npm could not get {PACKAGE} {VERSION}: {reason}")
    with found[0].open("rb") as file:
        digest = base64.b64encode(hashlib.file_digest(file, "sha512").digest()).decode()
    if digest != SHA512:
        raise HealixError(Category.FAULT, f"{PACKAGE} {VERSION} is not the package that this version was tested with")
    return found[0]


def _unpack(archive: Path, target: Path) -> int:
    count = 0
    with tarfile.open(archive) as package:
        for member in package:
            if not member.isfile() or not member.name.startswith(PREFIX):
                continue
            path = target / member.name.removeprefix(PREFIX)
            if not path.resolve().is_relative_to(target.resolve()):
                raise HealixError(Category.FAULT, f"{PACKAGE} holds a path outside of itself")
            content = package.extractfile(member)
            assert content is not None
            path.parent.mkdir(parents=True, exist_ok=True)
            fitted = _fitted(path.suffix, content.read())
            path.write_bytes(fitted)
            if path.suffix in COMPRESSIBLE and len(fitted) >= WORTHWHILE:
                path.with_name(path.name + PACKED).write_bytes(gzip.compress(fitted, LEVEL, mtime=0))
            count += 1
    return count


def _fitted(suffix: str, content: bytes) -> bytes:
    for old, new in REWRITES.get(suffix, ()):
        content = content.replace(old.encode(), new.encode())
    return content
