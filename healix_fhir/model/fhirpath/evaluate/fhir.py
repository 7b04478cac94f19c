"""The functions that FHIR adds to FHIRPath.

What needs knowledge from outside (a terminology, profiles, other resources) asks the environment's hooks; where nobody
knows the answer, the function is refused by name, so that no rule holds or fails by accident.

Spec: FHIR R4, hl7.org/fhir/R4/fhirpath.html#functions
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from healix_fhir.kernel.errors import HealixError, invalid, unsupported
from healix_fhir.model.definitions import TYPE_ID
from healix_fhir.model.elements import required_codes
from healix_fhir.model.fhirpath.evaluate.function import Arguments, Function, on_items
from healix_fhir.model.fhirpath.evaluate.navigation import member
from healix_fhir.model.fhirpath.evaluate.node import EMPTY, Items, Node, boolean
from healix_fhir.model.fhirpath.evaluate.resolve import resolve
from healix_fhir.model.fhirpath.evaluate.scope import Run, Scope, single
from healix_fhir.model.fhirpath.evaluate.system import node_of, text, value_of
from healix_fhir.model.fhirpath.types import is_kind_of
from healix_fhir.model.narrative import problem

PROFILES = "http://hl7.org/fhir/StructureDefinition/"


def _extension(base: Run, arguments: Arguments) -> Run:
    extensions = member(base, "extension")
    (url,) = arguments

    def run(scope: Scope) -> Items:
        found = extensions(scope)
        if not found:
            return EMPTY
        wanted = text(url.run(scope), "the url of extension()")
        return [node for node in found if type(node.value) is dict and node.value.get("url") == wanted]

    return run


def _has_value(items: Items, _scope: Scope) -> Items:
    return boolean(len(items) == 1 and items[0].value is not None and not _is_complex(items[0]))


def _get_value(items: Items, _scope: Scope) -> Items:
    if len(items) != 1 or _is_complex(items[0]):
        return EMPTY
    value = value_of(items[0])
    return EMPTY if value is None else (node_of(value),)


def _is_complex(node: Node) -> bool:
    return type(node.value) is dict


def _resolve(items: Items, scope: Scope) -> Items:
    scope.evaluation.spend(len(items))
    found = [resolve(node, scope.evaluation) for node in items]
    return [node for node in found if node is not None]


def _html_checks(items: Items, _scope: Scope) -> Items:
    node = single(items, "the input of htmlChecks()")
    if node is None:
        return EMPTY
    return boolean(type(node.value) is str and problem(node.value) is None)


def _member_of(base: Run, arguments: Arguments) -> Run:
    (url,) = arguments

    def run(scope: Scope) -> Items:
        node = single(base(scope), "the input of memberOf()")
        value_set = text(url.run(scope), "the value set of memberOf()")
        if node is None or value_set is None:
            return EMPTY
        hook = scope.evaluation.environment.member_of
        answer = hook(node, value_set) if hook else None
        return boolean(_listed(node, value_set) if answer is None else answer)

    return run


def _listed(node: Node, value_set: str) -> bool:
    """Whether a code is in a value set of a required binding of R4, which are the ones known here."""
    systems = required_codes(value_set.partition("|")[0])
    if systems is None:
        raise unsupported(f"FHIRPath: the value set {value_set[:200]} is not known to memberOf()")
    value = node.value
    if type(value) is str:
        return any(value in codes for codes in systems.values())
    codings = value.get("coding") if node.type == "CodeableConcept" and type(value) is dict else [value]
    if node.type not in ("CodeableConcept", "Coding") or not isinstance(codings, list | tuple | None):
        raise invalid(f"FHIRPath: memberOf() is of a code, a Coding or a CodeableConcept, not {node.type}")
    return any(coding.get("code") in systems.get(coding.get("system"), ()) for coding in codings or () if coding)


def _conforms_to(base: Run, arguments: Arguments) -> Run:
    (url,) = arguments

    def run(scope: Scope) -> Items:
        node = single(base(scope), "the input of conformsTo()")
        profile = text(url.run(scope), "the profile of conformsTo()")
        if node is None or profile is None:
            return EMPTY
        hook = scope.evaluation.environment.conforms_to
        answer = hook(node, profile) if hook else None
        return boolean(_of_base_type(node, profile) if answer is None else answer)

    return run


def _of_base_type(node: Node, profile: str) -> bool:
    """Without a validator only the definitions of the types themselves are known: another type does not conform."""
    name = profile.removeprefix(PROFILES)
    if name not in TYPE_ID:
        raise invalid(f"FHIRPath: the profile {profile[:200]} is not known to conformsTo()")
    return is_kind_of(node.type, name)


def _slice(base: Run, arguments: Arguments) -> Run:
    profile_run, name_run = (argument.run for argument in arguments)

    def run(scope: Scope) -> Items:
        items = base(scope)
        profile, name = text(profile_run(scope), "the profile of slice()"), text(name_run(scope), "a slice's name")
        if not items or profile is None or name is None:
            return EMPTY
        hook = scope.evaluation.environment.in_slice
        answers = [hook(node, profile, name) if hook else None for node in items]
        if None in answers:
            raise unsupported(f"FHIRPath: slice() does not know the slice {name[:64]} of {profile[:200]}")
        return [node for node, inside in zip(items, answers, strict=True) if inside]

    return run


def _check_modifiers(base: Run, arguments: Arguments) -> Run:
    """The input, when it has no modifier extensions but those named. Raises Invalid when it has others."""
    extensions = member(base, "modifierExtension")

    def run(scope: Scope) -> Items:
        allowed = {text(argument.run(scope), "an extension of checkModifiers()") for argument in arguments}
        for node in extensions(scope):
            url = node.value.get("url") if type(node.value) is dict else None
            if url not in allowed:
                raise invalid(f"FHIRPath: {node.location} is a modifier extension that is not known: {str(url)[:200]}")
        return base(scope)

    return run


def _refused(name: str, what: str) -> Function:
    def build(_base: Run, _arguments: Arguments) -> Run:
        raise _unknown(name, what)

    return Function(0, 2, build)


def _unknown(name: str, what: str) -> HealixError:
    return unsupported(f"FHIRPath: {name}() is not supported: it needs {what}")


FUNCTIONS: Mapping[str, Function] = MappingProxyType(
    {
        "checkModifiers": Function(0, 50, _check_modifiers),
        "conformsTo": Function(1, 1, _conforms_to),
        "elementDefinition": _refused("elementDefinition", "the definitions of elements"),
        "extension": Function(1, 1, _extension),
        "getValue": on_items(_get_value),
        "hasValue": on_items(_has_value),
        "htmlChecks": on_items(_html_checks),
        "memberOf": Function(1, 1, _member_of),
        "resolve": on_items(_resolve),
        "slice": Function(2, 2, _slice),
        "subsumedBy": _refused("subsumedBy", "a terminology"),
        "subsumes": _refused("subsumes", "a terminology"),
    }
)
