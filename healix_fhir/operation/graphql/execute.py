"""Running a query, level by level: what a level asks for outside of its resources is looked for together.

References of a level are read with one statement. What refers to the resources of a level is found by one search for
each field that asks so, whatever number of resources there are. So the statements of a request are bounded by the
fields of its query, and not by what it finds. All rows come by way of the reads and searches of REST, which heed the
access of the caller and write the audit trail.

Spec: FHIR R4, hl7.org/fhir/R4/graphql.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

from healix_fhir.interaction.result import Page
from healix_fhir.interaction.search import Finder
from healix_fhir.kernel.audit import AUDIT_EVENT
from healix_fhir.kernel.database import Work
from healix_fhir.kernel.errors import Category, HealixError, too_large
from healix_fhir.kernel.ids import is_logical_id
from healix_fhir.model.definitions import TYPE_NAME, search_parameters
from healix_fhir.model.fhirpath.path import compile_path
from healix_fhir.model.json import decode_stored
from healix_fhir.operation.graphql import pages, values
from healix_fhir.operation.graphql.call import LOOKUPS, RESOURCES
from healix_fhir.operation.graphql.document import Document, wrong
from healix_fhir.operation.graphql.graph import QUERY, Kind, criteria
from healix_fhir.operation.graphql.output import Record, Size
from healix_fhir.operation.graphql.selection import SEARCHES, Compiler, Field, reference
from healix_fhir.operation.graphql.walk import Sought, Spot, Walk, Wanted, unresolved
from healix_fhir.search.controls import MOST
from healix_fhir.search.params.reference import target
from healix_fhir.store.read import Ask, missing, read_each
from smart_auth.access import AccessContext
from smart_auth.scope import Permission

COMMA = re.compile(r"(?<!\\),")
"""A comma that would part two values: here a list does that."""
OWNERS = 500
"""Resources whose referring ones are found by one search."""


class Execution:
    """One request of a caller, with searches by `finder`."""

    def __init__(self, access: AccessContext, finder: Finder, compiler: Compiler) -> None:
        self._access = access
        self._finder = finder
        self._compiler = compiler
        self._walk = Walk(compiler, finder.bases)
        self._found = self._searches = 0

    def of_system(self, document: Document) -> Work[dict[str, Any]]:
        """The answer to a query of the whole server."""
        record = Record(Size())
        for field in self._compiler.fields((document.operation.selection_set,), QUERY):
            spot = Spot(record, field, "", field.place.repeats and not field.first)
            if field.kind is Kind.NAME:
                record.put(field, field.key, "", QUERY, listed=False)
            elif field.kind in SEARCHES:
                self._walk.waiting.append(Sought(spot))
            else:
                id_ = values.text(field.given, "id")
                if id_ is None:
                    raise wrong(field.node, f"'{field.name}' takes an id")
                self._walk.waiting.append(Wanted(spot, field.place.type, id_))
        yield from self._levels()
        return record.finished()

    def of_instance(self, document: Document, type_: str, id_: str) -> Work[dict[str, Any]]:
        """The answer to a query of one resource."""
        record = Record(Size())
        (found,) = yield from self._read([(type_, id_)])
        if isinstance(found, HealixError):
            raise found
        self._walk.of_root(record, found, document.operation.selection_set)
        yield from self._levels()
        return record.finished()

    def _levels(self) -> Work[None]:
        while self._walk.waiting:
            waiting, self._walk.waiting = self._walk.waiting, []
            yield from self._read_wanted([one for one in waiting if isinstance(one, Wanted)])
            sought = [one for one in waiting if isinstance(one, Sought)]
            sought.sort(key=lambda one: (id(one.spot.field), one.type or ""))
            for _, group in groupby(sought, key=lambda one: (id(one.spot.field), one.type)):
                yield from self._seek(list(group))

    def _read_wanted(self, wanted: Sequence[Wanted]) -> Work[None]:
        distinct = list(dict.fromkeys((one.type, one.id) for one in wanted))
        found = dict(zip(distinct, (yield from self._read(distinct)), strict=True)) if distinct else {}
        for one in wanted:
            resource = found[one.type, one.id]
            if one.spot.field.kind is Kind.ONE:
                if isinstance(resource, HealixError):
                    raise resource
                self._walk.resource(one.spot, resource)
            elif isinstance(resource, HealixError) or one.version not in (None, resource["meta"]["versionId"]):
                if not values.flag(one.spot.field.given, "optional"):
                    raise unresolved(f"{one.type}/{one.id}", ((one.type, one.id),))
            else:
                self._walk.resource(one.spot, resource, open_="type" not in one.spot.field.given)

    def _read(self, named: Sequence[tuple[str, str]]) -> Work[list[dict[str, Any] | HealixError]]:
        """The current versions, each found or refused."""
        self._grow(len(named))
        found: dict[tuple[str, str], dict[str, Any] | HealixError] = {}
        for type_, id_ in named:
            if type_ == AUDIT_EVENT and is_logical_id(id_):
                found[type_, id_] = yield from self._read_event(id_)
        asked = [(type_, id_) for type_, id_ in named if is_logical_id(id_) and type_ != AUDIT_EVENT]
        if asked:
            stored = yield from read_each([Ask(self._access, type_, id_) for type_, id_ in asked])
            for (type_, id_), one in zip(asked, stored, strict=True):
                found[type_, id_] = one if isinstance(one, HealixError) else decode_stored(one.body)
        return [found.get(one, missing(*one)) for one in named]

    def _read_event(self, id_: str) -> Work[dict[str, Any] | HealixError]:
        self._count_search()
        try:
            self._access.require(AUDIT_EVENT, Permission.READ)
            stored = yield from self._finder.trail.read(self._access, id_)
        except HealixError as error:
            return error
        return decode_stored(stored.body)

    def _seek(self, sought: Sequence[Sought]) -> Work[None]:
        """The answers of one field: the query's own, or of every resource of a type in which it stands."""
        field = sought[0].spot.field
        if sought[0].type is None:
            if field.kind is Kind.PAGES:
                yield from self._page(sought[0], ())
            else:
                yield from self._list(sought[0])
            return
        code = reference(field, sought[0].type)
        if field.kind is Kind.PAGES:
            for one in sought:
                yield from self._page(one, ((code, f"{one.type}/{one.id}"),))
            return
        for start in range(0, len(sought), OWNERS):
            together = sought[start : start + OWNERS]
            try:
                yield from self._lists(together, code)
            except HealixError as error:
                if error.category is not Category.TOO_LARGE or not self._singly(together):
                    raise
                for one in together:
                    yield from self._list(one, ((code, f"{one.type}/{one.id}"),))

    def _singly(self, sought: Sequence[Sought]) -> bool:
        """Whether each list may have a search of its own: the first of each are wanted, and there are few."""
        field = sought[0].spot.field
        _, count = _extent(field)
        return count is not None and field.matching is None and 1 < len(sought) <= LOOKUPS - self._searches

    def _list(self, one: Sought, further: Sequence[tuple[str, str]] = ()) -> Work[None]:
        field = one.spot.field
        offset, count = _extent(field)
        upto = None if count is None or field.matching is not None else offset + count
        found = yield from self._all(field, further, upto)
        self._put_list(one, found)

    def _lists(self, sought: Sequence[Sought], code: str) -> Work[None]:
        """The lists of several resources by one search; what it finds goes where it refers to.

        Raises TooLarge before anything is put into the answer.
        """
        field = sought[0].spot.field
        names = list(dict.fromkeys(f"{one.type}/{one.id}" for one in sought))
        found = yield from self._all(field, ((code, ",".join(names)),), None)
        whose: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
        for body in found:
            for name in _referred(field.place.type, code, body, self._finder.bases):
                if name in whose:
                    whose[name].append(body)
        for one in sought:
            self._put_list(one, whose[f"{one.type}/{one.id}"])

    def _put_list(self, one: Sought, bodies: Sequence[dict[str, Any]]) -> None:
        spot, (offset, count) = one.spot, _extent(one.spot.field)
        matching = [body for body in bodies if self._walk.matches(spot.field, body)]
        self._walk.resources(spot, matching[offset:] if count is None else matching[offset : offset + count])

    def _all(self, field: Field, further: Sequence[tuple[str, str]], upto: int | None) -> Work[list[dict[str, Any]]]:
        """All that a search finds, or the first `upto`. Raises TooLarge where that is too much for a list."""
        if upto == 0:
            return []
        wanted = MOST if upto is None else min(upto, MOST)
        page = yield from self._search(field.place.type, [*further, *searched(field), ("_count", str(wanted))])
        if "next" in page.links and (upto is None or upto > MOST):
            raise too_large(
                f"'{field.name}' finds more than {MOST} resources, too many for a list: narrow it, or ask for"
                f" {field.place.type}Connection"
            )
        return _bodies(page)

    def _page(self, one: Sought, further: Sequence[tuple[str, str]]) -> Work[None]:
        field = one.spot.field
        signer = self._finder.signer
        asked = pages.asked(field, [*further, *searched(field)], signer, counted=self._counts(field))
        page = yield from self._search(field.place.type, asked.params)
        shown = [body for body in _bodies(page) if self._walk.matches(field, body)]
        pages.put(self._walk, self._compiler, one.spot, pages.facts(asked, page, signer), shown)

    def _counts(self, field: Field) -> bool:
        """Whether the number of all matches is asked for."""
        structure = f"{field.place.type}@Connection"
        return any(one.name == "count" for one in self._compiler.fields(field.selections, structure))

    def _search(self, type_: str, params: Sequence[tuple[str, str]]) -> Work[Page]:
        self._count_search()
        page = yield from self._finder.search(self._access, type_, params, strict=True)
        self._grow(len(page.entries))
        return page

    def _count_search(self) -> None:
        self._searches += 1
        if self._searches > LOOKUPS:
            raise too_large(f"$graphql: a query takes at most {LOOKUPS} searches; ask for less at once")

    def _grow(self, count: int) -> None:
        self._found += count
        if self._found > RESOURCES:
            raise too_large(f"$graphql: a query finds at most {RESOURCES} resources; ask for less at once")


