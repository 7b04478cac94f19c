"""`healix fhirpath`: an expression evaluated on a file."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from healix_fhir.server.cli.console import DataDir, answer
from healix_fhir.server.reasons import reasons, stop

FileArgument = Annotated[Path, typer.Argument(help="A resource as JSON or XML; - for standard input.")]
Strict = Annotated[bool, typer.Option("--strict", help="Refuse elements that the resource cannot have.")]


def fhirpath_command(
    expression: Annotated[str, typer.Argument(help="The FHIRPath expression.")],
    file: FileArgument,
    strict: Strict = False,
    data_dir: DataDir = None,  # every command takes it; this one needs no data
) -> None:
    """Evaluate a FHIRPath expression on a resource."""
    del data_dir
    from healix_fhir.model.fhirpath.engine import compile_expression

    with reasons():
        resource = _read(file)
        compiled = compile_expression(expression)
        named = resource.get("resourceType")
        if strict and isinstance(named, str):
            compiled.check(named)
        found = compiled.evaluate(resource)
    answer({"results": [_shown(node) for node in found]})


def _read(file: Path) -> dict[str, Any]:
    from healix_fhir.model import json
    from healix_fhir.model.xml import decode as xml

    try:
        body = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
    except OSError as error:
        stop(f"{file}: {error.strerror}")
    return xml.decode(body) if body.lstrip().startswith(b"<") else json.decode(body)


def _shown(node: Any) -> dict[str, Any]:
    from healix_fhir.model.fhirpath.evaluate.moment import Moment
    from healix_fhir.model.fhirpath.evaluate.quantity import Quantity

    value = str(node.value) if isinstance(node.value, Moment | Quantity) else node.value
    shown = {"type": node.type, "value": value}
    return shown | ({"location": node.location} if node.location else {})
