"""Makes the snapshot of a StructureDefinition from its differential and its base.

Each element of the differential is found in the base's tree by the steps of its id; where the tree does not go that
deep, it is unfolded: from the element's data type, from the one profile on that type, or from the element that a
contentReference names. A slice that is not there yet begins as a copy of the element that it slices.

Choices may be written by one of their types (`valueQuantity`): with `type` that narrows the choice to this type,
without it is the type slice of that name, and the other types stay open.

Spec: FHIR R4, hl7.org/fhir/R4/profiling.html#snapshot, #slicing
"""

from __future__ import annotations

from collections.abc import Callable

from healix_fhir.kernel.errors import invalid, too_large
from healix_fhir.model.profile.element_tree import ElementNode, Json, segments
from healix_fhir.model.profile.merge import merge

CORE = "http://hl7.org/fhir/StructureDefinition/"
SYSTEM_TYPES = "http://hl7.org/fhirpath/"
EXTENSION_SLICING = {"discriminator": [{"type": "value", "path": "url"}], "rules": "open"}
TYPE_SLICING = {"discriminator": [{"type": "type", "path": "$this"}], "ordered": False, "rules": "open"}

GROWTH = 50_000
"""Elements that a differential may add to its base."""

Trees = Callable[[str], ElementNode]
"""The tree of a StructureDefinition's snapshot by its canonical; the answer is not changed by who gets it."""


def generate(definition: Json, trees: Trees) -> ElementNode:
    """The tree of the snapshot of `definition`, whose bases and data types come from `trees`. Raises Invalid."""
    return Generator(definition, trees).run()


class Generator:
    """One snapshot in the making."""

    def __init__(self, definition: Json, trees: Trees) -> None:
        self._definition = definition
        self._trees = trees
        self._type = str(definition.get("type"))
        self._made = 0
        self._adds = definition.get("derivation") != "constraint"

    def run(self) -> ElementNode:
        """Merge the whole differential."""
        elements = self._definition.get("differential", {}).get("element", [])
        base = self._definition.get("baseDefinition")
        self.root = self._trees(str(base)).copy() if base else ElementNode(self._type, {})
        if self._adds:
            self.root.name = self._type
        for element in elements:
            self._apply(element)
            self._count(1)
        return self.root

    def _count(self, elements: int) -> None:
        """Refuse a differential from which a giant would grow."""
        self._made += elements
        if self._made > GROWTH:
            raise too_large(f"{self._definition.get('url')}: the snapshot would have more than {GROWTH} elements")

    def _apply(self, element: Json) -> None:
        steps = segments(element)
        if steps[0][0] != self._type:
            raise invalid(f"the element '{element['path'][:100]}' is not in {self._type}")
        node = self.root
        for depth, (name, slice_) in enumerate(steps[1:], 1):
            node = self._step(node, name, slice_, element if depth == len(steps) - 1 else {})
        node.definition = merge(node.definition, element)
        if self._adds and (len(steps) == 1 or node.definition.get("base") is None):
            node.definition["base"] = {"path": element["path"], "min": element["min"], "max": element["max"]}

    def _step(self, parent: ElementNode, name: str, slice_: str, element: Json) -> ElementNode:
        """The child `name`, or its slice, below `parent`; made where the differential may make it."""
        if parent is not self.root:
            self._unfold(parent)
        node = parent.child(name) or (None if self._adds else self._choice(parent, name))
        if node is None:
            if not self._adds:
                raise invalid(f"{self._definition.get('url')}: there is no element '{name[:64]}' in {parent.name}")
            node = ElementNode(name, {"base": None})
            parent.children.append(node)
            return node
        if node.name != name and not slice_:  # a choice by the name of one type
            if "slicing" not in node.definition and (element.get("type") or _properties(node) == [name]):
                return node
            return node.find_slice(name) or self._new_slice(node, name, typed=name)
        return self._slice(node, slice_) if slice_ else node

    def _choice(self, parent: ElementNode, name: str) -> ElementNode | None:
        """The choice one of whose types has the property `name`."""
        for child in parent.children:
            stem = child.name.removesuffix("[x]")
            if child.name != stem and name.startswith(stem) and name[len(stem) : len(stem) + 1].isupper():
                return child
        return None

    def _slice(self, node: ElementNode, name: str) -> ElementNode:
        found = node.find_slice(name)
        return found if found is not None else self._new_slice(node, name)

    def _new_slice(self, node: ElementNode, name: str, typed: str = "") -> ElementNode:
        parent, _, _ = name.rpartition("/")
        sliced = (node.find_slice(parent) if parent else None) or node
        self._count(sliced.size())
        made = sliced.copy()
        made.slices = []
        made.slice = name
        made.definition = {key: value for key, value in sliced.definition.items() if key != "slicing"}
        made.definition |= {"sliceName": name, "min": 0}
        if typed:
            made.definition["type"] = [
                e for e in node.definition["type"] if _property(node.name, str(e["code"])) == typed
            ]
        if "slicing" not in sliced.definition:
            is_extension = _type_codes(sliced) == ["Extension"]
            if sliced.name.endswith("[x]") or is_extension:
                slicing = EXTENSION_SLICING if is_extension else TYPE_SLICING
                sliced.definition = sliced.definition | {"slicing": slicing}
        sliced.slices.append(made)
        return made

    def _unfold(self, node: ElementNode) -> None:
        """Give `node` the children of its type, where it has none yet."""
        if node.children:
            return
        reference = node.definition.get("contentReference")
        if reference:
            source = self._referred(str(reference))
            node.definition = {k: v for k, v in node.definition.items() if k != "contentReference"}
            node.definition["type"] = source.definition.get("type", [])
        else:
            source = self._trees(self._template(node))
        self._count(source.size())
        node.children = [child.copy() for child in source.children]

    def _referred(self, reference: str) -> ElementNode:
        url, _, path = reference.partition("#")
        node: ElementNode | None = self._trees(url) if url else self.root
        for name in path.split(".")[1:]:
            node = node.child(name) if node is not None else None
        if node is None:
            raise invalid(f"the contentReference '{reference[:100]}' names no element")
        return node

    def _template(self, node: ElementNode) -> str:
        """The canonical of the definition whose elements are the children of `node`."""
        types = node.definition.get("type", [])
        if len(types) != 1:
            raise invalid(
                f"{self._definition.get('url')}: '{node.name}' has several types, so it cannot be walked into"
            )
        profiles = types[0].get("profile", [])
        if len(profiles) == 1:
            return str(profiles[0])
        code = str(types[0].get("code"))
        return (
            CORE + code.removeprefix(SYSTEM_TYPES + "System.").lower() if code.startswith(SYSTEM_TYPES) else CORE + code
        )


def _type_codes(node: ElementNode) -> list[str]:
    return [str(entry.get("code")) for entry in node.definition.get("type", [])]


def _properties(node: ElementNode) -> list[str]:
    """The JSON properties that a choice may be."""
    return [_property(node.name, code) for code in _type_codes(node)]


def _property(name: str, code: str) -> str:
    return name.removesuffix("[x]") + code[0].upper() + code[1:]
