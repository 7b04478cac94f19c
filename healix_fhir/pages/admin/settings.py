"""The settings that the server runs by, and where each came from; secrets are hidden.

They are changed where they came from: by environment variables or the `.env` file, and a start.
"""

from __future__ import annotations

import ast
import dataclasses
import inspect
import re
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

from starlette.requests import Request
from starlette.responses import Response

from healix_fhir.kernel import settings as settings_module
from healix_fhir.kernel.database import atransaction, one
from healix_fhir.kernel.setting_sources import Source, sources, written
from healix_fhir.kernel.settings import PREFIX, Settings
from healix_fhir.pages.render import page
from healix_fhir.pages.site import Site, origin
from smart_auth.administration import looking
from smart_auth.oauth.sessions import Session

SETTINGS = "settings"
HIDDEN = "set, not shown"
SECRET = frozenset({"blob_access_key", *(one.name for one in dataclasses.fields(Settings) if not one.repr)})
"""Settings of which no letter is shown."""
LOGIN = re.compile(r"(?<=//)[^/?#\s]*@")
"""Up to the last `@`: a password may hold one."""
PASSWORD = re.compile(r"""(password|passfile|sslpassword)\s*=\s*('(?:[^'\\]|\\.)*'|[^\s&]+)""", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Line:
    """One setting by its variable; `value` is empty where none is set."""

    name: str
    about: str
    value: str
    source: Source


async def listing(site: Site, request: Request, session: Session) -> Response:
    """GET /admin/settings"""
    await atransaction(site.pool, lambda: one(looking.listed(origin(request, session), "setting")))
    return page(
        "admin/settings.html",
        username=session.account.username,
        csrf=session.csrf,
        lines=lines(site.settings, sources(site.settings)),
        default=Source.DEFAULT,
    )


def lines(settings: Settings, told: dict[str, Source]) -> list[Line]:
    """Every setting, in the order in which they are documented."""
    return [
        Line(PREFIX + name.upper(), about, shown(name, getattr(settings, name)), told[name])
        for name, about in documented().items()
    ]


def shown(name: str, value: object) -> str:
    """A value as administrators may read it: without passwords, and without the login in an address."""
    text = written(value)
    if name in SECRET:
        return HIDDEN if text else ""
    return PASSWORD.sub(r"\1=…", LOGIN.sub("…@", text))


@cache
def documented() -> dict[str, str]:
    """What each setting is about, by its name: the text below each in `kernel/settings.py`, as plain words."""
    tree = ast.parse(inspect.getsource(settings_module.Settings))
    assert isinstance(tree.body[0], ast.ClassDef)
    body = tree.body[0].body
    return {
        field.target.id: inspect.cleandoc(text.value.value).replace("`", "")
        for field, text in pairwise(body)
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and isinstance(text, ast.Expr)
        and isinstance(text.value, ast.Constant)
        and isinstance(text.value.value, str)
    }
