"""Sending versions of resources: one batch, whose entries are each taken or refused by themselves, and never twice.

A version that an upstream does not know yet is sent under this server's id if there is nothing (If-None-Match: *),
a further one if the upstream still has the one before (If-Match). Whoever is cut off before the answer sends the same
again: what the upstream refuses then may be what it has already, which is looked for in the resource and in those of
its versions that came after the known one. Only what is not there is a conflict.

Each version names the one of this server that it is in meta.source, unless it has a source of its own.

Spec: FHIR R4, hl7.org/fhir/R4/http.html#concurrency, #upsert, #transaction
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from healix_fhir.care.sync.line import Answer, AwayError, Line, refuse
from healix_fhir.care.sync.waiting import Refusal, Settled, Waiting
from healix_fhir.kernel.errors import HealixError
from healix_fhir.model.json import decode_stored, encode

JSON = {"Content-Type": "application/fhir+json"}
LOOKED_AT = 50
"""Versions of a resource that are looked through for one that was sent before."""
LONGEST_REASON = 500
NO_IDS = "it does not take updates as creates (CapabilityStatement.rest.resource.updateCreate), as sync needs"
"""Why nothing goes to an upstream that gives each resource an id of its own."""
LONGEST_PAUSE = 3600.0
"""Seconds until such an upstream is asked again."""
SPLIT = frozenset({400, 404, 405, 413, 415, 422})
"""Answers to a whole batch after which its entries are sent one by one."""


def send(line: Line, several: Sequence[Waiting], base: str) -> list[Settled]:
    """What became of versions, each of another resource; those that are missing are to be sent later. `base` is this
    server's FHIR base. Raises AwayError.
    """
    stays = [Settled(one, one.etag) for one in several if one.body is None]
    going = [one for one in several if one.body is not None]
    if not going:
        return stays
    payloads = {one.seq: payload(one, base) for one in going}
    if len(going) == 1:
        answers: Mapping[int, Answer] = {going[0].seq: _single(line, going[0], payloads[going[0].seq])}
    else:
        bundle = {"resourceType": "Bundle", "type": "batch", "entry": [_entry(one, payloads[one.seq]) for one in going]}
        answer = line.ask("POST", "", encode(bundle), JSON)
        if answer.status in SPLIT:
            answers = {one.seq: _single(line, one, payloads[one.seq]) for one in going}
        else:
            answers = _entries(going, answer)
    settled, busy = stays, AwayError("")
    ids = _Ids(line)
    for one in going:
        try:
            refuse_busy(answers[one.seq])
            settled.append(_settled(ids, one, payloads[one.seq], answers[one.seq]))
        except AwayError as error:  # what was answered before counts all the same
            busy = error
    if not settled:
        raise busy
    return settled


def payload(one: Waiting, base: str) -> dict[str, Any] | None:
    """A version as it is sent; None for a deletion."""
    if not one.body:
        return None
    resource = decode_stored(one.body)
    meta = {name: value for name, value in resource.get("meta", {}).items() if name not in ("versionId", "lastUpdated")}
    if str(meta.get("source", base)).startswith(base):
        meta["source"] = f"{base}/{one.url}/_history/{one.version}"
    return resource | {"meta": meta}


def _condition(one: Waiting) -> tuple[str, str]:
    return ("ifMatch", one.etag) if one.etag is not None else ("ifNoneMatch", "*")


def _entry(one: Waiting, resource: dict[str, Any] | None) -> dict[str, Any]:
    name, value = _condition(one)
    if resource is None:
        match = {} if one.etag is None else {"ifMatch": one.etag}
        return {"request": {"method": "DELETE", "url": one.url, **match}}
    return {"resource": resource, "request": {"method": "PUT", "url": one.url, name: value}}


def _single(line: Line, one: Waiting, resource: dict[str, Any] | None) -> Answer:
    name, value = _condition(one)
    header = {"ifMatch": "If-Match", "ifNoneMatch": "If-None-Match"}[name]
    if resource is None:
        return line.ask("DELETE", f"/{one.url}", headers={} if one.etag is None else {header: value})
    return line.ask("PUT", f"/{one.url}", encode(resource), JSON | {header: value})


def _entries(going: Sequence[Waiting], answer: Answer) -> dict[int, Answer]:
    """The answers to the entries of a batch, by number. Spec: FHIR R4, hl7.org/fhir/R4/http.html#trules-response"""
    found = _decoded(answer)
    entries = found.get("entry", []) if found.get("type") == "batch-response" else []
    if len(entries) != len(going):
        raise AwayError(f"it does not answer batches as FHIR R4 has it (status {answer.status})")
    answers = {}
    for one, entry in zip(going, entries, strict=True):
        response = entry.get("response", {})
        said = response.get("outcome") or entry.get("resource") or {}
        headers = {name: str(response[name]) for name in ("etag", "location") if name in response}
        answers[one.seq] = Answer(int(str(response.get("status", "500"))[:3]), headers, encode(said))
    return answers


