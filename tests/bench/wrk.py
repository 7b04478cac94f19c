"""Many concurrent keep-alive clients, by the program `wrk`."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from tests.bench.web_servers import Served
from tests.support.tools import require_tool

CLIENTS = 16
PATIENCE = 30  # seconds for an answer; by itself wrk calls one late after two
FHIR: Mapping[str, str] = MappingProxyType({"Content-Type": "application/fhir+json"})
PREPARE = """
local paths, body, requests, n = %s, %s, {}, 0
init = function()
  for i, path in ipairs(paths) do
    requests[i] = wrk.format(body and "POST" or "GET", path, nil, body)
  end
end
request = function()
  n = n %% #requests + 1
  return requests[n]
end
done = function(summary)
  local e = summary.errors
  local bad = e.connect + e.read + e.write + e.status + e.timeout
  io.write(string.format("\\nRESULT %%.3f %%d\\n", summary.requests / summary.duration * 1e6, bad))
end
"""


def script(path: Path, paths: Sequence[str], body: bytes | None = None) -> Path:
    """Write the script that asks for `paths` in turn, or posts `body` to them."""
    listed = "{" + ",".join(json.dumps(one) for one in paths) + "}"
    path.write_text(PREPARE % (listed, "nil" if body is None else f"[==[{body.decode()}]==]"), encoding="utf-8")
    return path


def rate(
    served: Served, script: Path, *, seconds: int, clients: int = CLIENTS, headers: Mapping[str, str] = FHIR
) -> float:
    """Requests a second of so many clients at once; every one must succeed."""
    command = [require_tool("wrk"), "-t1", f"-c{clients}", f"-d{seconds}s", f"--timeout={PATIENCE}s", "-s", str(script)]
    for name, value in (served.headers | dict(headers)).items():
        command += ["-H", f"{name}: {value}"]
    done = subprocess.run(
        [*command, f"http://127.0.0.1:{served.port}"], capture_output=True, text=True, check=True, timeout=seconds + 30
    )
    measured, bad = done.stdout.split("RESULT ")[1].split()
    assert bad == "0", f"{bad} requests failed"
    return float(measured)
