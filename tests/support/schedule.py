"""The order in which the modules of a run on several processes start: long ones first, so that no process ends late.

A module's tests stay together and in their random order; between modules only the beginning is told by length.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pytest

LONG = (
    "tests/integration/attacks/test_flaws.py",
    "tests/integration/attacks/test_narrowing.py",
    "tests/integration/attacks/test_matrix.py",
    "tests/browser/test_ohif.py",
    "tests/browser/test_keyboard.py",
    "tests/integration/scale_out/test_nodes.py",
    "tests/integration/backup/test_restore.py",
    "tests/faults/test_faults.py",
    "tests/integration/server/test_supervision.py",
    "tests/conformance/test_smart.py",
    "tests/integration/archive/test_s3_serve.py",
    "tests/browser/test_smart_apps.py",
    "tests/browser/test_second_factors.py",
    "tests/integration/server/test_serve.py",
    "tests/browser/test_prescription_pages.py",
    "tests/integration/server/test_import.py",
    "tests/integration/model/test_xml.py",
    "tests/browser/test_reading_page.py",
    "tests/browser/test_alert_pages.py",
    "tests/integration/server/test_cli.py",
    "tests/integration/server/test_migrate.py",
    "tests/integration/interaction/test_transaction.py",
    "tests/browser/test_report_page.py",
    "tests/integration/audit/test_commands.py",
    "tests/integration/bulk/test_jobs.py",
    "tests/integration/backup/test_backup.py",
    "tests/integration/interop/test_orthanc.py",
    "tests/integration/interop/test_pynetdicom.py",
    "tests/browser/test_accounts.py",
    "tests/integration/server/test_cli_administration.py",
    "tests/integration/server/test_crash.py",
    "tests/integration/attacks/test_trail.py",
    "tests/integration/server/test_import_dicom.py",
    "tests/integration/server/test_full_disk.py",
    "tests/integration/interop/test_fhirpy_stories.py",
    "tests/property/access/test_past.py",
    "tests/property/search/test_pages.py",
    "tests/property/access/test_oracle.py",
    "tests/integration/dicomweb_api/test_granular_studies.py",
    "tests/integration/audit/test_denials.py",
    "tests/integration/server/test_audit.py",
    "tests/integration/bulk/test_import.py",
    "tests/integration/subscription/test_killed_worker.py",
    "tests/integration/server/test_stalled.py",
    "tests/unit/deidentify/test_corpora.py",
    "tests/integration/server/test_errands.py",
    "tests/conformance/test_imaging.py",
    "tests/unit/deidentify/test_videos.py",
    "tests/integration/api/test_deadlines.py",
    "tests/integration/dicomweb_api/test_stow_apart.py",
)
"""Modules whose tests are few and long, the longest first, but browsers after the attacks: at the beginning the types
are checked beside the tests.
"""


def ordered(items: Sequence[pytest.Item]) -> list[pytest.Item]:
    """The long modules, then those with the most tests on a database, then the others."""
    waiting = Counter(_module(item) for item in items if "database_url" in getattr(item, "fixturenames", ()))
    long = {module: place for place, module in enumerate(LONG)}
    return sorted(items, key=lambda item: (long.get(_module(item), len(long)), -waiting[_module(item)]))


def _module(item: pytest.Item) -> str:
    return item.nodeid.partition("::")[0]
