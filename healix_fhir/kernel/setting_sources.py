"""Where each setting of a running server came from, so that whoever looks at it knows where to change it."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path

from dotenv import dotenv_values

from healix_fhir.kernel.settings import FILE, PREFIX, Settings


class Source(StrEnum):
    """Who said what a setting is."""

    DEFAULT = "default"
    ENVIRONMENT = "environment"
    FILE = ".env"
    OPTION = "command line"
    SERVER = "this server"
    """It started the embedded database, and knows where that is."""


def sources(
    settings: Settings, *, environ: Mapping[str, str] | None = None, file: Mapping[str, str | None] | None = None
) -> dict[str, Source]:
    """The source of each setting by its name, for what `kernel.settings.load` made of them."""
    environ = os.environ if environ is None else environ
    file = dotenv_values(".env") if file is None else file
    return {name: _source(name, getattr(settings, name), environ, file) for name in _DEFAULTS}


def _source(name: str, value: object, environ: Mapping[str, str], file: Mapping[str, str | None]) -> Source:
    variable = PREFIX + name.upper()
    for told, source in ((environ.get(variable), Source.ENVIRONMENT), (file.get(variable), Source.FILE)):
        if told:
            return source if written(value) == _as_written(value, told) else Source.OPTION
    for names, source in ((environ, Source.ENVIRONMENT), (file, Source.FILE)):
        if names.get(variable + FILE):
            return source
    if written(value) == _as_written(value, written(_DEFAULTS[name])):
        return Source.DEFAULT
    return Source.SERVER if name == "database_url" else Source.OPTION


def written(value: object) -> str:
    """A setting as its variable holds it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _as_written(value: object, told: str) -> str:
    if isinstance(value, Path):
        return str(Path(told).expanduser().absolute())
    return str(int(told)) if type(value) is int and told.isdecimal() else told


_DEFAULTS = {one.name: one.default for one in dataclasses.fields(Settings)}
