"""`python -m conformance.smart.prepare --data-dir DIR`: registers the apps of the SMART checks with a demo server.

Uses the operator's command `healix` and writes the file for `python -m conformance --smart`. The people are those of
the demo data; on another server write the file by hand.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from conformance.smart.jose import PrivateKey, public

REDIRECT = "https://app.example/callback"
LAUNCH = "https://app.example/launch"
AFTER = "https://app.example/bye"
SCOPE = "openid fhirUser launch launch/patient launch/encounter offline_access online_access patient/*.cruds user/*.rs"
SERVICE = "system/*.rs"
METHODS = {
    "public": "none",
    "symmetric": "client_secret_basic",
    "asymmetric": "private_key_jwt",
    "service": "private_key_jwt",
}
HEALIX = (str(Path(sys.executable).with_name("healix")),)


def main() -> int:
    """Register everything; returns the exit code."""
    parser = argparse.ArgumentParser(prog="conformance.smart.prepare", description=str(__doc__).partition("\n")[0])
    parser.add_argument("--data-dir", required=True, type=Path, help="the directory of a server started with --demo")
    parser.add_argument("--to", type=Path, help="the file to write, for its owner's eyes only (default: in --data-dir)")
    options = parser.parse_args()
    target = options.to or options.data_dir / "smart-checks.json"
    target.touch(mode=0o600)
    target.write_text(json.dumps(parties(options.data_dir), indent=1), encoding="utf-8")
    print(target)
    return 0


def parties(data_dir: Path, command: tuple[str, ...] = HEALIX) -> dict[str, Any]:
    """What stands in the file, with apps that are registered by this."""
    password = json.loads((data_dir / "demo.json").read_text(encoding="utf-8"))["password"]
    people = {"patient": "patient", "practitioner": "clinician"}
    launch = [*command, "launch", "create", "--data-dir", str(data_dir)]
    launch += ["--client", "{client}", "--user", "{user}", "--patient", "{patient}", "--encounter", "{encounter}"]
    return {
        "people": {role: {"username": name, "password": password} for role, name in people.items()},
        "apps": {name: _registered(name, data_dir, command) for name in METHODS},
        "launch": launch,
    }


def _registered(name: str, data_dir: Path, command: tuple[str, ...]) -> dict[str, Any]:
    keys = _keys() if METHODS[name] == "private_key_jwt" else {}
    words = ["client", "create", "--data-dir", str(data_dir), "--name", f"Check {name}", "--auth", METHODS[name]]
    if name == "service":
        words += ["--scope", SERVICE]
    else:
        words += ["--scope", SCOPE, "--redirect-uri", REDIRECT, "--launch-uri", LAUNCH]
        words += ["--post-logout-redirect-uri", AFTER]
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump({"keys": [public(key, kid) for kid, key in keys.items()]}, file)
        file.flush()
        done = _run([*command, *words, *(["--jwks-file", file.name] if keys else [])])
    return {
        "client_id": done["client_id"],
        "auth": METHODS[name],
        "redirect_uri": REDIRECT,
        "launch_uri": LAUNCH,
        "post_logout_redirect_uri": AFTER,
        "secret": done["client_secret"] or "",
        "keys": {kid: _pem(key) for kid, key in keys.items()},
    }


def _run(words: list[str]) -> Mapping[str, Any]:
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(words[:4])} failed: {done.stderr.strip()}")
    answer: Mapping[str, Any] = json.loads(done.stdout)
    return answer


def _keys() -> dict[str, PrivateKey]:
    return {"es": ec.generate_private_key(ec.SECP384R1()), "rs": rsa.generate_private_key(65537, 2048)}


def _pem(key: PrivateKey) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


if __name__ == "__main__":
    sys.exit(main())
