"""Documents to PDF: tagged, with language, title and alternative texts, fonts embedded (PDF/UA-1, PDF/A-2a).

Typst does it, in a process of its own with a limit of time and one of memory: what a document costs is known whatever
is in it, and no other process ever loads the library (docs/decisions/0155-reports-by-typst.md).

Spec: ISO 14289-1 (PDF/UA-1); ISO 19005-2 (PDF/A-2a)
"""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec

from healix_fhir.care.plot.chart import Area, Chart, Dot, Shape, Stroke, Words
from healix_fhir.care.reports import compiling
from healix_fhir.care.reports.characters import FAMILIES
from healix_fhir.care.reports.document import Block, Document, Pictures, Plot, Table
from healix_fhir.care.reports.printable import cell, every_text
from healix_fhir.care.reports.words import words
from healix_fhir.kernel.errors import Category, HealixError, too_large

SECONDS = 30
"""A document that takes longer is given up."""
MOST_BLOCKS, MOST_ROWS, MOST_SHAPES = 2000, 5000, 200_000
"""Of one document; rows are those of all its tables, shapes those of all its plots with each of their places."""
MOST_BYTES = 32 << 20
"""Of all pictures of a document together."""
KINDS = {Stroke: "stroke", Area: "area", Dot: "dot", Words: "words"}
PNG = b"\x89PNG"
Json = dict[str, Any]


def pdf(document: Document) -> bytes:
    """The PDF of a document. Raises TooLarge for more than a document may hold, Fault where it cannot be made."""
    _check(document)
    files: dict[str, bytes] = {}
    told = msgspec.json.encode(_told(document, files))
    with TemporaryDirectory(prefix="healix-report-") as directory:
        for name, content in files.items():
            (Path(directory) / name).write_bytes(content)
        return _set(told, directory)


def _set(told: bytes, directory: str) -> bytes:
    try:
        done = subprocess.run(
            [sys.executable, "-m", compiling.__name__, directory],
            input=told,
            capture_output=True,
            timeout=SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise HealixError(
            Category.FAULT, f"the document took longer than {SECONDS} seconds and was given up"
        ) from error
    if done.returncode != 0 or not done.stdout.startswith(b"%PDF-"):
        why = done.stderr.decode(errors="replace")[-2000:]
        raise HealixError(Category.FAULT, "the document could not be made", detail=f"{done.returncode}: {why}")
    return done.stdout


def _check(document: Document) -> None:
    rows = sum(len(one.rows) for one in document.blocks if isinstance(one, Table))
    charts = [one.chart for one in document.blocks if isinstance(one, Plot)]
    shapes = sum(len(shape.places) if isinstance(shape, Stroke | Area) else 1 for one in charts for shape in one.shapes)
    size = sum(len(one.image) for block in document.blocks if isinstance(block, Pictures) for one in block.pictures)
    for count, most, what in (
        (len(document.blocks), MOST_BLOCKS, "blocks"),
        (rows, MOST_ROWS, "rows"),
        (shapes, MOST_SHAPES, "places of plots"),
        (size, MOST_BYTES, "bytes of pictures"),
    ):
        if count > most:
            raise too_large(f"a document holds {most} {what} at most")


def _told(document: Document, files: dict[str, bytes]) -> Json:
    """A document as JSON; its pictures go into `files`."""
    told: Json = every_text(
        {name: getattr(document, name) for name in ("title", "head", "foot", "overline", "subtitle", "author")}
    )
    made = document.made.astimezone(UTC)
    return told | {
        "language": document.language,
        "fonts": FAMILIES,
        "page": words("frame", document.language)["page"],
        "made": [made.year, made.month, made.day, made.hour, made.minute, made.second],
        "blocks": [_block(one, files) for one in document.blocks],
    }


def _block(block: Block, files: dict[str, bytes]) -> Json:
    """A block as JSON; its pictures go into `files`."""
    if isinstance(block, Table):
        plain = every_text(msgspec.to_builtins(msgspec.structs.replace(block, rows=())))
        return {**plain, "rows": [[cell(text) for text in row] for row in block.rows]}
    if isinstance(block, Plot):
        told = {"block": "plot", "caption": block.caption, "alternative": block.alternative, "names": block.names}
        return {**every_text(told), **_chart(block.chart)}
    if isinstance(block, Pictures):
        return {
            "block": "pictures",
            "columns": block.columns,
            "pictures": [_picture(one, files) for one in block.pictures],
        }
    told_of: Json = every_text(msgspec.to_builtins(block))
    return told_of


def _picture(picture: Any, files: dict[str, bytes]) -> Json:
    name = f"picture-{len(files)}.{'png' if picture.image.startswith(PNG) else 'jpg'}"
    files[name] = picture.image
    return {"file": name, **every_text({"caption": picture.caption, "alternative": picture.alternative})}


def _chart(chart: Chart) -> Json:
    return {"width": chart.width, "height": chart.height, "shapes": [_shape(one) for one in chart.shapes]}


def _shape(shape: Shape) -> Json:
    return {"kind": KINDS[type(shape)], **every_text(msgspec.to_builtins(shape))}
