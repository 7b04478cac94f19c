"""The files of `deploy/` hold together: with each other, with the settings and commands, and with what they promise.

They are not run here: there are no images to be had where the tests run.
"""

from __future__ import annotations

import dataclasses
import ipaddress
import re
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
import yaml
from starlette.routing import Route

from healix_fhir.kernel.settings import FILE, PREFIX, Settings, texts
from healix_fhir.server.cli.main import app
from healix_fhir.server.health import routes
from healix_fhir.server.processes import DRAIN

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
KUBERNETES = DEPLOY / "kubernetes"
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose" / "compose.yaml").read_text(encoding="utf-8"))
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
CONTAINERFILE = (DEPLOY / "Containerfile").read_text(encoding="utf-8")
PINNED = (DEPLOY / "requirements.txt").read_text(encoding="utf-8")
COMMANDS = {command.name or command.callback.__name__ for command in app.registered_commands if command.callback}


def manifests() -> Iterator[tuple[str, dict[str, Any]]]:
    """Every object of the Kubernetes manifests, with the name of its file."""
    for path in sorted(KUBERNETES.glob("*.yaml")):
        for one in yaml.safe_load_all(path.read_text(encoding="utf-8")):
            yield path.name, one


OBJECTS = list(manifests())
WORKLOADS = [one for _, one in OBJECTS if one["kind"] in ("Deployment", "StatefulSet", "Job")]
NAMES = [one["metadata"]["name"] for one in WORKLOADS]


def of_kind(*kinds: str) -> list[dict[str, Any]]:
    """The objects of these kinds."""
    return [one for _, one in OBJECTS if one["kind"] in kinds]


def pod(workload: dict[str, Any]) -> dict[str, Any]:
    """What the pods of a workload are."""
    template: dict[str, Any] = workload["spec"]["template"]
    return template


def test_every_setting_exists() -> None:
    """Whatever is set in these files is a setting, or the file of one."""
    known = {PREFIX + field.name.upper() for field in dataclasses.fields(Settings)}
    known |= {PREFIX + name.upper() + FILE for name in texts()}
    texts_ = [path.read_text(encoding="utf-8") for path in DEPLOY.rglob("*") if path.is_file()]
    named = {name for text in texts_ for name in re.findall(r"HEALIX_[A-Z_]+", text)}
    assert len(named) > 8
    assert named - known == set()


def test_a_standby_is_named_everywhere() -> None:
    """Each way to deploy shows where the URL of a hot standby goes: a file, whose name is that of its secret."""
    setting, key = "HEALIX_DATABASE_REPLICA_URL_FILE", "database_replica_url"
    compose = (DEPLOY / "compose" / "compose.yaml").read_text(encoding="utf-8")
    used = yaml.safe_load(re.sub(r"^( *)# (?=HEALIX_|database_)", r"\1", compose, flags=re.MULTILINE))
    assert used["x-healix"]["environment"][setting] == f"/run/secrets/{key}"
    assert used["secrets"][key] == {"file": f"./secrets/{key}"}
    assert key in compose.split("secrets: [database_url", 1)[1].split("\n", 1)[0]
    (secret,) = of_kind("Secret")
    assert secret["stringData"][key].startswith("postgresql://")
    settings = (KUBERNETES / "settings.yaml").read_text(encoding="utf-8")
    assert f"# {setting}: /run/secrets/healix/{key}  #" in settings
    for part in ("web", "dimse", "worker"):
        unit = (DEPLOY / "systemd" / f"healix-{part}.service").read_text(encoding="utf-8")
        assert f"#LoadCredential={key}:/etc/healix/{key}\n#Environment={setting}=%d/{key}\n" in unit


def test_images_have_no_host() -> None:
    """Images are named as everybody's mirror has them."""
    images = [service["image"] for service in COMPOSE["services"].values()]
    images += [container["image"] for one in WORKLOADS for container in pod(one)["spec"]["containers"]]
    images += re.findall(r"^FROM (\S+)", CONTAINERFILE, re.MULTILINE)
    assert [image for image in images if "." in image.split("/")[0] and "/" in image] == []


