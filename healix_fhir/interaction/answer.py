"""The answer of one entry of a batch or transaction.

Spec: FHIR R4, hl7.org/fhir/R4/http.html#transaction-response
"""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus

import msgspec

from healix_fhir.interaction.history import Historian
from healix_fhir.interaction.known import known
from healix_fhir.interaction.page import encode_page
from healix_fhir.interaction.read import has_already
from healix_fhir.interaction.result import Entry, Page, Response, Return, Stored, Written
from healix_fhir.interaction.search import Finder
from healix_fhir.interaction.status import STATUS, error_outcome, line, success
from healix_fhir.interaction.vread import vread
from healix_fhir.interaction.wanted import Wanted
from healix_fhir.kernel.audit import AUDIT_EVENT
from healix_fhir.kernel.database import Work
from healix_fhir.kernel.errors import HealixError, invalid, unsupported
from healix_fhir.model.subset import part_of_one
from healix_fhir.search.searched import Searched, everything, one_type, within
from healix_fhir.store.stored import Committed
from smart_auth.access import AccessContext


class Manner(msgspec.Struct, frozen=True):
    """How entries are answered: the base of addresses, what writes give back, whether searches are strict."""

    base: str
    returns: Return = Return.REPRESENTATION
    strict: bool = False


def written(done: Written, manner: Manner) -> Entry:
    """A create, update or patch."""
    stored = done.stored
    address = f"{manner.base}/{stored.type}/{stored.id}"
    return Entry(
        address,
        (stored.body or None) if manner.returns is Return.REPRESENTATION else None,
        response=Response(
            line(HTTPStatus.CREATED if done.created else HTTPStatus.OK),
            stored.etag,
            stored.updated,
            f"{address}/_history/{stored.version}",
            success(done.told) if manner.returns is Return.OUTCOME else None,
        ),
    )


def done(wanted: Wanted, committed: Sequence[Committed], manner: Manner) -> Entry:
    """Any write of which this became."""
    if wanted.method == "DELETE":
        return deleted([one.stored for one in committed if one.stored is not None], manner)
    (one,) = committed
    assert one.stored is not None
    return written(Written(one.stored, one.created, one.changed), manner)


def deleted(gone: Sequence[Stored], manner: Manner) -> Entry:
    """A delete of what is now `gone`."""
    only = gone[0] if len(gone) == 1 else None
    outcome = success(f"{len(gone)} deleted") if manner.returns is Return.OUTCOME else None
    status = HTTPStatus.OK if outcome else HTTPStatus.NO_CONTENT
    return Entry(
        None,
        response=Response(line(status), only.etag if only else None, only.updated if only else None, outcome=outcome),
    )


def found(wanted: Wanted, stored: Stored, manner: Manner) -> Entry:
    """A read, or a vread: 304 where the caller has the version already, a part where it wants one, no body for HEAD."""
    address = f"{manner.base}/{stored.type}/{stored.id}"
    asked = known(wanted.params, strict=manner.strict)
    if has_already(stored, wanted.if_none_match, wanted.if_modified_since):
        return Entry(address, response=Response(line(HTTPStatus.NOT_MODIFIED), stored.etag, stored.updated))
    body = part_of_one(stored.body, stored.type, asked)
    return _got(wanted, body, Response(line(HTTPStatus.OK), stored.etag, stored.updated), address)


def page(wanted: Wanted, shown: Page, manner: Manner, path: str) -> Entry:
    """A search or history: a Bundle whose links point to `path`."""
    return resource(wanted, encode_page(shown, manner.base, path))


def resource(wanted: Wanted, body: bytes) -> Entry:
    """Any resource that has no address of its own."""
    return _got(wanted, body, Response(line(HTTPStatus.OK)), None)


def _got(wanted: Wanted, body: bytes, response: Response, address: str | None) -> Entry:
    return Entry(address, None if wanted.method == "HEAD" else body, response=response)


def refused(error: HealixError) -> Entry:
    """A failed entry of a batch."""
    return Entry(None, response=Response(line(STATUS[error.category]), error.etag, outcome=error_outcome(error)))


def is_read(wanted: Wanted) -> bool:
    """Whether a GET reads the current version of one resource, of those that can be read together."""
    return wanted.id is not None and len(wanted.path) == 2 and wanted.type != AUDIT_EVENT


def _search(access: AccessContext, wanted: Wanted, searched: Searched, finder: Finder, manner: Manner) -> Work[Entry]:
    matches = yield from finder.search(access, searched, wanted.params, strict=manner.strict)
    return page(wanted, matches, manner, searched.path)


def get(access: AccessContext, wanted: Wanted, finder: Finder, manner: Manner) -> Work[Entry]:
    """A GET that is no plain read: version, history or search. Raises Unsupported or Invalid for what is none."""
    match wanted.path:
        case () | ("_search",):
            return (yield from _search(access, wanted, everything(), finder, manner))
        case (type_name,) if wanted.type:
            return (yield from _search(access, wanted, one_type(type_name), finder, manner))
        case (type_name, id_) if wanted.id is not None and type_name == AUDIT_EVENT:
            return found(wanted, (yield from finder.trail.read(access, id_)), manner)
        case ("_history",) | (_, "_history") | (_, _, "_history"):
            historian = Historian(manner.base, finder.signer)
            versions = yield from historian.history(
                access, wanted.type or None, wanted.id, wanted.params, strict=manner.strict
            )
            return page(wanted, versions, manner, "/".join(wanted.path))
        case (type_name, id_, "_history", version):
            return found(wanted, (yield from vread(access, type_name, id_, version)), manner)
        case (*_, name) if name.startswith("$"):
            raise unsupported(f"the operation {name[:64]} is not supported here")
        case (owner, id_, name):
            return (yield from _search(access, wanted, within(owner, id_, name), finder, manner))
        case _:
            where = "/".join(wanted.path)[:100]
            raise invalid(f"'{where}' is no address for GET", code="value", expression=("request.url",))
