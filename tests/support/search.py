"""Storing resources and searching them, without HTTP."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import parse_qsl

from msgspec.structs import replace
from psycopg import Connection
from psycopg_pool import ConnectionPool

from healix_fhir.kernel.database import Row, Statement, Work, transaction
from healix_fhir.model.definitions import SearchParameter
from healix_fhir.search.extract import extract
from healix_fhir.search.granular import ScopeQueries
from healix_fhir.search.page import Signer
from healix_fhir.search.query import Query, parse
from healix_fhir.search.result import SearchResult
from healix_fhir.search.run import search
from healix_fhir.search.searched import Searched, everything, one_type, within
from healix_fhir.store.commit import commit
from healix_fhir.store.stored import Change, Method
from smart_auth.access import AccessContext, internal
from smart_auth.care_list import CARES_FOR_MANY
from smart_auth.patients import patient_keys
from smart_auth.person import Person
from smart_auth.scope import parse as parse_scope

BASE = "http://healix.test/fhir"
SIGNER = Signer(b"a secret of the tests")
EVERYONE = internal("test")


def ask(address: str, *, strict: bool = False) -> Query:
    """The query of `Type?query`, `Compartment/id/Type?query` or `?query`."""
    path, _, text = address.partition("?")
    return parse(searched_by(path), parse_qsl(text, keep_blank_values=True), strict=strict, base=BASE)


def searched_by(path: str) -> Searched:
    """What is searched at `Type`, `Compartment/id/Type` or, for everything, nothing."""
    names = path.split("/")
    return within(*names) if len(names) == 3 else one_type(path) if path else everything()


SAMPLES = {
    "date": "2024",
    "number": "5",
    "quantity": "5",
    "reference": "http://x.test/y",
    "special": "48.2|16.4",
    "string": "a",
    "token": "a",
    "uri": "http://x.test",
}


def sample(parameter: SearchParameter) -> str:
    """A value that a parameter takes."""
    if parameter.components:
        return "$".join(SAMPLES[component.type] for component in parameter.components)
    return SAMPLES[parameter.type]


class Clinic:
    """A server's store and search over one pool."""

    def __init__(self, pool: ConnectionPool[Connection[Row]]) -> None:
        self.pool = pool

    def put(self, *resources: dict[str, Any]) -> None:
        """Store each resource under its own id."""
        changes = [
            Change(Method.PUT, r["resourceType"], r["id"], r, extract(r, r["resourceType"], (BASE,))) for r in resources
        ]
        transaction(self.pool, lambda: commit(EVERYONE, changes))

    def delete(self, type_name: str, id_: str) -> None:
        """Delete one resource."""
        transaction(self.pool, lambda: commit(EVERYONE, [Change(Method.DELETE, type_name, id_)]))

    def keys(self, *ids: str) -> dict[str, int]:
        """The surrogate keys of patients."""
        return transaction(self.pool, lambda: patient_keys(ids))

    def access(
        self,
        scope: str,
        *,
        patient: str | None = None,
        practitioner: str | None = None,
        own: str | None = None,
        proxies: Sequence[str] | None = None,
    ) -> AccessContext:
        """What a token of `scope` gives; with `proxies` to the account of a patient, whose own record is `own`."""
        return AccessContext(
            parse_scope(scope),
            patient=patient,
            pat=self.keys(patient)[patient] if patient else None,
            practitioner=practitioner,
            conditions=ScopeQueries((BASE,)),
            person=None if proxies is None else Person(self.keys(own)[own] if own else None, tuple(proxies)),
        )

    def looked(self, access: AccessContext) -> AccessContext:
        """The access as the gate gives it, which looks what there is in the store."""
        kinds = frozenset(kind for (kind,) in self.run("SELECT kind FROM narrowing"))
        return replace(access, narrowed=kinds, several=self.several(), wide=self.wide(access))

    def wide(self, access: AccessContext) -> bool:
        """Whether the patients in the user's care are many of all."""
        sql = CARES_FOR_MANY.format(practitioner="%s")
        return access.practitioner is not None and bool(self.run(f"SELECT {sql}", (access.practitioner,))[0][0])

    def several(self) -> frozenset[str]:
        """The types of which there are resources of several patients."""
        return frozenset(name for (name,) in self.run("SELECT type FROM several_compartments"))

    def page(self, address: str, access: AccessContext = EVERYONE, *, strict: bool = False) -> SearchResult:
        """The answer to `Type?query`, `Compartment/id/Type?query` or, of everything, `?query`."""
        query = ask(address, strict=strict)
        return transaction(self.pool, lambda: search(access, query, base=BASE, signer=SIGNER))

    def pages(self, address: str, access: AccessContext = EVERYONE) -> Iterator[SearchResult]:
        """The answer to `Type?query` and all pages after it."""
        following: str | None = address
        while following is not None:
            page = self.page(following, access)
            yield page
            following = None if page.next is None else f"{address.partition('?')[0]}?{page.next}"

    def ids(self, address: str, access: AccessContext = EVERYONE) -> list[str]:
        """The ids of the matches on all pages, in order."""
        return [hit.id for page in self.pages(address, access) for hit in page.entries if hit.mode == "match"]

    def find(self, path: str, params: Sequence[tuple[str, str]], access: AccessContext = EVERYONE) -> list[str]:
        """The ids of the matches of a search whose parameters are all known and given as they are, not encoded."""
        query = parse(searched_by(path), [*params, ("_count", "1000")], strict=True, base=BASE)
        page = transaction(self.pool, lambda: search(access, query, base=BASE, signer=SIGNER))
        return [hit.id for hit in page.entries if hit.mode == "match"]

    def run(self, sql: str, params: Sequence[Any] | dict[str, Any] = ()) -> list[Row]:
        """The rows of a statement."""

        def work() -> Work[list[Row]]:
            rows = yield Statement(sql, params)
            return rows

        return transaction(self.pool, work)

    def statements(self, work: Work[Any]) -> int:
        """How many statements a use case costs."""
        counted = 0

        def count() -> Work[None]:
            nonlocal counted
            answer: list[Row] | None = None
            while True:
                try:
                    statement = next(work) if answer is None else work.send(answer)
                except StopIteration:
                    return
                counted += 1
                answer = yield statement

        transaction(self.pool, count)
        return counted

    def explain(self, address: str, access: AccessContext = EVERYONE) -> str:
        """The plan, with run-time figures, of the statement that reads the page of `Type?query`."""
        statement = next(search(access, ask(address), base=BASE, signer=SIGNER))
        rows = self.run(f"EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF) {statement.sql}", statement.params)
        return "\n".join(row[0] for row in rows)