def test_compose_refers_to_what_it_has() -> None:
    """Secrets, volumes, networks and services that are named are there, and the secrets are made by the script."""
    services = COMPOSE["services"]
    script = (DEPLOY / "compose" / "secrets.sh").read_text(encoding="utf-8")
    for name, service in services.items():
        assert set(service.get("depends_on", ())) <= set(services), name
        assert set(service.get("secrets", ())) <= set(COMPOSE["secrets"]), name
        assert set(service.get("networks", ())) <= set(COMPOSE["networks"]), name
        used = {volume.split(":")[0] for volume in service.get("volumes", ()) if not volume.startswith("./")}
        assert used <= set(COMPOSE["volumes"]), name
    for secret in COMPOSE["secrets"].values():
        assert f"secret {Path(secret['file']).name} " in script


def test_compose_runs_our_parts_locked_up() -> None:
    """Our parts are commands that exist, run with a read-only root and no capabilities, and get time to drain."""
    ours = [service for service in COMPOSE["services"].values() if service["image"] == "healix"]
    assert {service["command"][0] for service in ours} == {"web", "dimse", "worker", "migrate"} <= COMMANDS
    for service in ours:
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert int(service["stop_grace_period"].removesuffix("s")) > DRAIN


def test_compose_keeps_the_database_inside() -> None:
    """Database and object store are on the network that leads nowhere, and have no ports outside."""
    assert COMPOSE["networks"]["inside"]["internal"] is True
    for name in ("database", "store"):
        assert COMPOSE["services"][name]["networks"] == ["inside"]
        assert "ports" not in COMPOSE["services"][name]


def test_compose_shows_the_web_nodes_one_proxy() -> None:
    """The proxy reaches them by the network on which its address is trusted, and nobody else is given that address."""
    proxy, web = COMPOSE["services"]["proxy"], COMPOSE["services"]["web-1"]
    assert set(proxy["networks"]) & set(web["networks"]) == {"inside"}
    address = proxy["networks"]["inside"]["ipv4_address"]
    assert web["environment"]["HEALIX_TRUSTED_PROXIES"] == address
    (given,) = COMPOSE["networks"]["inside"]["ipam"]["config"]
    assert ipaddress.ip_address(address) in ipaddress.ip_network(given["subnet"])
    assert ipaddress.ip_address(address) not in ipaddress.ip_network(given["ip_range"])


def test_kubernetes_applies_every_file() -> None:
    """The kustomization names each file but the example of secrets, and nothing else."""
    (applied,) = of_kind("Kustomization")
    there = {name for name, one in OBJECTS if one["kind"] != "Kustomization"} - {"secrets.example.yaml"}
    assert set(applied["resources"]) == there


@pytest.mark.parametrize("workload", WORKLOADS, ids=NAMES)
def test_pods_are_locked_up(workload: dict[str, Any]) -> None:
    """Pods run as a user without rights, with a read-only root, no service links, and memory limits."""
    spec = pod(workload)["spec"]
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["enableServiceLinks"] is False
    assert spec["automountServiceAccountToken"] is False
    mounted = {volume["name"] for volume in spec["volumes"]}
    mounted |= {claim["metadata"]["name"] for claim in workload["spec"].get("volumeClaimTemplates", ())}
    for container in spec["containers"]:
        assert container["args"][0] in COMMANDS
        assert container["securityContext"]["readOnlyRootFilesystem"] is True
        assert container["securityContext"]["allowPrivilegeEscalation"] is False
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        assert "memory" in container["resources"]["limits"]
        assert {mount["name"] for mount in container["volumeMounts"]} <= mounted
    if workload["kind"] != "Job":
        assert spec["terminationGracePeriodSeconds"] > DRAIN + 5
        assert workload["spec"]["selector"]["matchLabels"] == pod(workload)["metadata"]["labels"]


