"""Every command of `healix`, and what the audit trail tells of it; those of which it tells nothing have a reason."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

Rows: TypeAlias = tuple[tuple[str, str, str | None], ...]
"""Action, word and what the row is about; `<name>`s stand for what earlier commands answered."""


@dataclass(frozen=True)
class Run:
    """A command line after `healix`, with `<name>`s in it, and its rows. `keeps` names what its answer is called."""

    line: str
    rows: Rows
    stdin: str = ""
    keeps: Mapping[str, str] | None = None

    @property
    def command(self) -> str:
        """The command without its arguments."""
        words = self.line.split()
        return words[0] if words[0] in ALONE else " ".join(words[:2])


ALONE = {"backup", "check", "import", "reindex", "migrate", "partition", "fhirpath", "serve", "web", "dimse", "worker"}
"""Commands of one word."""
PASSWORD = "four words without link\n"
RELABELLED: Rows = tuple((action, "relabel-study", "<study>") for action in ("U", "C", "U"))
"""Asked, stored anew, done."""

RUNS = (
    Run("migrate", (("E", "command", None),)),
    Run("import <folder>", (("C", "command", None),)),
    Run(
        "user create ada --role patient --fhir-user Patient/ada --mail ada@example.org --password-stdin",
        (("C", "account", "account/ada"),),
        PASSWORD,
    ),
    Run("measurements import <readings> --patient ada", (("C", "command", "Patient/ada"),)),
    Run("user invite --fhir-user Patient/ada", (("C", "invitation", "Patient/ada"),)),
    Run("user reset-factors ada", (("D", "factor", "account/ada"),)),
    Run("user link ada RelatedPerson/r", (("C", "account-link", "account/ada"),)),
    Run("user unlink ada RelatedPerson/r", (("D", "account-link", "account/ada"),)),
    Run("user clear ada --label R", (("U", "account", "account/ada"),)),
    Run("user list", (("R", "command", None),)),
    Run("user show ada", (("R", "command", "account/ada"),)),
    Run("user disable ada", (("U", "account", "account/ada"),)),
    Run("user enable ada", (("U", "account", "account/ada"),)),
    Run("user unlock ada", (("U", "account", "account/ada"),)),
    Run("user change ada --role practitioner --fhir-user Practitioner/d", (("U", "account", "account/ada"),)),
    Run("user reset-password ada", (("U", "account", "account/ada"),)),
    Run("token create --scope user/*.rs --user ada", (("C", "token", "account/ada"),)),
    Run(
        "client create --name App --scope patient/*.rs --auth client_secret_post --redirect-uri https://app.example/cb",
        (("C", "client", "client/<client>"),),
        keeps={"client_id": "client"},
    ),
    Run("client invite", (("C", "invitation", None),)),
    Run("client list", (("R", "command", None),)),
    Run("client show <client>", (("R", "command", "client/<client>"),)),
    Run("client change <client> --name Other", (("U", "client", "client/<client>"),)),
    Run("client rotate-secret <client>", (("U", "client", "client/<client>"),)),
    Run("client disable <client>", (("U", "client", "client/<client>"),)),
    Run("client enable <client>", (("U", "client", "client/<client>"),)),
    Run("launch create --client <client> --user ada --patient ada", (("C", "launch", None),)),
    Run("research bind <client>", (("U", "client", "client/<client>"),)),
    Run("client delete <client>", (("D", "client", "client/<client>"),)),
    Run("break-glass list", (("R", "list-break-glass", "Patient/ada"),)),
    Run("break-glass end <opening>", (("E", "$end-break-glass", "Patient/ada"),)),
    Run("keys rotate", (("U", "signing-key", None),)),
    Run("package install <package>", (("C", "package", "example.guide#1.0.0"),)),
    Run(
        "terminology load <codes> --format csv --system urn:codes --version 1",
        (("C", "code-system", "urn:codes|1"),),
    ),
    Run("terminology list", (("R", "command", None),)),
    Run("terminology remove urn:codes 1", (("D", "code-system", "urn:codes|1"),)),
    Run("interactions load <interactions> --source Handbook", (("C", "drug-interactions", None),)),
    Run("interactions list", (("R", "command", None),)),
    Run("interactions remove Handbook", (("D", "drug-interactions", None),)),
    Run("package list", (("R", "command", None),)),
    Run("package remove example.guide 1.0.0", (("D", "package", "example.guide#1.0.0"),)),
    Run("peer add CT1 --host ct.example --port 104 --from 10.0.0.0/24", (("U", "peer", "CT1"),)),
    Run("peer list", (("R", "command", None),)),
    Run("peer remove CT1", (("D", "peer", "CT1"),)),
    Run("peer add ARCHIVE --host 127.0.0.1 --port <port>", (("U", "peer", "ARCHIVE"),)),
    Run("peer echo ARCHIVE", (("E", "command", "ARCHIVE"),)),
    Run("peer find ARCHIVE PatientID=4711", (("E", "command", "ARCHIVE"),)),
    Run("peer push ARCHIVE --study <study> --later", (("E", "command", "<study>"),), keeps={"errand": "pushed"}),
    Run("peer push ARCHIVE --study <study> --later --commit", (("E", "command", "<study>"),)),
    Run("peer pull ARCHIVE --study <study> --later", (("E", "command", "<study>"),)),
    Run("peer pull ARCHIVE --study <study> --method get --later", (("E", "command", "<study>"),)),
    Run("route add away --url https://pacs.example/dicomweb --modality CT", (("U", "route", None),)),
    Run("route list", (("R", "command", None),)),
    Run("route remove away", (("D", "route", None),)),
    Run("prefetch add ct --peer PACS --modality CT", (("U", "prefetch-rule", None),)),
    Run("prefetch list", (("R", "command", None),)),
    Run("prefetch remove ct", (("D", "prefetch-rule", None),)),
    Run("sync add up --fhir https://up.example/fhir", (("U", "sync-upstream", None),)),
    Run("sync list", (("R", "command", None),)),
    Run("sync status", (("R", "command", None),)),
    Run("sync conflicts", (("R", "command", None),)),
    Run("sync resolve up Patient/ada --keep neither", (("U", "sync-conflict", "Patient/ada"),)),
    Run("sync retry up", (("E", "sync-upstream", None),)),
    Run("sync remove up", (("D", "sync-upstream", None),)),
    Run("errand list", (("R", "command", None),)),
    Run("errand retry <errand>", (("E", "command", "7"),)),
    Run("errand cancel <pushed>", (("E", "command", "<study>"),)),
    Run("reindex", (("E", "command", "reindexing/<run>"),), keeps={"run": "run"}),
    Run("study deleted", (("E", "query-deleted", None),)),
    Run("study delete <study>", (("D", "delete-instances", "<study>"),)),
    Run("study restore <study>", (("C", "restore-instances", "<study>"),)),
    Run("study hold <study> --reason lawsuit", (("U", "hold", "<study>"),)),
    Run("study check --now", (("E", "command", None),)),
    Run("study damaged", (("R", "command", None),)),
    Run("study unmatched", (("E", "query-unmatched", None),)),
    Run("study assign <study> --patient ada", (("U", "assign-study", "<study>"),)),
    Run("study export <study> --to <export>", (("R", "retrieve", "<study>"),)),
    Run("research create trial --option retain-modified-dates", (("C", "research-project", "research/trial"),)),
    Run("research list", (("R", "command", None),)),
    Run("research add trial <study>", (("R", "retrieve", "<study>"), ("C", "command", "research/trial"))),
    Run("research remove trial <study>", (("D", "command", "research/trial"),)),
    Run("research delete trial", (("D", "research-project", "research/trial"),)),
    Run("study holds", (("R", "command", None),)),
    Run("study release <study>", (("U", "release", "<study>"),)),
    Run("study relabel <study> --set StudyDescription=Head --reason typo", RELABELLED),
    Run("study relabelled", (("R", "command", None),)),
    Run("study undo 1", (("U", "relabel-study", "<study>"),)),
    Run("study move <study> --to <study> --set StudyID=2 --reason typo", RELABELLED),
    Run("retention add ct --days 9999", (("U", "retention-rule", None),)),
    Run("retention list", (("R", "command", None),)),
    Run("retention run", (("D", "command", None),)),
    Run("retention remove ct", (("D", "retention-rule", None),)),
    Run(
        "worklist add --patient ada --modality CT --at 2026-03-01T08:30 --description Head",
        (("C", "worklist", "<step>"),),
        keeps={"step": "step"},
    ),
    Run("worklist list", (("R", "command", None),)),
    Run("worklist remove <step>", (("D", "worklist", "<step>"),)),
    Run("audit verify", (("E", "command", None),)),
    Run("backup --to <backup>", (("E", "command", None),)),
    Run("check", (("E", "command", None),)),
)
"""In an order in which each finds what it needs."""

UNRECORDED: Mapping[str, str] = {
    "doctor": "tells of the server's surroundings, also where there is no audit trail to write to; shows no data",
    "restore": "records itself in the database that it makes; see tests/integration/backup/test_restore.py",
    "partition": "records itself, and wants the database for itself; see tests/integration/server/test_partition.py",
    "fhirpath": "evaluates an expression on a file; touches no store",
    "viewer install": "puts files of the viewer into the data directory; touches no store",
    "serve": "runs the server, which records what it does",
    "web": "runs the server, which records what it does",
    "dimse": "runs the server, which records what it does",
    "worker": "runs the server, which records what it does",
}
"""Commands without a row, and why."""
