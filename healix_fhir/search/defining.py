"""SearchParameter resources that clients write: what an active one defines, or every reason why it cannot be used.

Only `active` ones define something; a draft or a retired one is stored and has no effect. `Resource` and
`DomainResource` stand for every type. What limits a search (`multipleOr`, `comparator`, `modifier`, `chain`) is left to
the client: this server allows of every parameter all that its type allows. One that says again what FHIR's own of the
same code says, as most of those of implementation guides do, is taken and defines nothing: FHIR's own answers for it.

Spec: FHIR R4, hl7.org/fhir/R4/searchparameter.html
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from healix_fhir.kernel.errors import Category, HealixError, Issue
from healix_fhir.model.definitions import TYPES, Component, SearchParameter, search_parameters, standard_parameters
from healix_fhir.model.distill_search import arms, split_arms
from healix_fhir.model.fhirpath.branch import Branch
from healix_fhir.model.fhirpath.parser import parse
from healix_fhir.model.fhirpath.path import compile_branches
from healix_fhir.model.fhirpath.types import ABSTRACT, is_kind_of
from healix_fhir.model.search_parameter import Defined
from healix_fhir.search import composites
from healix_fhir.search.composites import Shape
from healix_fhir.search.extract import emitter
from healix_fhir.search.params import composite

NAME = "SearchParameter"
CODE = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")
"""Codes that can stand in a URL beside modifiers and chains; those that begin with `_` are FHIR's own."""
ROOT = re.compile(r"\(*\s*([A-Z]\w*)")
LENGTH = 2000
BRANCHES = 200
COMPONENTS = 4
ISSUES = 10
"""As many types as are looked at after something is wrong in each: Resource stands for all of them."""
OWN = "http://hl7.org/fhir/SearchParameter/"


def defined(resource: dict[str, Any]) -> tuple[Defined, ...]:
    """The parameters of a valid SearchParameter, one for each type. Raises Unprocessable with all that is wrong."""
    if resource.get("status") != "active":
        return ()
    issues = list(_gaps(resource)) or list(_problems(resource))
    found: list[Defined] = []
    for base in () if issues else _types(resource["base"]):
        try:
            if not _repeats(resource, base):
                found.append(Defined(base, _parameter(resource, base)))
        except HealixError as error:
            issues += error.issues
            if len(issues) >= ISSUES:
                break
    if issues:
        raise HealixError(Category.UNPROCESSABLE, issues[0].message, issues=tuple(dict.fromkeys(issues)))
    return tuple(found)


def _types(bases: Iterable[str]) -> tuple[str, ...]:
    return tuple(name for name in TYPES if any(is_kind_of(name, base) for base in bases))


def _gaps(resource: dict[str, Any]) -> Iterator[Issue]:
    """Elements that have an extension in the place of a value, which is valid, but defines nothing."""
    for name in ("url", "code", "type", "base"):
        if not resource.get(name):
            yield _issue(name, "an active parameter needs a value here", "required")
    for name in ("base", "target"):
        if None in resource.get(name, ()):
            yield _issue(name, "every entry needs a value", "required")
    for part in resource.get("component", ()):
        for name in ("definition", "expression"):
            if name not in part:
                yield _issue(f"component.{name}", "a component needs a value here", "required")


def _problems(resource: dict[str, Any]) -> Iterator[Issue]:
    """What is wrong with the elements by themselves."""
    code, type_ = resource["code"], resource["type"]
    own = [standard_parameters(base).get(code) for base in _types(resource["base"])]
    if not CODE.fullmatch(code) and None in own:
        yield _issue(
            "code", f"the code '{code[:100]}' must have letters, digits, '-' and '_', with a letter first, 64 at most"
        )
    if type_ == "special":
        yield _issue("type", "special parameters are those of which FHIR says in words what they do; they are built in")
    if resource["url"].startswith(OWN) and any(known is None or known.url != resource["url"] for known in own):
        yield _issue("url", f"what lies below {OWN} is defined by FHIR")
    if resource.get("modifierExtension"):
        yield _issue("modifierExtension", "modifier extensions of a SearchParameter are not supported")
    if "expression" not in resource:
        yield _issue("expression", "an active parameter needs a FHIRPath expression; xpath alone is not supported")
    elif len(resource["expression"]) > LENGTH:
        yield _issue("expression", f"the expression has more than {LENGTH} characters", "too-long")
    if resource.get("xpathUsage", "normal") != "normal":
        yield _issue("xpathUsage", f"the usage '{resource['xpathUsage']}' is not supported; 'normal' is")
    if "target" in resource and type_ != "reference":
        yield _issue("target", f"a {type_} parameter has no targets")
    yield from _component_problems(resource.get("component", []), type_, resource["base"])


