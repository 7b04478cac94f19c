"""The value set that an element is bound to: what the parameter `context` of terminology operations names.

It is the url of a StructureDefinition and, after `#`, the path of an element in it.

Spec: FHIR R4, hl7.org/fhir/R4/valueset-operation-expand.html
"""

from __future__ import annotations

from healix_fhir.interaction.service import Interactions
from healix_fhir.kernel.errors import HealixError, invalid
from healix_fhir.model.profile.element_tree import ElementNode
from smart_auth.access import AccessContext


async def bound_to(interactions: Interactions, access: AccessContext, context: str) -> str:
    """The canonical of the value set. Raises Invalid where nothing is bound there."""
    url, _, path = context.partition("#")
    if not path:
        raise _wrong(context, "it is a StructureDefinition's url, # and the path of an element")
    root = await interactions.judging.tree(access, url)
    element = _at(root, path.split("."))
    binding = element.definition.get("binding", {}).get("valueSet") if element is not None else None
    if binding is None:
        raise _wrong(context, "there is no element with a value set")
    return str(binding)


def _at(root: ElementNode, names: list[str]) -> ElementNode | None:
    """The element at a path, which may begin with the name of the root."""
    found: ElementNode | None = root
    for name in names[1:] if names[0] == root.name else names:
        if found is None:
            return None
        found = found.child(name) or found.child(f"{name}[x]")
    return found


def _wrong(context: str, why: str) -> HealixError:
    return invalid(f"context '{context[:200]}': {why}", code="value", expression=("context",))
