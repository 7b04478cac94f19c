"""Any sequence of DIMSE services over several associations leaves what a small model says.

Whatever was acknowledged is found, by C-FIND, C-GET, C-MOVE and WADO-RS; what was cut off is not there or whole; and
whatever one association does, others are served.

`make fuzz CASES=100000` makes a hundredth of so many sequences of twenty steps.

Spec: PS3.4 B, C, F and J, PS3.7 9 and 10, PS3.8 9 (2024d)
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any, ClassVar

import httpx
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from pydicom import Dataset, dcmread
from pynetdicom import AE, build_role, evt
from pynetdicom.association import Association
from pynetdicom.sop_class import (  # type: ignore[attr-defined]
    CTImageStorage,
    ModalityPerformedProcedureStep,
    StorageCommitmentPushModel,
    StorageCommitmentPushModelInstance,
    StudyRootQueryRetrieveInformationModelFind,
    StudyRootQueryRetrieveInformationModelGet,
    StudyRootQueryRetrieveInformationModelMove,
    Verification,
)

from tests.support.dicom import bare, ct, uid
from tests.support.dimse import ABORT, EXPLICIT, Peer, p_data, store
from tests.support.procedure import begun, ended
from tests.support.serve import Served, free_ports, healix, serving, wait_until

CASES = int(os.environ.get("HEALIX_FUZZ_CASES", "2000"))
STEPS = 20
RUNS = itertools.count(1)
FIND, GET, MOVE = (
    StudyRootQueryRetrieveInformationModelFind,
    StudyRootQueryRetrieveInformationModelGet,
    StudyRootQueryRetrieveInformationModelMove,
)
US, SINK = "STATES", "SINK"
SLOTS, STUDIES, NUMBERS, PROCEDURES = (
    st.integers(0, 2), st.integers(1, 2), st.integers(1, 4), st.integers(1, 2),
)  # fmt: skip
NOT_FOUND, DUPLICATE, MAY_NOT_BE_UPDATED = 0x0112, 0x0111, 0x0110
PENDING = frozenset({0xFF00, 0xFF01})
CUT = 9
"""The number of the instance that is never sent whole."""

pytestmark = [pytest.mark.long, pytest.mark.timeout(0)]


class Sink:
    """What our own SCP was sent: instances, and reports of storage commitment by their transactions."""

    def __init__(self) -> None:
        self.instances: list[str] = []
        self.reports: dict[str, tuple[list[str], list[str]]] = {}

    def stored(self, event: Any) -> int:
        """An instance."""
        self.instances.append(str(event.request.AffectedSOPInstanceUID))
        return 0

    def reported(self, event: Any) -> tuple[int, Dataset | None]:
        """A report."""
        told = event.event_information
        kept, failed = (
            [str(one.ReferencedSOPInstanceUID) for one in told.get(f"{word}SOPSequence", [])]
            for word in ("Referenced", "Failed")
        )
        self.reports[str(told.TransactionUID)] = (kept, failed)
        return 0, None

    @contextmanager
    def listening(self, port: int) -> Iterator[None]:
        """As an SCP on a port."""
        entity = AE(SINK)
        entity.add_supported_context(CTImageStorage)
        entity.add_supported_context(StorageCommitmentPushModel, scu_role=True, scp_role=True)
        running = entity.start_server(
            ("127.0.0.1", port),
            block=False,
            evt_handlers=[(evt.EVT_C_STORE, self.stored), (evt.EVT_N_EVENT_REPORT, self.reported)],
        )
        assert running is not None
        try:
            yield
        finally:
            running.shutdown()


class Conversations(RuleBasedStateMachine):
    """Three associations; `kept` are the instances that were acknowledged by study, `steps` how performed procedure
    steps stand, `asked` what commitment was asked for by transaction.
    """

    server: ClassVar[Served]
    http: ClassVar[httpx.Client]
    sink: ClassVar[Sink]
    made: ClassVar[int] = 0

    def __init__(self) -> None:
        super().__init__()
        self.run = next(RUNS)
        self.slots: list[Association | None] = [None, None, None]
        self.kept: dict[int, set[int]] = {1: set(), 2: set()}
        self.got: list[str] = []
        self.steps: dict[int, bool] = {}
        self.asked: dict[str, list[str]] = {}

    def study(self, study: int) -> int:
        """The number of a study of this run."""
        return 70_000 + 10 * self.run + study

    def uids(self, study: int) -> list[str]:
        """The instances of a study that must be there."""
        return [uid(self.study(study), 1, number) for number in sorted(self.kept[study])]

    def associated(self) -> Association:
        """A new association for everything."""
        entity = AE(US)
        entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = 60
        for one in (Verification, FIND, GET, MOVE, ModalityPerformedProcedureStep, StorageCommitmentPushModel):
            entity.add_requested_context(one)
        entity.add_requested_context(CTImageStorage, EXPLICIT)

        def stored(event: Any) -> int:
            self.got.append(str(event.request.AffectedSOPInstanceUID))
            return 0

        association = entity.associate(
            "127.0.0.1",
            self.server.dimse_port,
            ae_title="HEALIX",
            ext_neg=[build_role(CTImageStorage, scu_role=True, scp_role=True)],
            evt_handlers=[(evt.EVT_C_STORE, stored), (evt.EVT_N_EVENT_REPORT, self.sink.reported)],
        )
        assert association.is_established
        return association

    def on(self, slot: int) -> Association:
        """The association of a slot, made where there is none."""
        type(self).made += 1
        association = self.slots[slot]
        if association is None:
            association = self.slots[slot] = self.associated()
        return association

    @rule(slot=SLOTS)
    def echo(self, slot: int) -> None:
        """C-ECHO."""
        assert self.on(slot).send_c_echo().Status == 0

    @rule(slot=SLOTS, study=STUDIES, number=NUMBERS)
    def store(self, slot: int, study: int, number: int) -> None:
        """C-STORE, which may be repeated."""
        sent = dcmread(BytesIO(ct(self.study(study), 1, number, size=8)))
        assert self.on(slot).send_c_store(sent).Status == 0
        self.kept[study].add(number)

    @rule(slot=SLOTS, study=STUDIES)
    def find(self, slot: int, study: int) -> None:
        """C-FIND of the instances of a series: those that were acknowledged."""
        self.found(self.on(slot), study)

    def found(self, association: Association, study: int) -> None:
        """What a query finds is what there must be."""
        keys = Dataset()
        keys.QueryRetrieveLevel, keys.SOPInstanceUID = "IMAGE", ""
        keys.StudyInstanceUID, keys.SeriesInstanceUID = uid(self.study(study)), uid(self.study(study), 1)
        answers = [(status.Status, one) for status, one in association.send_c_find(keys, FIND)]
        assert answers[-1] == (0, None)
        assert {status for status, _ in answers[:-1]} <= PENDING
        assert sorted(str(one.SOPInstanceUID) for _, one in answers if one is not None) == self.uids(study)

    @rule(slot=SLOTS, study=STUDIES)
    def get(self, slot: int, study: int) -> None:
        """C-GET of a study."""
        association = self.on(slot)
        self.got.clear()
        answers = [status for status, _ in association.send_c_get(self.whole(study), GET)]
        self.retrieved(answers, self.got, study)

    @rule(slot=SLOTS, study=STUDIES)
    def move(self, slot: int, study: int) -> None:
        """C-MOVE of a study to another peer."""
        self.sink.instances.clear()
        answers = [status for status, _ in self.on(slot).send_c_move(self.whole(study), SINK, MOVE)]
        self.retrieved(answers, self.sink.instances, study)

    def whole(self, study: int) -> Dataset:
        """The identifier of a study."""
        keys = Dataset()
        keys.QueryRetrieveLevel, keys.StudyInstanceUID = "STUDY", uid(self.study(study))
        return keys

    def retrieved(self, answers: list[Dataset], got: list[str], study: int) -> None:
        """What came is what there must be, and was counted."""
        assert answers[-1].Status == 0, answers
        assert {one.Status for one in answers[:-1]} <= PENDING
        assert sorted(got) == self.uids(study)
        assert answers[-1].NumberOfCompletedSuboperations == len(got)
        assert answers[-1].get("NumberOfFailedSuboperations", 0) == 0

    @rule(slot=SLOTS, message=st.integers(1, 500))
    def cancel(self, slot: int, message: int) -> None:
        """C-CANCEL of what is not under way has no answer, and no effect."""
        association = self.on(slot)
        association.send_c_cancel(message, query_model=FIND)
        assert association.send_c_echo().Status == 0

    @rule(slot=SLOTS, aborts=st.booleans())
    def end(self, slot: int, aborts: bool) -> None:
        """A-RELEASE or A-ABORT."""
        association, self.slots[slot] = self.slots[slot], None
        if association is not None:
            (association.abort if aborts else association.release)()

    @rule(study=STUDIES, share=st.floats(0, 0.99), aborts=st.booleans())
    def cut(self, study: int, share: float, aborts: bool) -> None:
        """A C-STORE of which a part comes, within a PDU or not, before the peer aborts or hangs up.

        Within a PDU the bytes of an abort are bytes of that PDU: so many are never sent that they cannot complete it.
        """
        named = uid(self.study(study), 1, CUT)
        message = p_data(3, 3, store(named)) + p_data(3, 2, bare(ct(self.study(study), 1, CUT, size=8)))
        with Peer(self.server.dimse_port) as peer:
            peer.associate()
            peer.send(message[: int(share * (len(message) - len(ABORT)))])
            if aborts:
                peer.send(ABORT)

    @rule(slot=SLOTS, step=PROCEDURES)
    def step_begins(self, slot: int, step: int) -> None:
        """N-CREATE of a performed procedure step, once."""
        status, _ = self.on(slot).send_n_create(
            Dataset.from_json(begun()), ModalityPerformedProcedureStep, self.step(step)
        )
        assert status.Status == (DUPLICATE if step in self.steps else 0)
        self.steps.setdefault(step, True)

    @rule(slot=SLOTS, step=PROCEDURES)
    def step_ends(self, slot: int, step: int) -> None:
        """N-SET that ends it, once."""
        status, _ = self.on(slot).send_n_set(
            Dataset.from_json(ended()), ModalityPerformedProcedureStep, self.step(step)
        )
        expected = NOT_FOUND if step not in self.steps else 0 if self.steps[step] else MAY_NOT_BE_UPDATED
        assert status.Status == expected
        if step in self.steps:
            self.steps[step] = False

    def step(self, step: int) -> str:
        """The UID of a performed procedure step of this run."""
        return uid(self.study(1), 7, step)

    @rule(slot=SLOTS, study=STUDIES)
    def commit(self, slot: int, study: int) -> None:
        """N-ACTION that asks for the commitment of all that was acknowledged, and of what never came."""
        asked = Dataset()
        asked.TransactionUID = uid(self.study(study), 8, len(self.asked))
        asked.ReferencedSOPSequence = []
        for instance in (*self.uids(study), uid(self.study(study), 1, CUT)):
            one = Dataset()
            one.ReferencedSOPClassUID, one.ReferencedSOPInstanceUID = CTImageStorage, instance
            asked.ReferencedSOPSequence.append(one)
        status, _ = self.on(slot).send_n_action(
            asked, 1, StorageCommitmentPushModel, StorageCommitmentPushModelInstance
        )
        assert status.Status == 0
        self.asked[asked.TransactionUID] = self.uids(study)

    @invariant()
    def others_are_served(self) -> None:
        """Somebody else associates and verifies, whatever was done."""
        entity = AE("OTHER")
        entity.acse_timeout = entity.dimse_timeout = 60
        entity.add_requested_context(Verification)
        association = entity.associate("127.0.0.1", self.server.dimse_port, ae_title="HEALIX")
        assert association.is_established
        assert association.send_c_echo().Status == 0
        association.release()

    def teardown(self) -> None:
        """All that was acknowledged is found by DIMSE and by DICOMweb, and every commitment is reported."""
        try:
            association = self.on(0)
            for study in self.kept:
                self.found(association, study)
                answer = self.http.get(f"/dicomweb/studies/{uid(self.study(study))}/metadata")
                assert answer.status_code == (200 if self.kept[study] else 404)
                told = answer.json() if self.kept[study] else []
                assert sorted(one["00080018"]["Value"][0] for one in told) == self.uids(study)
            for transaction, kept in self.asked.items():
                wait_until(lambda t=transaction: t in self.sink.reports, "the report of a commitment")  # type: ignore[misc]
                there, failed = self.sink.reports[transaction]
                assert sorted(there) == kept
                assert len(failed) == 1
        finally:
            for open_ in filter(None, self.slots):
                open_.release()


def test_any_sequence_of_conversations(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What the server answers after any of them is what the model tells."""
    (port,) = free_ports(1)
    sink = Conversations.sink = Sink()
    with (
        serving(tmp_path / "data", "--workers", "1", dimse_unknown_callers="all") as server,
        server.client(server.token("system/*.rs")) as Conversations.http,
        sink.listening(port),
    ):
        Conversations.server = server
        for aet in (US, SINK):
            healix(server.data_dir, "peer", "add", aet, "--host", "127.0.0.1", "--port", str(port))
        run_state_machine_as_test(
            Conversations,
            settings=settings(
                max_examples=max(1, CASES // (5 * STEPS)),
                stateful_step_count=STEPS,
                deadline=None,
                database=None,
                phases=[Phase.generate, Phase.shrink],
                suppress_health_check=list(HealthCheck),
            ),
        )
        assert "Traceback" not in server.log.read_text()
    with capsys.disabled():
        print(f"\n{Conversations.made} services")  # noqa: T201 - the figure is the result
