"""What a reference points to: a contained resource, another entry of the Bundle, or what the environment knows.

Spec: FHIR R4, hl7.org/fhir/R4/fhirpath.html#functions (resolve), bundle.html#references, references.html#contained
"""

from __future__ import annotations

from healix_fhir.model.fhirpath.evaluate.node import Node, holder, outermost, properties, root, take
from healix_fhir.model.fhirpath.evaluate.scope import Evaluation


def resolve(node: Node, evaluation: Evaluation) -> Node | None:
    """The resource that a Reference, or the text of one, points to; None where nobody knows."""
    reference = node.value.get("reference") if type(node.value) is dict and node.type == "Reference" else node.value
    if type(reference) is not str:
        return None
    if node.is_system:
        node = evaluation.context
    if reference.startswith("#"):
        return _contained(node, reference[1:])
    found = _entry(node, reference, evaluation)
    if found is not None:
        return found
    hook = evaluation.environment.resolve
    resource = hook(reference) if hook else None
    return None if resource is None else root(resource)


def _contained(node: Node, id_: str) -> Node | None:
    """The contained resource of that id; `#` alone is the container itself."""
    container = holder(node)
    if container is not None and container.name == "contained":
        container = container.parent
    if container is None or type(container.value) is not dict:
        return None
    if not id_:
        return container
    return next((child for child in _resources(container, "contained") if child.value.get("id") == id_), None)


def _entry(node: Node, reference: str, evaluation: Evaluation) -> Node | None:
    """The resource of the Bundle's entry whose fullUrl is the reference, or ends with a relative one."""
    bundle = outermost(node)
    if bundle.type != "Bundle" or type(bundle.value) is not dict:
        return None
    for place in properties("Bundle", "entry"):
        entries = take(bundle, place)
        evaluation.spend(len(entries))
        for entry in entries:
            url = entry.value.get("fullUrl") if type(entry.value) is dict else None
            if type(url) is str and (url == reference or (":" not in reference and url.endswith(f"/{reference}"))):
                return next(iter(_resources(entry, "resource")), None)
    return None


def _resources(node: Node, name: str) -> list[Node]:
    return [
        child for place in properties(node.structure, name) for child in take(node, place) if type(child.value) is dict
    ]
