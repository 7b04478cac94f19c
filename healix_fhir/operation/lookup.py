"""$lookup: what a code system says of a code.

Without `property` everything is told; of a concept with very many children these only if asked for.

Spec: FHIR R4, hl7.org/fhir/R4/codesystem-operation-lookup.html
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from decimal import Decimal
from typing import Any

from healix_fhir.interaction.service import Interactions
from healix_fhir.kernel.audit import AuditRow, record
from healix_fhir.kernel.database import Work, aat_once
from healix_fhir.kernel.errors import invalid, not_found, too_large
from healix_fhir.model.json import encode
from healix_fhir.model.operation_definition import standard
from healix_fhir.model.profile.code_system import GRAMMARS
from healix_fhir.operation.as_of import check_date
from healix_fhir.operation.declaring import changed
from healix_fhir.operation.given import Given
from healix_fhir.operation.invocation import Invocation
from healix_fhir.operation.system_meant import USE_SUPPLEMENT, required, system_meant, unknown
from healix_fhir.terminology import concepts, supplements
from healix_fhir.terminology.catalog import System
from healix_fhir.terminology.concepts import Concept
from healix_fhir.terminology.content import Designation, Property
from smart_auth.access import AccessContext

Json = dict[str, Any]

FEW = 200
"""Children that are told without being asked for."""
MOST = 10_000
"""Children of one answer."""
LOOKUP = changed(
    standard("CodeSystem-lookup"),
    "Definitions are used as they are now. Without `property` everything is answered, but of more than"
    f" {FEW} children none; asked for, at most {MOST} are. Of a system with a grammar (UCUM, languages) no more is"
    " known than that a code is one. Supplements count where `useSupplement` names them.",
    USE_SUPPLEMENT,
)
STATED = ("name", "version", "display", "definition", "designation", "parent", "child", "inactive", "url", "system")
"""Properties that every code system has; others are its own."""


async def lookup(interactions: Interactions, access: AccessContext, invocation: Invocation) -> bytes:
    """The Parameters. Raises Invalid for a call that asks for no code, NotFound for what is not known."""
    required(access)
    check_date(invocation.given)
    url, version, code = _asked(invocation.given)
    return await aat_once(interactions.pool, _told(access, invocation.given, url, version, code))


def _asked(given: Given) -> tuple[str, str | None, str]:
    """System, version and code."""
    coding = given.json("coding")
    if coding is not None and not {"code", "system", "version"} & given.arguments.keys():
        url, version, code = coding.get("system"), coding.get("version"), coding.get("code")
    elif coding is None:
        url, version, code = given.text("system"), given.text("version"), given.text("code")
    else:
        raise invalid("a code is given once, by code and system or by coding", code="value", expression=("coding",))
    if not url or not code:
        raise invalid("a code and its system are needed", code="required", expression=("code", "system"))
    return url, version, code


def _told(access: AccessContext, given: Given, url: str, version: str | None, code: str) -> Work[bytes]:
    if url in GRAMMARS:
        yield from supplements.supplemented(access, {}, given.all("useSupplement"))
        answer = _of_grammar(url, code)
    else:
        system = yield from system_meant(access, None, url, version)
        system = yield from supplements.of_system(access, system, given.all("useSupplement"))
        answer = yield from _of_rows(system, code, given)
    yield record([AuditRow(access.origin, "E", "$lookup", entity=url[:200])])
    return encode({"resourceType": "Parameters", "parameter": answer})


def _of_grammar(url: str, code: str) -> list[Json]:
    if not GRAMMARS[url](code):
        raise not_found(f"'{code[:100]}' is no code of {url}")
    return [{"name": "name", "valueString": url}, {"name": "display", "valueString": code}]


def _of_rows(system: System, code: str, given: Given) -> Work[list[Json]]:
    found = yield from concepts.look_up(system, [code])
    concept = found.get(code)
    if concept is None:
        raise unknown(system, code)
    wanted = frozenset(given.all("property"))
    names = (yield from concepts.designations(system, [concept.n])).get(concept.n, [])
    language = given.text("displayLanguage")
    display = next((one.value for one in names if language and one.speaks(language)), concept.display or concept.code)
    return [
        {"name": "name", "valueString": system.title or system.name or system.url},
        *([{"name": "version", "valueString": system.version}] if system.version else []),
        {"name": "display", "valueString": display},
        *(_designation(one) for one in names if _is_named(one, wanted)),
        *_about(system, concept, wanted),
        *(yield from _own(system, concept, wanted)),
        *(yield from _hierarchy(system, concept, wanted)),
    ]


def _is_named(one: Designation, wanted: Collection[str]) -> bool:
    languages = [name.removeprefix("lang.") for name in wanted if name.startswith("lang.")]
    return not wanted or "designation" in wanted or any(map(one.speaks, languages))


def _designation(one: Designation) -> Json:
    use = {"system": one.use_system, "code": one.use_code, "display": one.use_display}
    coding = {name: value for name, value in use.items() if value is not None}
    return {
        "name": "designation",
        "part": [
            *([{"name": "language", "valueCode": one.language}] if one.language else []),
            *([{"name": "use", "valueCoding": coding}] if coding else []),
            {"name": "value", "valueString": one.value},
        ],
    }


def _about(system: System, concept: Concept, wanted: Collection[str]) -> Iterator[Json]:
    if concept.definition and (not wanted or "definition" in wanted):
        yield _property("definition", {"valueString": concept.definition})
    if "inactive" in wanted or (not wanted and concept.inactive):
        yield _property("inactive", {"valueBoolean": concept.inactive})
    if {"url", "system"} & set(wanted):
        yield _property("url", {"valueUri": system.url})


def _own(system: System, concept: Concept, wanted: Collection[str]) -> Work[list[Json]]:
    """The properties that the code system gives its concepts; of codes of its own with their displays."""
    asked = None if not wanted else [code for code in wanted if code not in STATED]
    if asked == []:
        return []
    found = (yield from concepts.properties(system, [concept.n], asked)).get(concept.n, [])
    found = [one for one in found if one.code != "inactive"]
    coded = [one.value for one in found if one.type == "code"]
    known = (yield from concepts.look_up(system, coded)) if coded else {}
    return [_property(one.code, value(one), _display(one, known.get(one.value))) for one in found]


def _display(one: Property, concept: Concept | None) -> str | None:
    return concept.display if one.type == "code" and concept is not None else None


def _hierarchy(system: System, concept: Concept, wanted: Collection[str]) -> Work[list[Json]]:
    parents: Sequence[Concept] = ()
    children: Sequence[Concept] = ()
    if not wanted or "parent" in wanted:
        parents = yield from concepts.parents(system, concept.n)
    if not wanted or "child" in wanted:
        most = MOST if wanted else FEW
        children = yield from concepts.children(system, concept.n, most + 1)
        if len(children) > most:
            if wanted:
                raise too_large(f"the code has more than {MOST} children; find them by $expand")
            children = ()
    return [*_places("parent", parents), *_places("child", children)]


def _places(name: str, others: Iterable[Concept]) -> Iterator[Json]:
    for one in others:
        yield _property(name, {"valueCode": one.code}, one.display)


def _property(code: str, shown: Json, description: str | None = None) -> Json:
    said = [{"name": "description", "valueString": description}] if description else []
    return {"name": "property", "part": [{"name": "code", "valueCode": code}, {"name": "value", **shown}, *said]}


def value(one: Property) -> Json:
    """The value of a property as a part of Parameters has it."""
    if one.type == "Coding":
        coding = {"system": one.value_system, "code": one.value, "display": one.value_display}
        return {"valueCoding": {name: text for name, text in coding.items() if text is not None}}
    if one.type == "boolean":
        return {"valueBoolean": one.value == "true"}
    if one.type == "integer":
        return {"valueInteger": int(one.value)}
    if one.type == "decimal":
        return {"valueDecimal": Decimal(one.value)}
    return {f"value{one.type[:1].upper()}{one.type[1:]}": one.value}
