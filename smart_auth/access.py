"""What a request may see: one SQL predicate, made from token and relationships, applied on every path to rows.

Each resource and study row carries `pat`, the surrogate key of the patient in whose compartment it is (null when in
none); the further patients of the few resources that are in several compartments stand in the table `compartment`. A
token's scopes open types in three contexts: `system` every row; `user` the rows of patients with whom the user has a
care relationship, and of patients whom the user is or acts for (`Person`); `patient` the rows of the token's one
patient, and only while the user may still see that patient: an app never sees more than the person who let it in.
Types in `SHARED_TYPES` belong to no patient and are open to every context whose scope names them, to be read and
searched; only `system` changes them. Types in `OWNED_TYPES` belong to the app and person that wrote them. What else
is in no compartment and of no shared type is for `system` only.

A scope with a query opens its context for those resources only of which the query holds. `Conditions`, made by the
search and handed in, knows which these are; without it such a scope opens nothing. `predicate` and `represented` heed
it, and so does `asking`, where rows can be asked themselves. `compartments` looks at patients alone, so that no scope
with a query opens anything there: who has no resource to look at, and forgets about queries, shows too little and never
too much. Where a version is not in the index, `compartments_of` and `shows` look at its content.

Spec: SMART App Launch 2.2 scopes; FHIR R4, hl7.org/fhir/R4/compartmentdefinition-patient.html
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import msgspec
from msgspec.structs import replace

from healix_fhir.kernel.audit import Origin
from healix_fhir.kernel.conditions import EVERYTHING, NOTHING, all_of, any_of
from healix_fhir.kernel.database import Fragment, Statement, Work
from healix_fhir.kernel.errors import forbidden
from smart_auth.care_list import is_listed, patients_in_care
from smart_auth.narrowing import CONSENTS, LABELS, Viewer, consented, represented, shown
from smart_auth.owned import OWNED_TYPES, Owner, is_owned
from smart_auth.patients import patient_keys
from smart_auth.person import PROXY, Person, find_person
from smart_auth.queries import CLOSED, Conditions
from smart_auth.relationship import WRITING, acting, in_care, is_kept
from smart_auth.scope import Context, Permission, Query, Scope, bounded, contexts, named, parse
from smart_auth.shared import LOOKING, SHARED_TYPES

__all__ = ["EVERYTHING", "NOTHING", "AccessContext", "internal", "restored"]


ORIGINAL = "({column} IS NULL OR {column} >= 0)"
"""The condition on a patient key that it is none of a research project (smart_auth/research.py)."""


class AccessContext(msgspec.Struct, frozen=True):
    """Who asks and what for; made from a bearer token once a request, and the only way to rows.

    `patient` is the logical id of the token's patient, `pat` its surrogate key; `practitioner` the logical id of the
    Practitioner that the user is, where the user is one, `person` who a user is that is none. `conditions` reads the
    queries of the scopes. `narrowed` has the kinds of narrowing that there may be (smart_auth/narrowing.py): all,
    unless somebody has looked. `several` has the types of which a resource may have several patients (smart_auth/
    several.py); None, of all, unless somebody has looked. `wide` guesses that the patients in the user's care are many
    of all; `listing`, that the statements made of this access have a list of them (smart_auth/care_list.py).
    `project` is that of a research token (smart_auth/research.py).
    """

    scopes: frozenset[Scope]
    origin: Origin = Origin()
    patient: str | None = None
    pat: int | None = None
    practitioner: str | None = None
    conditions: Conditions = CLOSED
    person: Person | None = None
    narrowed: frozenset[str] = frozenset({CONSENTS, LABELS})
    several: frozenset[str] | None = None
    wide: bool = False
    listing: bool = False
    project: int | None = None

    @property
    def alone(self) -> bool:
        """Whether no relationship says what is seen: beside the token's patient the user sees nobody."""
        if self.practitioner is not None:
            return False
        return self.person is None or (not self.person.proxies and self.person.own == self.pat)

    def sweeping(self) -> AccessContext:
        """The same access for one statement that reads many rows, which has `care_list` as its member `care`."""
        return replace(self, listing=True) if self.wide and self.practitioner is not None else self

    def joining(self) -> AccessContext:
        """The same access without the list: where everything is read, it is found by patient."""
        return replace(self, listing=False) if self.listing else self

    @property
    def care_list(self) -> Fragment | None:
        """The rows of the list that a statement made of this access must have; None where it needs none."""
        return patients_in_care(self.practitioner) if self.listing and self.practitioner is not None else None

    def require(self, type_name: str, permission: Permission) -> None:
        """Refuse (Forbidden) unless some scope opens `permission` on `type_name` at all."""
        if not self.allows(type_name, permission):
            raise forbidden(f"the token's scope does not allow this on {type_name}")

    def require_whole(self, type_name: str, permission: Permission, what: str) -> None:
        """Refuse (Forbidden) what no scope without a query opens, on behalf of `what`, which heeds no queries."""
        self.require(type_name, permission)
        if not contexts(self.scopes, type_name, permission):
            raise forbidden(f"{what} needs a scope on {type_name} without a query (?...); the token's scopes have one")

    def allows(self, type_name: str, permission: Permission) -> bool:
        """Whether some scope opens `permission` on `type_name` at all."""
        return bool(named(self.scopes, type_name, permission))

    def sees_all(self, type_name: str, permission: Permission) -> bool:
        """Whether every resource of a type is open, so that nothing of it is hidden."""
        return self.predicate(type_name, permission, "r") == EVERYTHING

    def bounded(self, type_name: str, permission: Permission) -> bool:
        """Whether what is open of a type depends on queries: on what a resource says, beside whom it is about."""
        if not bounded(self.scopes, type_name, permission):
            return False
        return self.compartments(type_name, permission, "r.pat") != EVERYTHING

    def may_be_of_several(self, type_name: str) -> bool:
        """Whether there may be a resource of the type in the compartments of several patients."""
        return self.several is None or type_name in self.several

    def predicate(self, type_name: str, permission: Permission, alias: str) -> Fragment:
        """The condition on resource or index rows of `type_name`, over `{alias}.pat` and `{alias}.pk`."""
        return self._heeding(
            bounded(self.scopes, type_name, permission),
            lambda scope: self.conditions.of_row(scope.type, scope.query, f"{alias}.pk"),
            whole=self._rows(type_name, permission, contexts(self.scopes, type_name, permission), alias),
            within=lambda context: self._rows(type_name, permission, {context}, alias),
            shown=lambda: self.shown(type_name, permission, alias),
        )

    def shown(self, type_name: str, permission: Permission, alias: str) -> list[Fragment]:
        """The conditions, beside relationships, on a row `alias` with `pat` and `pk`: that nothing hides it."""
        viewer = self._viewer(type_name, permission)
        return [] if viewer is None else shown(viewer, type_name, permission, alias, self.narrowed)

    def earlier(self, type_name: str, permission: Permission, alias: str) -> Fragment:
        """Like `reach`, for earlier versions: rows `alias` with their patient of then and the resource's key."""
        within = self.reach(type_name, permission, f"{alias}.pat")
        return within if within == EVERYTHING else all_of([within, *self.shown(type_name, permission, alias)])

    def _consented(self, type_name: str, permission: Permission, column: str) -> Fragment:
        """The condition that a patient hides not all of a type."""
        viewer = self._viewer(type_name, permission)
        if viewer is None or CONSENTS not in self.narrowed:
            return EVERYTHING
        return consented(viewer, type_name, permission, column)

    def _viewer(self, type_name: str, permission: Permission) -> Viewer | None:
        """The person from whom Consents and labels hide resources of a type; None where they do not count."""
        if not self.narrowed or type_name in SHARED_TYPES:
            return None
        if Context.SYSTEM in contexts(self.scopes, type_name, permission):
            return None
        app = f"client/{self.origin.client or ''}"
        if self.practitioner is not None:
            return Viewer((f"Practitioner/{self.practitioner}", app), self.practitioner, self.origin.account)
        if self.person is not None and self.person.proxies:
            return Viewer((*self.person.proxies, app), own=self.person.own)
        return None

    def compartments(self, type_name: str, permission: Permission, column: str) -> Fragment:
        """The condition on one patient key, the SQL expression `column`; for rows in one compartment at most.

        Only what scopes without a query open.
        """
        within = self._within(type_name, permission, contexts(self.scopes, type_name, permission), column)
        return all_of([within, self._consented(type_name, permission, column)])

    def represented(self, type_name: str, permission: Permission, column: str, key: str) -> Fragment:
        """Like `predicate`, for rows that stand for a resource, as a study does for its ImagingStudy: what hides the
        resource hides them, and a query of a scope is asked of it. `key` is the SQL expression of the resource's key,
        null until it is made; until then no query holds.

        Queries open rows to be looked at only: what a change would make of the resource nobody knows beforehand. The
        copies of research projects stand for no resource: they are open to none but research tokens.
        """
        viewer = self._viewer(type_name, permission)
        whole = self._within(type_name, permission, contexts(self.scopes, type_name, permission), column)
        return self._heeding(
            bounded(self.scopes, type_name, permission) if permission in LOOKING else (),
            lambda scope: self.conditions.of_row(scope.type, scope.query, key),
            whole=Fragment(ORIGINAL.format(column=column)) if whole == EVERYTHING else whole,
            within=lambda context: self._within(type_name, permission, {context}, column),
            shown=lambda: (
                [] if viewer is None else represented(viewer, type_name, permission, column, key, self.narrowed)
            ),
        )

    def asking(self, type_name: str, permission: Permission, column: str, ask: Callable[[Query], Fragment]) -> Fragment:
        """Like `compartments`, for rows that can be asked themselves, as `ask` says, what the query of a scope asks."""
        return self._heeding(
            bounded(self.scopes, type_name, permission),
            lambda scope: ask(scope.query),
            whole=self._within(type_name, permission, contexts(self.scopes, type_name, permission), column),
            within=lambda context: self._within(type_name, permission, {context}, column),
            shown=lambda: [self._consented(type_name, permission, column)],
        )

    def _heeding(
        self,
        queries: Sequence[Scope],
        ask: Callable[[Scope], Fragment],
        *,
        whole: Fragment,
        within: Callable[[Context], Fragment],
        shown: Callable[[], list[Fragment]],
    ) -> Fragment:
        """The condition on rows of what is open as a `whole`, and in the contexts of scopes with `queries`.

        `within` says whose rows a context opens; of these, the query of a scope is asked as `ask` says. What is `shown`
        narrows all but `system`.
        """
        if whole == EVERYTHING:
            return EVERYTHING  # nothing narrows what is open to everyone
        asked: dict[Context, list[Fragment]] = {}
        for scope in queries:
            asked.setdefault(scope.context, []).append(ask(scope))
        opened = {context: all_of([within(context), any_of(each)]) for context, each in asked.items()}
        of_system = opened.pop(Context.SYSTEM, NOTHING)
        of_people = any_of([whole, *opened.values()])
        return any_of([all_of([of_people, *shown()]), of_system])

    def reach(self, type_name: str, permission: Permission, column: str) -> Fragment:
        """Like `compartments`, for scopes with a query too, and Consents apart.

        Where `bounded`, it is to find rows by, and not enough; nor without `shown`.
        """
        return self._within(type_name, permission, named(self.scopes, type_name, permission), column)

    def compartments_of(
        self, type_name: str, permission: Permission, column: str, id_: str, resource: Mapping[str, Any]
    ) -> Fragment:
        """Like `compartments`, for a resource with this content, which is not in the index."""
        within = self._within(type_name, permission, self._opened(type_name, permission, id_, resource), column)
        return within if within == EVERYTHING else all_of([within, self._consented(type_name, permission, column)])

    def reached(self, type_name: str, permission: Permission, column: str) -> Fragment:
        """In which contexts a patient key is reached, as an SQL array of booleans; for `shows`."""
        each = [self._within(type_name, permission, {context}, column) for context in Context]
        return Fragment(
            f"ARRAY[{', '.join(f'coalesce({one.sql}, false)' for one in each)}]",
            tuple(param for one in each for param in one.params),
        )

    def shows(
        self,
        type_name: str,
        permission: Permission,
        reached: Sequence[bool],
        id_: str,
        resource: Mapping[str, Any] | None,
    ) -> bool:
        """Whether a version with this content (None: a deletion), whose patient is `reached` so, is open."""
        opened = self._opened(type_name, permission, id_, resource)
        return any(hit and context in opened for context, hit in zip(Context, reached, strict=True))

    def opens(self, type_name: str, permission: Permission, id_: str, resource: Mapping[str, Any] | None) -> bool:
        """Whether a resource with this content (None: it is deleted) is open in some context, whoever it is about."""
        return bool(self._opened(type_name, permission, id_, resource))

    def _opened(
        self, type_name: str, permission: Permission, id_: str, resource: Mapping[str, Any] | None
    ) -> frozenset[Context]:
        """The contexts that are open for a resource with this content; no query holds of a deleted one."""
        whole = contexts(self.scopes, type_name, permission)
        queries = bounded(self.scopes, type_name, permission)
        if not queries or resource is None:
            return whole
        return whole | {
            scope.context for scope in queries if self.conditions.of_resource(type_name, scope.query, id_, resource)
        }

    def _rows(self, type_name: str, permission: Permission, opened: Collection[Context], alias: str) -> Fragment:
        """The condition on rows by their patients, the main one and further ones, where contexts are `opened`."""
        if type_name in OWNED_TYPES and Context.SYSTEM not in opened:
            owner = self._owner(opened)
            return NOTHING if owner is None else is_owned(f"{alias}.pk", owner)
        within = self._within(type_name, permission, opened, f"{alias}.pat")
        if within in (EVERYTHING, NOTHING) or not self.may_be_of_several(type_name):
            return within
        further = self._within(type_name, permission, opened, "c.pat")
        return Fragment(
            f"({within.sql} OR {alias}.pk IN (SELECT c.pk FROM compartment c WHERE {further.sql}))",
            within.params + further.params,
        )

    def owner(self, type_name: str, permission: Permission) -> Owner | None:
        """Whose a resource of one of `OWNED_TYPES` is that the caller writes; None where the caller's scopes let it own
        none, or where no scope without `system` is meant.
        """
        opened = contexts(self.scopes, type_name, permission)
        return None if Context.SYSTEM in opened or type_name not in OWNED_TYPES else self._owner(opened)

    def _owner(self, opened: Collection[Context]) -> Owner | None:
        """The app and person, where contexts are `opened`: a token of nobody owns nothing."""
        known = self.practitioner is not None or self.person is not None
        if self.origin.account is None or not known:
            return None
        if Context.USER in opened or (Context.PATIENT in opened and self.pat is not None):
            return Owner(self.origin.account, self.origin.client, self.patient)
        return None

    def _within(self, type_name: str, permission: Permission, opened: Collection[Context], column: str) -> Fragment:
        """The condition on one patient key where contexts are `opened`."""
        if Context.SYSTEM in opened:
            return EVERYTHING
        if type_name in SHARED_TYPES:
            return EVERYTHING if opened and permission in LOOKING else NOTHING
        arms = []
        related = self._related(type_name, permission, column)
        if Context.PATIENT in opened and self.pat is not None:
            arms.append(self._one_patient(self.pat, column, related))
        if Context.USER in opened and related is not None:
            arms.append(is_listed(column) if self.listing and permission in LOOKING else related)
        return any_of(arms)

    def _one_patient(self, pat: int, column: str, related: Fragment | None) -> Fragment:
        """The condition that `column` is the token's patient, whom the user may see."""
        one = Fragment(f"{column} = %s", (pat,))
        if related is None or (self.person is not None and self.person.own == pat):
            return one
        return (
            NOTHING if related == NOTHING else Fragment(f"({one.sql} AND {related.sql})", one.params + related.params)
        )

    def _related(self, type_name: str, permission: Permission, column: str) -> Fragment | None:
        """The condition that the user may see the patient `column` now; None where there is no user to ask of.

        Who acts for a patient changes no RelatedPerson of that patient, and no Consent: nobody prolongs their own part.
        """
        if self.practitioner is not None:
            return in_care(column, self.practitioner, type_name, permission)
        if self.person is None:
            return None
        arms = []
        if self.person.own is not None:
            arms.append(Fragment(f"{column} = %s", (self.person.own,)))
        if (
            self.person.proxies
            and not (type_name == PROXY and permission in WRITING)
            and not is_kept(type_name, permission)
        ):
            arms.append(acting(column, self.person.proxies))
        return any_of(arms)

    def captured(self) -> dict[str, str | None]:
        """This access as plain data, for what acts later in the name of its caller; see `restored`."""
        return {
            "scope": " ".join(sorted(map(str, self.scopes))),
            "patient": self.patient,
            "practitioner": self.practitioner,
            "person": self.origin.account if self.person is not None else None,
            "client": self.origin.client,
            "account": self.origin.account,
            "token": self.origin.token.hex() if self.origin.token is not None else None,
        }

    def may_hold(self, type_name: str, permission: Permission, patients: Sequence[int]) -> Work[bool]:
        """Whether a resource of `type_name` in the compartments `patients` (surrogate keys) may be written.

        Every one of its compartments must be open to the caller: an app of one patient cannot put a resource into
        another patient's record.
        """
        within = self.compartments(type_name, permission, "n.pat")
        if within == EVERYTHING:
            return True
        if within == NOTHING or not patients:
            return False
        rows = yield Statement(
            f"SELECT count(*) FROM unnest(%s::bigint[]) AS n (pat) WHERE {within.sql}",
            (list(patients), *within.params),
        )
        return bool(rows[0][0] == len(patients))


def restored(captured: Mapping[str, str | None], conditions: Conditions) -> Work[AccessContext]:
    """The access that `captured` was made from; relationships are those of now."""
    patient = captured["patient"]
    pat = (yield from patient_keys([patient]))[patient] if patient is not None else None
    origin = Origin(captured["client"], captured["account"])
    account = captured.get("person")
    person = (yield from find_person(account)) if account is not None else None
    scopes = parse(captured["scope"] or "")
    return AccessContext(scopes, origin, patient, pat, captured["practitioner"], conditions, person)


def internal(who: str | Origin) -> AccessContext:
    """The server's own access, for what acts for no caller and is audited under a name of the server's (`who`), and for
    what the server does beyond the access of a caller, whose origin is audited.
    """
    origin = Origin(client=who) if isinstance(who, str) else who
    return AccessContext(scopes=frozenset({Scope(Context.SYSTEM, "*", frozenset(Permission))}), origin=origin)
