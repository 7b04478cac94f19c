"""Every message that people can be told, as the sources hold them."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from healix_fhir.operation.measurement.metrics import METRICS
from healix_fhir.operation.prescription.dosage import PERIODS, ROUTES, UNITS, WHEN
from healix_fhir.operation.prescription.recording import ACTIONS
from healix_fhir.pages.admin.audit import ACTIONS as ACTIONS_TOLD
from healix_fhir.pages.admin.audit import OUTCOMES
from healix_fhir.pages.admin.studies import FORM_LABELS, REASONS
from healix_fhir.pages.measures import MEASURES
from healix_fhir.pages.render import TEMPLATES
from healix_fhir.pages.wording import messages

ROOT = Path(__file__).parents[2]
SAYING = frozenset({"say", "counted", "marked"})
REFUSING = frozenset(
    {"invalid", "unsupported", "not_found", "forbidden", "unauthenticated", "too_large", "HealixError", "_wrong"}
)
TOLD = (
    "healix_fhir/pages/",
    "healix_fhir/care/reports/link.py",
    "smart_auth/account/",
    "smart_auth/oauth/factors/",
    "smart_auth/oauth/login.py",
    "smart_auth/oauth/passwords.py",
    "smart_auth/oauth/throttle.py",
)
"""Where errors are raised that patients meet on pages."""
UNTOLD = frozenset({"in a frame", "too long"})
"""Messages that are caught, and replaced by others."""
CATALOGUE = "from healix_fhir.kernel.language.catalogue import"


def templates() -> Iterator[tuple[str, str]]:
    """Where a message stands, and it."""
    for path in sorted(TEMPLATES.rglob("*.html")):
        for message in messages(path.read_text(encoding="utf-8")):
            yield str(path.relative_to(TEMPLATES)), message


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


def tables() -> Iterator[tuple[str, str]]:
    """What is stored in English, and said in other words where it is shown."""
    for text in (*ACTIONS_TOLD.values(), *OUTCOMES.values()):
        yield "pages/admin/audit.py", text
    for text in (*FORM_LABELS.values(), *REASONS.values()):
        yield "pages/admin/study.py", text
    for measure in MEASURES.values():
        yield "pages/measures.py", measure.title
    told = (*UNITS, *WHEN.values(), *ACTIONS.values(), *(several for _, several in PERIODS.values()))
    units = {unit.shown for metric in METRICS.values() for unit in metric.units}
    yield from (
        ("operation/measurement/metrics.py", unit) for unit in sorted(units) if unit.isalpha() and len(unit) > 4
    )
    for text in (*told, *(said for _, said in ROUTES.values())):
        yield "operation/prescription/dosage.py", text


def refusals(*, all_: bool = False) -> Iterator[tuple[str, str]]:
    """The messages of errors, `{names}` in the place of values: of `TOLD`, or of `all_`."""
    for path in _sources():
        if not (all_ or str(path.relative_to(ROOT)).startswith(TOLD)):
            continue
        constants = _constants(path)
        for call in _calls(path, REFUSING):
            at = 1 if _name(call) == "HealixError" else 0
            for argument in call.args[at : at + 1]:
                text = _text(argument) or constants.get(getattr(argument, "id", ""), "")
                if text and text not in UNTOLD:
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


@cache
def _constants(path: Path) -> dict[str, str]:
    """The texts that have a name in a module, its own or one that it imports."""
    found: dict[str, str] = {}
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign):
            found |= {target.id: _text(node.value) for target in node.targets if isinstance(target, ast.Name)}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith(("healix_fhir.", "smart_auth.")):
            home = ROOT / f"{(node.module or '').replace('.', '/')}.py"
            names = [one.name for one in node.names if one.name.isupper()]
            theirs = _constants(home) if names and home.is_file() else {}
            found |= {name: theirs[name] for name in names if name in theirs}
    return found


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
