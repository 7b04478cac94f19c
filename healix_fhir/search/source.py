"""Where the rows of a search come from: the table it reads first, with the condition that an index of it answers.

Every source gives `pk`, `pat` and `d` under the alias `t`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from healix_fhir.kernel.database import Fragment
from healix_fhir.search.lower_value import stored_condition
from healix_fhir.search.nodes import Node, Or, Reference, Token

ARMS = 8
"""Up to so many alternatives are read as arms of their own, each in order and limited; more of them in one arm."""


@dataclass(frozen=True, slots=True)
class Source:
    """`repeats` tells that it may give one resource twice; `spans`, that it has d_hi beside d."""

    table: str
    condition: Fragment
    repeats: bool
    spans: bool

    @property
    def is_resource(self) -> bool:
        """Whether `t` is the resource itself."""
        return self.table == "resource"


def alternatives(node: Node) -> Sequence[Node]:
    """The nodes of which one must hold."""
    return node.nodes if isinstance(node, Or) else (node,)


def resource_source(type_id: int) -> Source:
    """All resources of a type."""
    return Source("resource", Fragment("t.type = %s AND NOT t.deleted", (type_id,)), repeats=False, spans=True)


def token_sources(node: Node) -> tuple[Source, ...]:
    """The rows of hot tokens: none if `node` is anything else, or too many alternatives to be read one by one."""
    tokens = [token for token in alternatives(node) if isinstance(token, Token) and token.hot]
    if len(tokens) != len(alternatives(node)) or not 0 < len(tokens) <= ARMS:
        return ()
    return tuple(_token_source(token) for token in tokens)


def reference_sources(node: Node) -> tuple[Source, ...]:
    """The rows of references: none if `node` is anything else, or too many alternatives to be read one by one."""
    references = [reference for reference in alternatives(node) if isinstance(reference, Reference)]
    if len(references) != len(alternatives(node)) or not 0 < len(references) <= ARMS:
        return ()
    return tuple(
        Source("index_reference", stored_condition(reference, "t"), repeats=True, spans=False)
        for reference in references
    )


def _token_source(token: Token) -> Source:
    if token.any_system:
        return Source("index_token", Fragment("t.h = %s", (token.h,)), repeats=True, spans=True)
    if token.system is None:
        return Source("index_token", Fragment("t.h = %s AND t.sys IS NULL", (token.h,)), repeats=False, spans=True)
    return Source(
        "index_token", Fragment("t.h = %s AND t.sys = %s", (token.h, token.system)), repeats=False, spans=True
    )
