"""FHIRPath as it is evaluated on a resource: the entry for invariants, patches, topics and callers' expressions.

The whole language is here; what search parameters need is compiled to something faster in `path`.

Spec: FHIRPath N1 (2.0.0), hl7.org/fhirpath/N1/; FHIR R4, hl7.org/fhir/R4/fhirpath.html
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, TypeAlias

from healix_fhir.kernel.errors import HealixError, too_large
from healix_fhir.model.fhirpath import tree
from healix_fhir.model.fhirpath.check import check
from healix_fhir.model.fhirpath.evaluate.compile import compiled
from healix_fhir.model.fhirpath.evaluate.node import Items, Node, root
from healix_fhir.model.fhirpath.evaluate.scope import Environment, Evaluation, Run, Scope
from healix_fhir.model.fhirpath.lexer import refused
from healix_fhir.model.fhirpath.parser import parse

__all__ = ["Environment", "Expression", "Focus", "Node", "compile_expression", "expression", "root"]

Focus: TypeAlias = Node
"""An element to start at: a node made by `root` and found by an expression, or made by a walk of one's own."""

NOTHING = Environment()


class Expression:
    """A compiled expression. `text` is what was written."""

    __slots__ = ("_run", "_tree", "text")

    def __init__(self, text: str, tree: tree.Node, run: Run) -> None:
        self.text = text
        self._tree = tree
        self._run = run

    def check(self, structure: str) -> None:
        """See that the expression makes sense on a resource type, data type or backbone element.

        Raises Invalid for an element that cannot be there: on evaluation it would only be an empty result.
        """
        try:
            check(self._tree, structure)
        except HealixError as error:
            raise refused(self.text, error) from error

    def above(self) -> tuple[Expression, str] | None:
        """For a path that ends with the name of an element: the path without it, and the name."""
        last = self._tree
        if not isinstance(last, tree.Member):
            return None
        return Expression(self.text, last.base, compiled(last.base)), last.name

    def evaluate(
        self, resource: Mapping[str, Any], *, focus: Focus | None = None, environment: Environment = NOTHING
    ) -> list[Node]:
        """The items that the expression finds in `resource`, or from `focus` on.

        Raises Invalid for what the language does not allow, Unsupported for what is refused by name, TooLarge when
        the budget of steps is used up; never anything else, whatever the resource holds.
        """
        return list(self._items(root(resource) if focus is None else focus, environment))

    def holds(self, focus: Focus | Mapping[str, Any], environment: Environment = NOTHING) -> bool:
        """Whether an invariant is true of a node or resource.

        As FHIR's validator has it: one boolean is its value, any other item is true, an empty collection false. An
        invariant must be true, so that one without an answer has failed.
        """
        items = self._items(focus if isinstance(focus, Node) else root(focus), environment)
        if len(items) == 1 and type(items[0].value) is bool:
            return items[0].value
        return bool(items)

    def _items(self, focus: Node, environment: Environment) -> Items:
        try:
            return self._run(Scope(Evaluation(focus, environment), (focus,)))
        except HealixError as error:
            raise refused(self.text, error) from error
        except RecursionError as error:
            raise refused(self.text, too_large("FHIRPath: the expression is nested too deeply")) from error


def compile_expression(text: str) -> Expression:
    """Compile `text`, which comes from a caller and is not kept. Raises Invalid with the place of a syntax error."""
    parsed = parse(text)
    try:
        return Expression(text, parsed, compiled(parsed))
    except HealixError as error:
        raise refused(text, error) from error


@lru_cache(maxsize=4096)
def expression(text: str) -> Expression:
    """The compiled expression of a definition, which comes again and again and is kept. Raises as above."""
    return compile_expression(text)
