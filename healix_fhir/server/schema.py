"""All tables of all rooms, for migrations."""

from __future__ import annotations

from dicomweb.commitment import tables as commitment
from dicomweb.dimse import peers
from dicomweb.errand import tables as errands
from dicomweb.index import assigned, deleted, further_tables, held, integrity, rejected, relabelled, rules
from dicomweb.index import tables as study_index
from dicomweb.non_patient import tables as non_patient
from dicomweb.procedure import tables as procedure
from dicomweb.routing import tables as routing
from dicomweb.workitem import tables as worklist
from healix_fhir.bulk import tables as bulk
from healix_fhir.care.alerts import tables as alerts
from healix_fhir.care.calendar import tables as calendars
from healix_fhir.care.reports import link_table
from healix_fhir.care.sync import tables as sync
from healix_fhir.kernel import audit, audit_chain, outbox
from healix_fhir.kernel.database import metadata
from healix_fhir.kernel.mail import queue as mail
from healix_fhir.operation.prescription import tables as prescription
from healix_fhir.server import migrate
from healix_fhir.server.importing import journal
from healix_fhir.store import custom_parameters, merges, reindexing, taken
from healix_fhir.store import package_tables as packages
from healix_fhir.store import tables as store
from healix_fhir.subscription import tables as subscription
from healix_fhir.terminology import closure
from healix_fhir.terminology import tables as terminology
from smart_auth import tables as access

ROOMS = (
    audit,
    audit_chain,
    outbox,
    mail,
    store,
    taken,
    merges,
    packages,
    terminology,
    closure,
    prescription,
    reindexing,
    custom_parameters,
    access,
    study_index,
    further_tables,
    worklist,
    non_patient,
    procedure,
    deleted,
    held,
    rules,
    rejected,
    assigned,
    relabelled,
    integrity,
    peers,
    errands,
    commitment,
    routing,
    journal,
    subscription,
    bulk,
    alerts,
    link_table,
    calendars,
    sync,
    migrate,
)
"""The modules that declare tables; importing them fills `metadata`."""

__all__ = ["ROOMS", "metadata"]