def test_kubernetes_selects_what_there_is() -> None:
    """Services, budgets and policies select the pods of a workload, by ports that these have."""
    labels = [pod(one)["metadata"]["labels"] for one in WORKLOADS]
    ports = {port["name"] for one in WORKLOADS for c in pod(one)["spec"]["containers"] for port in c.get("ports", ())}
    for one in of_kind("Service"):
        assert one["spec"]["selector"] in labels
        assert {port["targetPort"] for port in one["spec"].get("ports", ())} <= ports
    for one in of_kind("PodDisruptionBudget"):
        assert one["spec"]["selector"]["matchLabels"] in labels
    for one in of_kind("NetworkPolicy"):
        selected = one["spec"]["podSelector"]["matchLabels"]
        assert any(selected.items() <= found.items() for found in labels)
    assert {one["metadata"]["name"] for one in of_kind("PodDisruptionBudget")} == {"web", "dimse", "worker"}


def test_kubernetes_names_what_there_is() -> None:
    """Probes and policies name ports of their pods, the ingress a port of a service, a StatefulSet a headless service,
    and each file of a secret is a key of the Secret where it is mounted.
    """
    services = {one["metadata"]["name"]: one["spec"] for one in of_kind("Service")}
    (secret,) = of_kind("Secret")
    keys = {*secret["stringData"], *secret["data"]}
    for one in WORKLOADS:
        spec = pod(one)["spec"]
        for container in spec["containers"]:
            own = {port["name"] for port in container.get("ports", ())}
            probes = [container[key] for key in container if key.endswith("Probe")]
            assert {probe.get("httpGet", probe.get("tcpSocket"))["port"] for probe in probes} <= own
            mounts = {mount["mountPath"]: mount.get("subPath") for mount in container["volumeMounts"]}
            assert mounts["/data/keys.secret"] in keys
            assert "/run/secrets/healix" in mounts
        assert [one["secret"]["secretName"] for one in spec["volumes"] if "secret" in one] == ["healix"]
        if one["kind"] == "StatefulSet":
            assert services[one["spec"]["serviceName"]]["clusterIP"] == "None"
    for policy in of_kind("NetworkPolicy"):
        opened = {port["port"] for rule in policy["spec"].get("ingress", ()) for port in rule["ports"]}
        part = policy["spec"]["podSelector"]["matchLabels"].get("part")
        pods = [pod(one)["spec"]["containers"] for one in WORKLOADS if one["metadata"]["name"] == part]
        assert opened <= {port["name"] for containers in pods for c in containers for port in c["ports"]}
    (ingress,) = of_kind("Ingress")
    for rule in ingress["spec"]["rules"]:
        for path in rule["http"]["paths"]:
            backend = path["backend"]["service"]
            assert backend["port"]["name"] in {port["name"] for port in services[backend["name"]]["ports"]}
    (settings,) = of_kind("ConfigMap")
    files = [Path(value) for name, value in settings["data"].items() if name.endswith(FILE)]
    assert {str(path.parent) for path in files} == {"/run/secrets/healix"}
    assert {path.name for path in files} <= keys


def test_ports_are_those_of_the_server() -> None:
    """Every port and address of health that is named here is where the server listens and what it answers."""
    defaults = Settings()
    ports = {"http": defaults.port, "dicom": defaults.dimse_port, "dicom-tls": defaults.dimse_tls_port}
    for one in WORKLOADS:
        for container in pod(one)["spec"]["containers"]:
            for port in container.get("ports", ()):
                assert port["containerPort"] == ports[port["name"]]
    (exposed,) = re.findall(r"^EXPOSE (.+)$", CONTAINERFILE, re.MULTILINE)
    assert [int(port) for port in exposed.split()] == list(ports.values())
    caddy = (DEPLOY / "compose" / "Caddyfile").read_text(encoding="utf-8")
    (nodes,) = re.findall(r"reverse_proxy (.+) \{", caddy)
    webs = {name for name, service in COMPOSE["services"].items() if service.get("command") == ["web"]}
    assert set(nodes.split()) == {f"{name}:{defaults.port}" for name in webs}
    assert COMPOSE["services"]["dimse"]["ports"] == [f"{defaults.dimse_port}:{defaults.dimse_port}"]
    answered = {cast("Route", route).path for route in routes(cast("Any", None))}
    asked = re.findall(r"health_uri (\S+)", caddy) + re.findall(r"'(/[a-z]+z)'", CONTAINERFILE)
    assert asked == ["/readyz", "/healthz"]
    assert set(asked) <= answered