def _component_problems(components: list[Any], type_: str, bases: list[str]) -> Iterator[Issue]:
    if type_ == "composite" and not set(bases) <= set(TYPES):
        yield _issue("base", f"a composite parameter needs resource types as its base, not {' or '.join(ABSTRACT)}")
    if type_ != "composite" and components:
        yield _issue("component", f"a {type_} parameter has no components")
    if type_ == "composite" and not 2 <= len(components) <= COMPONENTS:
        yield _issue("component", f"a composite parameter needs 2 to {COMPONENTS} components")
    if any(len(part["expression"]) > LENGTH for part in components):
        yield _issue("component.expression", f"the expression has more than {LENGTH} characters", "too-long")


def _repeats(resource: dict[str, Any], base: str) -> bool:
    """Whether FHIR's own parameter of the code is meant: it is derived from that, or says the same."""
    standard = standard_parameters(base).get(resource["code"])
    if standard is None or standard.type != resource["type"]:
        return False
    if standard.url in (resource.get("derivedFrom"), resource["url"]):
        return True
    if standard.components:
        return False
    if standard.expression == resource["expression"]:
        return True
    expression = _expression(resource["expression"], resource["base"], base)
    return set(_compiled(expression, base, "expression")) == set(compile_branches(standard.expression, base))


def _parameter(resource: dict[str, Any], base: str) -> SearchParameter:
    """The parameter of one type; raises what is wrong with it there."""
    code = resource["code"]
    if code in standard_parameters(base):
        raise _refused("code", f"{base} has a search parameter '{code}' of FHIR's own", "duplicate")
    parameter = SearchParameter(
        0,
        code,
        resource["type"],
        _expression(resource["expression"], resource["base"], base),
        tuple(sorted(resource.get("target", ()))),
        tuple(_component(part, base) for part in resource.get("component", ())),
        resource["url"],
    )
    branches = _compiled(parameter.expression, base, "expression")
    if parameter.components:
        _check_components(parameter, branches, base)
    elif all(emitter(base, parameter, branch) is None for branch in branches):
        raise _refused("type", f"a {parameter.type} parameter cannot take {_named(branches)}, which {base} has there")
    return parameter


def _expression(text: str, bases: list[str], base: str) -> str:
    """The arms of an expression that are about the type."""
    try:
        parse(text)
    except HealixError as error:
        raise _refused("expression", error.message, error.issues[0].code) from error
    for arm in split_arms(text):
        root = ROOT.match(arm)
        if root is not None and root[1] not in TYPES and root[1] not in ABSTRACT:
            raise _refused("expression", f"the expression begins with '{root[1][:64]}', which is no resource type")
    roots = [base, *(name for name in ABSTRACT if name in bases)]
    found = " | ".join(arm for root in roots if (arm := arms(text, root, default=base)))
    if not found:
        raise _refused("expression", f"the expression leads nowhere in {base}")
    return found


def _compiled(expression: str, structure: str, element: str) -> tuple[Branch, ...]:
    try:
        branches = compile_branches(expression, structure)
    except HealixError as error:
        raise _refused(element, error.message, error.issues[0].code) from error
    if not branches:
        raise _refused(element, f"the expression leads nowhere in {structure}")
    if len(branches) > BRANCHES:
        raise _refused(element, f"the expression leads to more than {BRANCHES} elements", "too-costly")
    return branches


def _component(part: dict[str, Any], base: str) -> Component:
    url = part["definition"].partition("|")[0]
    for known in search_parameters(base).values():
        if known.url == url:
            return Component(known.code, known.type, part["expression"])
    raise _refused("component.definition", f"{base} has no search parameter that is defined at {url[:200]}")


def _check_components(parameter: SearchParameter, branches: tuple[Branch, ...], base: str) -> None:
    kind = composites.shape(base, parameter)
    if kind not in (Shape.CONDITIONS, Shape.HASHES, Shape.AMOUNTS):
        types = "$".join(part.type for part in parameter.components)
        raise _refused("component", f"composites of {types} are not supported on an element that repeats")
    for part in parameter.components:
        if kind is Shape.CONDITIONS:
            _check_condition(parameter, part, base)
        elif not any(
            composite.takes(part, end)
            for branch in branches
            for end in _compiled(part.expression, branch.structure, "component.expression")
        ):
            raise _refused("component.expression", f"'{part.expression[:200]}' leads to nothing of type {part.type}")


def _check_condition(parameter: SearchParameter, part: Component, base: str) -> None:
    """Where nothing is stored for the composite, its components must be the very parameters that they name."""
    here = _compiled(f"{parameter.expression}.{part.expression}", base, "component.expression")
    there = compile_branches(search_parameters(base)[part.code].expression, base)
    if set(here) != set(there):
        raise _refused(
            "component.expression", f"'{part.expression[:200]}' is not the expression of the parameter '{part.code}'"
        )


def _named(branches: Iterable[Branch]) -> str:
    return ", ".join(sorted({branch.type for branch in branches})[:5])


def _issue(element: str, message: str, code: str = "business-rule") -> Issue:
    return Issue(code, f"{NAME}.{element}: {message}", (f"{NAME}.{element}",))


def _refused(element: str, message: str, code: str = "business-rule") -> HealixError:
    issue = _issue(element, message, code)
    return HealixError(Category.UNPROCESSABLE, issue.message, issues=(issue,))
