"""C-GET as its SCU: what a peer sends back over the association on which it is asked for.

For peers that offer no C-MOVE, or cannot call this server. What comes is stored as what they send by themselves. There
are more SOP classes of storage than contexts on an association: what cannot come on one is asked for on the next.

Spec: PS3.4 C.4.3.2 and C.5.3 (2024d), PS3.7 9.1.3 (2024d)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from threading import Event

from dicomweb.dicomjson.model import Members
from dicomweb.dimse.associate import Context, Roles
from dicomweb.dimse.command import Command, CommandField, Element, Priority
from dicomweb.dimse.identifier import SYNTAXES, write
from dicomweb.dimse.operation import Service
from dicomweb.dimse.pdu import Piece
from dicomweb.dimse.propose import MOST_CONTEXTS
from dicomweb.dimse.requestor import Failure, Message, PeerError, Remote, Requestor, associate
from dicomweb.dimse.retrieving import ENDS, Moved, counted, refused
from dicomweb.dimse.suboperations import RetrieveStatus
from dicomweb.status import SUCCESS, Caution
from healix_fhir.kernel.errors import Category, HealixError

GET = "1.2.840.10008.5.1.4.1.2.2.3"
"""Study Root Query/Retrieve Information Model - GET."""
CLASSES = MOST_CONTEXTS - 1
"""How many SOP classes of storage fit on one association, beside that of the service."""
OFFERED = (
    *SYNTAXES,  # first, as every peer can write them
    "1.2.840.10008.1.2.4.70",  # JPEG Lossless, First-Order Prediction
    "1.2.840.10008.1.2.4.80",  # JPEG-LS Lossless
    "1.2.840.10008.1.2.4.90",  # JPEG 2000 (Lossless Only)
    "1.2.840.10008.1.2.5",  # RLE Lossless
    "1.2.840.10008.1.2.4.50",  # JPEG Baseline (Process 1)
    "1.2.840.10008.1.2.4.51",  # JPEG Extended (Process 2 and 4)
    "1.2.840.10008.1.2.4.91",  # JPEG 2000
    "1.2.840.10008.1.2.4.102",  # MPEG-4 AVC/H.264 High Profile / Level 4.1
)
"""Transfer syntaxes in which objects may come: those in use, as a request with all would be too long for some."""


def got(
    remote: Remote,
    identifier: Members,
    classes: Sequence[str],
    store: Service,
    *,
    leave_off: Callable[[], bool] = lambda: False,
    stop: Event | None = None,
) -> Iterator[Moved]:
    """Have a peer send back what an identifier names, in objects of these classes; how far it is, until the last.

    Some peers refuse what they cannot send over an association, or find nothing: it is over when all classes have been
    asked for, or all has come. `leave_off` is asked after each response, and cancels. Raises PeerError, and
    Unprocessable for what is refused, and where nothing comes.
    """
    last: Moved | None = None
    refusal = HealixError(Category.UNPROCESSABLE, f"{remote} sends nothing")
    for start in range(0, len(classes), CLASSES):
        try:
            for now in _over_one(remote, identifier, classes[start : start + CLASSES], store, leave_off, stop):
                if not now.is_last and not start:
                    yield now
        except PeerError:
            raise
        except HealixError as error:
            refusal = error
            continue
        last = now if last is None else _together(last, now)
        if last.status == RetrieveStatus.CANCELLED or (last.completed + last.warning and not last.failed):
            break
    if last is None or (not last.total and last.status != RetrieveStatus.CANCELLED):
        raise refusal
    yield last


def _together(before: Moved, now: Moved) -> Moved:
    """What has come of all after another association, on which nothing could come that had come already."""
    completed, warning = before.completed + now.completed, before.warning + now.warning
    failed = max(0, max(before.total, now.total) - completed - warning)
    if now.status == RetrieveStatus.CANCELLED:
        return replace(now, completed=completed, warning=warning)
    status = RetrieveStatus.WARNING if failed else RetrieveStatus.SUCCESS
    return replace(now, status=status, completed=completed, warning=warning, failed=failed, instances=())


def _over_one(
    remote: Remote,
    identifier: Members,
    classes: Sequence[str],
    store: Service,
    leave_off: Callable[[], bool],
    stop: Event | None,
) -> Iterator[Moved]:
    offered = [(GET, SYNTAXES), *((uid, OFFERED) for uid in classes)]
    roles = dict.fromkeys(classes, Roles(scu=False, scp=True))
    with associate(remote, offered, roles=roles, stop=stop) as requestor:
        context = requestor.needed(GET)
        request: Command = {
            Element.AffectedSOPClassUID: GET,
            Element.CommandField: CommandField.C_GET_RQ,
            Element.Priority: Priority.MEDIUM,
        }
        message_id = requestor.request(context, request, [write(identifier, context.transfer_syntax)])
        cancelled, came = False, 0
        while True:
            message = requestor.receive()
            if not message.is_response:
                came += _stored(requestor, message, store)
                continue
            response = requestor.answered(message, message_id)
            now = counted(response)
            if now.is_last and not now.total:  # peers need not count
                now = replace(now, completed=came)
            if now.is_last and now.status not in ENDS and not now.total:
                raise refused(remote, response)
            yield now
            if now.is_last:
                return
            if not cancelled and leave_off():
                requestor.cancel(context, message_id)
                cancelled = True


def _stored(requestor: Requestor, message: Message, store: Service) -> bool:
    """Take one object in, and answer; whether it is stored."""
    if message.command[Element.CommandField] != CommandField.C_STORE_RQ:
        raise PeerError(Failure.CONFUSED, f"{requestor.remote} asks for something else than storage", transient=False)
    operation = store(message.command, message.context)
    try:
        for piece in requestor.pieces():
            operation.write(piece)
    except BaseException:
        operation.cancel()
        raise
    exchange = Suboperation(requestor, message.context)
    operation.finish(exchange)
    return exchange.is_done


@dataclass(slots=True)
class Suboperation:
    """The exchange that a request of the peer began, within ours; `is_done` after an answer that is no failure."""

    requestor: Requestor
    context: Context
    is_done: bool = False

    @property
    def contexts(self) -> Mapping[int, Context]:
        """Those of the association."""
        return self.requestor.agreed.contexts

    def respond(self, command: Command, data_set: bytes | None = None) -> None:
        """Send it in the context of the request."""
        status = int(command[Element.Status])
        self.is_done = status in (SUCCESS, *Caution)
        self.requestor.send(self.context, command, None if data_set is None else (data_set,))

    def is_cancelled(self) -> bool:
        """Nothing of storage is."""
        return False

    def ask(self, context_id: int, command: Command, data: Iterable[Piece] | None = None) -> Command:
        """Send a request of ours, and wait for its response."""
        return self.requestor.ask(self.contexts[context_id], command, data).command
