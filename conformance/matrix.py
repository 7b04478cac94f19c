"""The matrix of clauses and the tests that hold the server to them, made from the tests' `spec` marks.

`python -m conformance.matrix` writes docs/reference/conformance.md; a test fails when that page is not current.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "reference" / "conformance.md"
HEAD = """# Conformance matrix

Each clause that a test names with `@pytest.mark.spec`, and the tests. Made by `make docs`; do not edit.

| clause | tests |
|---|---|
"""


def clauses(folder: Path = ROOT / "tests") -> Mapping[str, list[str]]:
    """The names of the tests (`file::function`) by clause."""
    found: dict[str, list[str]] = defaultdict(list)
    for path in sorted(folder.rglob("test_*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for function in ast.walk(tree):
            if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                for clause in _marks(function.decorator_list):
                    found[clause].append(f"{path.relative_to(folder)}::{function.name}")
        for clause in _module_marks(tree):
            found[clause].append(str(path.relative_to(folder)))
    return found


def _marks(decorators: list[ast.expr]) -> Iterator[str]:
    for decorator in decorators:
        if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == "pytest.mark.spec":
            yield from (argument.value for argument in decorator.args if isinstance(argument, ast.Constant))  # type: ignore[misc]


def _module_marks(tree: ast.Module) -> Iterator[str]:
    """The marks in a module's `pytestmark`."""
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "pytestmark":
            marks = node.value.elts if isinstance(node.value, ast.List | ast.Tuple) else [node.value]
            yield from _marks(marks)


def page() -> str:
    """The whole page."""
    return HEAD + "".join(_row(clause, tests) for clause, tests in sorted(clauses().items()))


def _row(clause: str, tests: list[str]) -> str:
    named = ", ".join(f"`{test}`" for test in tests)
    return "| " + clause.replace("|", "\\|") + f" | {named} |\n"


if __name__ == "__main__":
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    PAGE.write_text(page(), encoding="utf-8")
