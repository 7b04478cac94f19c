"""Every message that people can be told, as the sources hold them."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from healix_fhir.pages.render import TEMPLATES
from healix_fhir.pages.wording import messages

ROOT = Path(__file__).parents[2]
SAYING = frozenset({"say", "counted", "marked"})
REFUSING = frozenset(
    {"invalid", "unsupported", "not_found", "forbidden", "unauthenticated", "too_large", "HealixError"}
)
CATALOGUE = "from healix_fhir.kernel.language.catalogue import"
LATER = frozenset(
    str(path.relative_to(TEMPLATES))
    for name in (
        "admin", "admin/*", "access", "alert_form", "alert_rules", "alerts", "alerts_own", "appointments", "calendar",
        "care", "devices", "dicomweb", "drawing", "emergency", "find_appointment", "goal", "goals", "hours",
        "invitation", "invitations", "looked", "metrics", "openapi", "order", "practitioner", "prescribe",
        "prescriptions", "readings", "refills", "report", "report_link",
    )
    for path in TEMPLATES.glob(f"{name}.html")
)  # fmt: skip
"""Templates whose words are English only."""


def templates(*, all_: bool = False) -> Iterator[tuple[str, str]]:
    """Where a message stands, and it; of those for later only where `all_` are wanted."""
    for path in sorted(TEMPLATES.rglob("*.html")):
        name = str(path.relative_to(TEMPLATES))
        if all_ or name not in LATER:
            for message in messages(path.read_text(encoding="utf-8")):
                yield name, message


def code() -> Iterator[tuple[str, str]]:
    """What Python code says."""
    for path in _sources():
        if CATALOGUE not in path.read_text(encoding="utf-8"):
            continue
        for call in _calls(path, SAYING | {"Words"}):
            parts = [part for argument in call.args for part in ast.walk(argument)]
            for part in parts if _name(call) != "Words" else _values(call):
                if isinstance(part, ast.Constant) and isinstance(part.value, str):
                    yield str(path.relative_to(ROOT)), part.value


def refusals() -> Iterator[tuple[str, str]]:
    """The messages of errors, `{names}` in the place of values."""
    for path in _sources():
        for call in _calls(path, REFUSING):
            for argument in call.args[:2]:
                if text := _text(argument):
                    yield str(path.relative_to(ROOT)), text


def _sources() -> list[Path]:
    return [path for folder in ("healix_fhir", "smart_auth") for path in sorted((ROOT / folder).rglob("*.py"))]


def _calls(path: Path, names: frozenset[str]) -> Iterator[ast.Call]:
    source = path.read_text(encoding="utf-8")
    if not any(f"{name}(" in source for name in names):
        return
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and _name(node) in names:
            yield node


def _name(call: ast.Call) -> str:
    return call.func.id if isinstance(call.func, ast.Name) else ""


def _values(call: ast.Call) -> list[ast.expr]:
    table = call.args[0]
    return table.values if isinstance(table, ast.Dict) else []


def _text(node: ast.expr) -> str:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(
            str(part.value) if isinstance(part, ast.Constant) else f"{{{_called(part)}}}" for part in node.values
        )
    return ""


def _called(part: ast.expr) -> str:
    """What a value of an f-string is called: the last name in it."""
    names = [node.attr if isinstance(node, ast.Attribute) else node.id for node in ast.walk(part)
             if isinstance(node, ast.Attribute | ast.Name)]  # fmt: skip
    return names[0] if names else "text"
