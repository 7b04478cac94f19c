"""What de-identification did, without a word of what was there: for whoever gives the result away, and to keep with it.

Studies are named by their new UIDs, attributes by their keywords. An object that was refused is counted with its
reason, under the new UID of its study.

Spec: PS3.15 E.1.1 (2026c)
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from dicomweb.deidentify.object import Done
from dicomweb.deidentify.options import Profile

EDITION = "2026c"


@dataclass
class StudyReport:
    """What became of one study."""

    instances: int = 0
    blanked: int = 0
    actions: Counter[tuple[str, str]] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)


@dataclass
class Report:
    """What became of all studies, by their new UIDs."""

    profile: Profile
    studies: dict[str, StudyReport] = field(default_factory=dict)

    def done(self, one: Done) -> None:
        """Count what was made of an object."""
        found = self.studies.setdefault(one.study, StudyReport())
        found.instances += 1
        found.blanked += one.regions > 0
        found.actions.update(one.tally)

    def refuse(self, study: str, reason: str) -> None:
        """Count an object of a study, given by its new UID, that was refused."""
        self.studies.setdefault(study, StudyReport()).refused[reason] += 1

    @property
    def instances(self) -> int:
        """How many objects were made."""
        return sum(one.instances for one in self.studies.values())

    @property
    def refused(self) -> int:
        """How many objects were refused."""
        return sum(one.refused.total() for one in self.studies.values())

    def as_json(self) -> dict[str, Any]:
        """The report as plain data."""
        return {
            "standard": f"PS3.15 Table E.1-1 ({EDITION})",
            "profile": [{"code": code, "meaning": meaning} for code, meaning in self.profile.codes],
            "burnedIn": self.profile.burned_in.value,
            "instances": self.instances,
            "refused": self.refused,
            "studies": [
                {
                    "study": uid,
                    "instances": one.instances,
                    "blanked": one.blanked,
                    "refused": dict(one.refused.most_common()),
                    "attributes": _by_action(one.actions),
                }
                for uid, one in sorted(self.studies.items())
            ],
        }

    def as_text(self) -> str:
        """The report to be read."""
        lines = [f"De-identified by PS3.15 Table E.1-1 ({EDITION})"]
        lines += [f"  {code} {meaning}" for code, meaning in self.profile.codes]
        lines.append(f"{self.instances} instances made, {self.refused} refused")
        for uid, one in sorted(self.studies.items()):
            lines += ["", f"Study {uid}", f"  instances {one.instances}, with blanked pixels {one.blanked}"]
            lines += [f"  refused {count}: {reason}" for reason, count in one.refused.most_common()]
            for action, names in _by_action(one.actions).items():
                lines.append(f"  {action}: " + ", ".join(f"{name} ({count})" for name, count in names.items()))
        return "\n".join(lines) + "\n"


def _by_action(actions: Mapping[tuple[str, str], int]) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    for (action, name), count in sorted(actions.items()):
        found.setdefault(action, {})[name] = count
    return found