def searched(field: Field) -> list[tuple[str, str]]:
    """The search parameters that the arguments of a field stand for."""
    found = []
    for name in field.given:
        parameter = criteria(field.place.type).get(name)
        if name == "_sort":
            found.append((name, ",".join(values.texts(field.given, name))))
        elif name in ("_filter", "_text", "_content", "_list"):
            found.append((name, values.text(field.given, name) or ""))
        elif parameter is not None:
            each = [COMMA.sub(r"\\,", one) for one in values.texts(field.given, name)]
            found.append((parameter.code, ",".join(each)))
    return found


def _extent(field: Field) -> tuple[int, int | None]:
    return values.whole(field.given, "_offset") or 0, values.whole(field.given, "_count")


def _bodies(page: Page) -> list[dict[str, Any]]:
    return [decode_stored(entry.body) for entry in page.entries if entry.mode == "match" and entry.body is not None]


def _referred(type_: str, code: str, body: dict[str, Any], bases: tuple[str, ...]) -> Iterator[str]:
    """The resources (`Type/id`) that a resource refers to, as the search parameter `code` finds it."""
    read = compile_path(search_parameters(type_)[code].expression, type_)
    literals = (one.get("reference") for kind, one in read(body) if kind == "Reference")
    found = (target(literal, bases) for literal in literals if isinstance(literal, str))
    names = (f"{TYPE_NAME[one[0]]}/{one[1]}" for one in found if one is not None and one[0] is not None)
    yield from dict.fromkeys(names)