def test_compose_hands_on_each_secret() -> None:
    """Each file of a secret that our parts are told to read is among their secrets, under that name."""
    for service in COMPOSE["services"].values():
        files = [Path(value) for name, value in service.get("environment", {}).items() if name.endswith(FILE)]
        assert {str(path) for path in files} <= {f"/run/secrets/{name}" for name in service.get("secrets", ())}


def test_web_pods_have_probes() -> None:
    """Kubernetes asks whether a web pod serves and whether it lives, at the addresses for that."""
    (web,) = (one for one in WORKLOADS if one["metadata"]["name"] == "web")
    (container,) = pod(web)["spec"]["containers"]
    asked = {kind: container[f"{kind}Probe"]["httpGet"]["path"] for kind in ("startup", "readiness", "liveness")}
    assert asked == {"startup": "/healthz", "readiness": "/readyz", "liveness": "/healthz"}


def test_the_image_runs_as_nobody() -> None:
    """The image has a user of its own, is built from pinned packages, and copies what is there and not ignored."""
    assert re.findall(r"^USER (.+)$", CONTAINERFILE, re.MULTILINE) == ["10001:10001"]
    assert "--require-hashes" in CONTAINERFILE
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    for line in re.findall(r"^COPY (?!--from)(.+)$", CONTAINERFILE, re.MULTILINE):
        for source in line.split()[:-1]:
            assert (ROOT / source).exists()
            assert f"!{source}" in ignored


def test_packages_are_pinned() -> None:
    """Each package has one version and hashes, and no address; all that the server needs are there."""
    pins = re.split(r"\n(?=\S)", PINNED.strip())
    assert "://" not in PINNED
    assert [
        pin for pin in pins if not re.match(r"[a-z0-9_.-]+==\S+( ;[^\\]+)? \\\n +--hash=sha256:", pin, re.IGNORECASE)
    ] == []
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = {_plain(one) for one in project["dependencies"]}
    assert wanted - {_plain(pin) for pin in pins} == set()


def _plain(requirement: str) -> str:
    return re.split(r"[^A-Za-z0-9_.-]", requirement)[0].lower().replace("_", "-").replace(".", "-")


@pytest.mark.parametrize("unit", UNITS, ids=[path.name for path in UNITS])
def test_units(unit: Path) -> None:
    """A unit runs a command that exists, as a user without rights, gets time to drain, and takes secrets from files."""
    text = unit.read_text(encoding="utf-8")
    (command,) = re.findall(r"^ExecStart=/opt/healix/bin/healix (\S+)$", text, re.MULTILINE)
    assert command in COMMANDS
    for line in ("User=healix", "NoNewPrivileges=yes", "ProtectSystem=strict", "CapabilityBoundingSet="):
        assert line in text.splitlines()
    if "Type=oneshot" not in text:
        assert int(re.findall(r"^TimeoutStopSec=(\d+)$", text, re.MULTILINE)[0]) > DRAIN
    assert unit.name == "healix.service" or "HEALIX_DATABASE_URL_FILE=%d/database_url" in text


def test_systemd_takes_the_units(tmp_path: Path) -> None:
    """`systemd-analyze verify` finds nothing wrong with them, but that the program is not installed here."""
    verify = shutil.which("systemd-analyze")
    if verify is None:
        pytest.skip("systemd-analyze is not installed")
    for unit in UNITS:
        text = unit.read_text(encoding="utf-8").replace("/opt/healix/bin/healix", "/bin/true")
        (tmp_path / unit.name).write_text(text, encoding="utf-8")
    command = [verify, "verify", "--man=no", *map(str, sorted(tmp_path.iterdir()))]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