def refuse_busy(answer: Answer) -> None:
    """Raise AwayError for an entry that may be taken later; one that is not allowed is settled by itself."""
    if answer.status not in (401, 403):
        refuse(answer)


class _Ids:
    """Whether the server of a line gives resources ids of its own; asked for once, and only when it refuses one."""

    def __init__(self, line: Line) -> None:
        self.line = line
        self._refusing: frozenset[str] | None = None

    def check(self, type_name: str) -> None:
        """Raise AwayError where it says that it takes no id of ours for a resource of a type."""
        if self._refusing is None:
            answer = self.line.ask("GET", "/metadata")
            said = _decoded(answer) if answer.status == 200 else {}
            each = (one for rest in said.get("rest", ()) for one in rest.get("resource", ()))
            self._refusing = frozenset(str(one.get("type")) for one in each if one.get("updateCreate") is False)
        if type_name in self._refusing:
            raise AwayError(NO_IDS, LONGEST_PAUSE)


def _settled(ids: _Ids, one: Waiting, resource: dict[str, Any] | None, answer: Answer) -> Settled:
    if answer.status < 300:
        return Settled(one, None if resource is None else _etag(answer))
    if resource is None and answer.status in (404, 410):
        return Settled(one)
    if answer.status in (409, 412):
        return _examined(ids.line, one, resource, answer)
    if resource is not None and one.etag is None:
        ids.check(one.type)
    return Settled(one, refusal=Refusal(f"status {answer.status}: {_diagnostics(answer)}", refused=True))


def _examined(line: Line, one: Waiting, resource: dict[str, Any] | None, answer: Answer) -> Settled:
    """Whether the upstream has a version already that it has just refused."""
    now = line.ask("GET", f"/{one.url}")
    if now.status in (404, 410):
        if resource is None:
            return Settled(one)
        if one.etag is None:
            return Settled(one, refusal=Refusal(f"status {answer.status}: {_diagnostics(answer)}", refused=True))
        return Settled(one, refusal=Refusal("it was deleted there", refused=False))
    theirs = _decoded(now)
    if resource is not None:
        if _is(theirs, resource, one):
            return Settled(one, _etag(now))
        earlier = _earlier(line, one, resource)
        if earlier is not None:
            return Settled(one, earlier)
    said = "it was changed there meanwhile" if one.etag is not None else "there is another of the same id"
    return Settled(one, refusal=Refusal(said, refused=False, etag=_etag(now), theirs=now.body))


def _earlier(line: Line, one: Waiting, resource: dict[str, Any]) -> str | None:
    """What the upstream calls the version, if it is among those that came after the known one."""
    past = line.ask("GET", f"/{one.url}/_history?_count={LOOKED_AT}")
    if past.status != 200:
        return None
    for entry in _decoded(past).get("entry", []):
        version = entry.get("resource", {})
        number = version.get("meta", {}).get("versionId")
        if number is None or f'W/"{number}"' == one.etag:
            return None
        if _is(version, resource, one):
            return f'W/"{number}"'
    return None


def _is(theirs: Mapping[str, Any], ours: Mapping[str, Any], one: Waiting) -> bool:
    """Whether a version of theirs is ours: by its source, where that is this server's, or by all that it holds."""
    source = str(ours["meta"].get("source", ""))
    if source.endswith(f"/{one.url}/_history/{one.version}") and theirs.get("meta", {}).get("source") == source:
        return True
    return _plain(theirs) == _plain(ours)


def _plain(resource: Mapping[str, Any]) -> dict[str, Any]:
    """A resource without what a server says of its copy."""
    own = ("versionId", "lastUpdated", "source")
    meta = {name: value for name, value in resource.get("meta", {}).items() if name not in own}
    return {name: value for name, value in resource.items() if name != "meta"} | ({"meta": meta} if meta else {})


def _etag(answer: Answer) -> str | None:
    if "etag" in answer.headers:
        return answer.headers["etag"]
    _, found, version = answer.headers.get("location", "").partition("/_history/")
    if found:
        return f'W/"{version}"'
    number = _decoded(answer).get("meta", {}).get("versionId") if answer.body else None
    return None if number is None else f'W/"{number}"'


def _decoded(answer: Answer) -> dict[str, Any]:
    try:
        found = decode_stored(answer.body)
    except (HealixError, ValueError) as error:
        raise AwayError(f"its answer is not FHIR in JSON (status {answer.status})") from error
    if not isinstance(found, dict):
        raise AwayError(f"its answer is not FHIR in JSON (status {answer.status})")
    return found


def _diagnostics(answer: Answer) -> str:
    """What an OperationOutcome says, for the operator."""
    try:
        issues = decode_stored(answer.body).get("issue", [])
        said = "; ".join(
            str(one.get("diagnostics") or one.get("details", {}).get("text") or one.get("code")) for one in issues
        )
    except (HealixError, ValueError, AttributeError):
        said = ""
    return (said or "no reason is told")[:LONGEST_REASON]
