"""`healix viewer`: the OHIF viewer's files."""

from __future__ import annotations

import typer

from healix_fhir.server.cli.console import DataDir, answer, configured
from healix_fhir.server.reasons import reasons

app = typer.Typer(help="The OHIF viewer at /ohif/.", no_args_is_help=True)


@app.callback()
def group() -> None:
    """The OHIF viewer at /ohif/."""


@app.command()
def install(data_dir: DataDir = None) -> None:
    """Take the viewer's files from the npm package @ohif/app."""
    from healix_fhir.server.viewer.install import VERSION
    from healix_fhir.server.viewer.install import install as put

    with reasons():
        target = configured(data_dir=data_dir).data_dir / "viewer"
        answer({"version": VERSION, "files": put(target), "directory": str(target)})
