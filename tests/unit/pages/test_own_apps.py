"""What the server does by itself is told to patients as such, whatever name it has in the trail."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

from healix_fhir.pages.account.looked import own_apps

ROOT = Path(__file__).parents[3]


def names() -> Iterator[str]:
    """Under which names the server acts: what is given to `internal` and `Origin(client=…)`, texts and constants."""
    for room in ("healix_fhir", "dicomweb", "smart_auth"):
        for path in (ROOT / room).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                match node:
                    case ast.Call(func=ast.Name("internal"), args=[who]):
                        pass
                    case ast.Call(func=ast.Name("Origin"), keywords=[ast.keyword("client", who), *_]):
                        pass
                    case _:
                        continue
                match who:
                    case ast.Constant(str(name)):
                        yield name
                    case ast.Name(constant) if constant.isupper():
                        yield getattr(import_module(".".join(path.relative_to(ROOT).with_suffix("").parts)), constant)


def test_every_own_name() -> None:
    """A patient who looks who had to do with the record reads no name that only the program uses."""
    found = set(names())
    assert len(found) > 10
    assert found <= set(own_apps())
