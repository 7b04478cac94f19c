"""Parameters that look at other resources: chains (`subject:Patient.name`) and reverse chains (`_has`), of any depth.

Each link carries the access predicate of the type it leads to: a chain through a resource that the caller may not see
does not match. A chain without a type is followed to every type that the reference may have and that knows the next
parameter.

Spec: FHIR R4, hl7.org/fhir/R4/search.html#chaining, #has
"""

from __future__ import annotations

from collections.abc import Callable

from healix_fhir.kernel.errors import HealixError, invalid, unsupported
from healix_fhir.kernel.ids import is_logical_id
from healix_fhir.model.definitions import TYPE_ID, SearchParameter, search_parameters
from healix_fhir.search.criteria_text import FULL_TEXT, full_text
from healix_fhir.search.index_facts import Pointing, pointing, url_parameter
from healix_fhir.search.nodes import Id, Linked, Node, Or, Referring, Visible
from healix_fhir.search.parameter import condition, either
from healix_fhir.search.params.indexed import is_indexed
from healix_fhir.search.unknown import UnknownParameterError, is_pending, no_reference, unknown
from smart_auth.scope import Permission

DEPTH = 8
"""Links of a chain, forward and back, at most."""
LINKS = 64
"""Links of all chains of a search at most, each type that a chain without a type leads to counted."""
CONDITIONS = 5000
"""Conditions of a search at most: those of a `_filter` are read for each type that is searched."""
UNNAMED = 20
"""Types that a chain without a type may lead to at most."""
HAS = "_has:"
LIST = "_list"
SEARCHED = (Permission.SEARCH,)


class Chains:
    """Reads the parameters of one search, on a server whose FHIR base URLs are `bases`."""

    def __init__(self, bases: tuple[str, ...]) -> None:
        self._bases = bases
        self._links = 0
        self._conditions = 0

    def read(self, type_name: str, name: str, value: str, depth: int = 0) -> Node:
        """The condition of `name=value` on a resource of `type_name`.

        Raises UnknownParameterError; Invalid or Unsupported with a message that names the parameter.
        """
        self._conditions += 1
        if self._conditions > CONDITIONS:
            raise invalid(
                f"a search has at most {CONDITIONS} conditions, those of each type counted", code="too-costly"
            )
        if name.startswith(HAS):
            return self._has(type_name, name, value, depth + 1)
        first, dot, rest = name.partition(".")
        if dot:
            return self.link(
                type_name, first, lambda target: self.read(target, rest, value, depth + 1), rest, depth + 1
            )
        code = first.partition(":")[0]
        if code == LIST:
            return either(self._listed(type_name, name, one) for one in value.split(","))
        if code in FULL_TEXT:
            return full_text(name, value)
        parameter = search_parameters(type_name).get(code)
        if parameter is None:
            raise unknown(type_name, first)
        if not is_indexed(parameter):
            raise unsupported(f"{name[:100]}: this {parameter.type} parameter is not supported")
        return condition(type_name, name, value, self._bases)

    def link(self, type_name: str, step: str, inner: Callable[[str], Node], following: str, depth: int) -> Node:
        """The link `step` (`code` or `code:Type`) of a chain.

        `inner` is the condition on a resource of some type at its end, `following` the parameter that comes next.
        """
        code, _, named = step.partition(":")
        parameter = search_parameters(type_name).get(code)
        if parameter is None:
            raise unknown(type_name, step)
        if parameter.type != "reference":
            raise invalid(f"{code}.{following[:100]}: {code} is no reference and leads nowhere")
        if named and named not in TYPE_ID:
            raise invalid(f"{code}:{named[:100]}: this is not a resource type", code="value")
        if named and parameter.targets and named not in parameter.targets:
            raise invalid(f"{code}: it never refers to a {named}", code="value")
        ways = pointing(type_name, parameter)

        def follow(target: str) -> Node:
            self._count(depth)
            node = inner(target)
            return _links(target, ways, lambda url: Linked(parameter.id, Visible(target, SEARCHED), node, url))

        return follow(named) if named else _to_any(parameter, following, follow)

    def _has(self, type_name: str, name: str, value: str, depth: int) -> Node:
        """`_has:Type:reference:rest=value`, where `rest` may be a chain or another `_has`."""
        parts = name.split(":", 3)
        if len(parts) != 4 or not all(parts):
            raise invalid(f"{name[:100]}: it must be of the form _has:Type:reference:parameter", code="value")
        _, source, code, rest = parts
        if source not in TYPE_ID:
            raise invalid(f"{name[:100]}: '{source[:100]}' is not a resource type", code="value")
        parameter = search_parameters(source).get(code)
        if parameter is None or parameter.type != "reference":
            raise no_reference(name[:100], source, code)
        if parameter.targets and type_name not in parameter.targets:
            raise invalid(f"{name[:100]}: {source}.{code} never refers to a {type_name}", code="value")
        self._count(depth)
        node = self.read(source, rest, value, depth)
        return _links(
            type_name,
            pointing(source, parameter),
            lambda url: Referring(parameter.id, Visible(source, SEARCHED), node, TYPE_ID[type_name], url),
        )

    def _listed(self, type_name: str, name: str, value: str) -> Node:
        """`_list=id`: an item of that List."""
        if name != LIST:
            raise invalid(f"{name[:50]}: {LIST} takes no modifier", code="value")
        if value.startswith("$"):
            raise unsupported(f"{LIST}: functional lists such as {value[:50]} are not supported")
        id_ = value.removeprefix("List/")
        if not is_logical_id(id_):
            raise invalid(f"{LIST}: '{value[:100]}' is not the id of a List", code="value")
        item = search_parameters("List")["item"]
        return Referring(item.id, Visible("List", SEARCHED), Id(id_), TYPE_ID[type_name])

    def _count(self, depth: int) -> None:
        self._links += 1
        if depth > DEPTH:
            raise invalid(f"a chain has at most {DEPTH} links", code="too-costly")
        if self._links > LINKS:
            raise invalid(f"the chains of a search have at most {LINKS} links; name their types", code="too-costly")


