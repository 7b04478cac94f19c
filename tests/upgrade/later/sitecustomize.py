"""What Python imports first where tests of an earlier version run, and in all servers and commands that they start
(`PYTHONPATH` names this directory): each database that they migrate is brought to the schema of this version.

`LATER_PYTHON` names the Python of this version, `LATER_ROOT` its directory.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

PATCHED = "healix_fhir.server.migrate"
MIGRATE = "import sys; from healix_fhir.server.migrate import migrate; migrate(sys.argv[1])"


class _Finder(MetaPathFinder):
    """Finds the one module as it is found without this finder, and has it patched when it has been executed."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The module's own specification, whose loader also patches it."""
        if fullname != PATCHED:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(fullname)
        assert spec is not None
        assert spec.loader is not None
        spec.loader = _Patching(spec.loader)
        return spec


class _Patching(Loader):
    """Another loader, and the patch after it."""

    def __init__(self, loader: Loader) -> None:
        self._loader = loader

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        """As the other loader does."""
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        """Execute the module and patch what nobody has imported from it yet."""
        self._loader.exec_module(module)
        _patch(module)


def _patch(module: Any) -> None:
    upgrade = module.upgrade

    def later(url: str, revision: str = "head") -> None:
        """Apply the migrations of the earlier version, then those of the later."""
        upgrade(url, revision)
        if revision == "head":
            command = [os.environ["LATER_PYTHON"], "-c", MIGRATE, url]
            environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
            subprocess.run(command, check=True, cwd=os.environ["LATER_ROOT"], env=environment)

    def head() -> str:
        """The last migration of the later version."""
        return max(path.name for path in Path(os.environ["LATER_ROOT"], "migrations/versions").glob("[0-9]*.py"))[:4]

    module.upgrade = later
    if not hasattr(module, "oldest"):  # it serves on no schema but its own (before 0085): let it take this for that
        module.head = head


sys.meta_path.insert(0, _Finder())
