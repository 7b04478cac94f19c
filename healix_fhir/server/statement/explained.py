"""Values with what is written below them in their class."""

from __future__ import annotations

import ast
import dataclasses
import inspect


def documented(kind: type) -> list[tuple[str, object, str]]:
    """Name, default and meaning of each field of a dataclass; the meaning stands below it."""
    (tree,) = ast.parse(inspect.getsource(kind)).body
    assert isinstance(tree, ast.ClassDef)
    texts: dict[str, str] = {}
    last = ""
    for node in tree.body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            last = node.target.id
        elif last and isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            texts.setdefault(last, ast.literal_eval(node.value))
    assert dataclasses.is_dataclass(kind)
    fields = dataclasses.fields(kind)
    assert {one.name for one in fields} == texts.keys(), "every value is explained"
    return [(one.name, one.default, texts[one.name]) for one in fields]