def _to_any(parameter: SearchParameter, following: str, follow: Callable[[str], Node]) -> Node:
    """A link to every type that the parameter may refer to and that knows what follows."""
    targets = [name for name in parameter.targets or TYPE_ID if name in TYPE_ID and _knows(name, following)]
    if len(targets) > UNNAMED:
        raise invalid(
            f"{parameter.code}.{following[:100]}: the reference may lead to {len(targets)} types; name one,"
            f" as in {parameter.code}:{targets[0]}.{following[:100]}",
            code="too-costly",
        )
    found: list[Node] = []
    refused: HealixError | UnknownParameterError | None = None
    for target in targets:
        try:
            found.append(follow(target))
        except (HealixError, UnknownParameterError) as error:
            if is_pending(target, following.partition(".")[0].partition(":")[0]):
                raise  # what is behind the others would be only a part
            refused = refused or error
    if not found:
        problem = f"nothing that {parameter.code} refers to has a parameter '{following[:100]}'"
        raise refused or UnknownParameterError(problem)
    return either(found)


def _knows(type_name: str, rest: str) -> bool:
    """Whether the next parameter of a chain can be read on a type."""
    code = rest.partition(".")[0].partition(":")[0]
    special = code == LIST or code in FULL_TEXT
    known = code in search_parameters(type_name) or is_pending(type_name, code)
    return rest.startswith(HAS) or special or known


def _links(target: str, ways: frozenset[Pointing], link: Callable[[int | None], Node]) -> Node:
    """The link to `target` by logical id, by canonical URL (`link` takes the parameter that holds it), or by either."""
    nodes = [link(None)] if Pointing.ID in ways else []
    if Pointing.URL in ways and (url := url_parameter(target)) is not None:
        nodes.append(link(url))
    return nodes[0] if len(nodes) == 1 else Or(tuple(nodes))
