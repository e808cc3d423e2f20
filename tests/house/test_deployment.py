"""What is deployed fits the product: pins, commands and settings that files under deployment name are there."""

import importlib.util
import json
import re
import sys
import tomllib
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import typer
import uvicorn
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from crimepatterns.cli import app
from crimepatterns.config import load_settings

PROJECT = Path(__file__).resolve().parents[2]
SERVER = PROJECT / "deployment" / "model_server"


def tool(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, PROJECT / "tools" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


sbom = tool("sbom")
release_notes = tool("release_notes")


# -- the image -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("file", ["requirements.txt", "build-requirements.txt"])
def test_the_image_has_the_packages_of_the_lock(file: str) -> None:
    """The same versions with the same digests; run `make lock` where this fails."""
    lock = {(pin.name, pin.version): pin for pin in sbom.read_pins(PROJECT / "requirements.txt")}
    names = {name for name, _ in lock}
    pins = sbom.read_pins(SERVER / file)
    assert pins
    for pin in pins:
        assert pin.sha256, pin.name
        if pin.name in names or file == "requirements.txt":
            assert lock[pin.name, pin.version].sha256 == pin.sha256


def test_the_image_has_every_dependency() -> None:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    wanted = [*project["dependencies"], *extras["cluster"], *extras["objects"], *extras["sql"]]
    pins = {pin.name: pin.version for pin in sbom.read_pins(SERVER / "requirements.txt")}
    for one in map(Requirement, wanted):
        assert one.specifier.contains(pins[canonicalize_name(one.name)]), one.name
    developers_only = {canonicalize_name(Requirement(one).name) for one in extras["dev"]}
    assert not {"pytest", "ruff", "mypy", "playwright"} & set(pins)
    assert developers_only - set(pins) >= {"pytest", "ruff", "mypy", "playwright", "sphinx"}


def test_the_image_is_built_without_root_and_from_a_base_that_can_be_pinned() -> None:
    text = (SERVER / "Dockerfile").read_text(encoding="utf-8")
    stages = re.split(r"^FROM ", text, flags=re.MULTILINE)[1:]
    assert stages[0].startswith("${BASE} ")
    assert re.search(r"^USER 10001:10001$", stages[-1], re.MULTILINE)
    assert len(re.findall(r"pip .*install", text)) == text.count("--no-deps") - text.count("pip wheel")
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", text, re.MULTILINE)
    for source in " ".join(copied).split():
        assert (PROJECT / source).exists(), source


def test_nothing_but_named_folders_reaches_the_builder() -> None:
    lines = (PROJECT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    assert rules[0] == "*"
    let_in = {rule[1:] for rule in rules if rule.startswith("!")}
    assert not {"data", "models", "results", "ledger", "secrets", ".git"} & let_in


# -- the bill of materials -------------------------------------------------------------------------------------------


def test_the_bill_of_materials_lists_every_package_once(tmp_path: Path) -> None:
    pins = sbom.read_pins(SERVER / "requirements.txt")
    text = (SERVER / "requirements.txt").read_text(encoding="utf-8")
    assert len(pins) == len(re.findall(r"^[A-Za-z0-9].*==", text, re.MULTILINE))
    bill = sbom.bill_of_materials(pins, version="1.0")
    purls = [component["purl"] for component in bill["components"]]
    assert len(set(purls)) == len(pins)
    assert set(bill["dependencies"][0]["dependsOn"]) == set(purls)
    assert all(component["externalReferences"][0]["hashes"] for component in bill["components"])
    assert json.dumps(bill) == json.dumps(sbom.bill_of_materials(pins, version="1.0"))
    assert bill["serialNumber"] != sbom.bill_of_materials(pins, version="1.1")["serialNumber"]
    installed = tmp_path / "installed"
    installed.write_text("".join(f"{pin.name}=={pin.version}\n" for pin in pins[1:]) + "stranger==1\n")
    assert sbom.differences(pins, installed) == [
        f"listed, not installed: {pins[0].name}=={pins[0].version}",
        "installed, not listed: stranger==1",
    ]


def test_packages_of_other_systems_are_left_out_of_the_bill() -> None:
    pin = sbom.Pinned("colorama", "0.4.6", "sys_platform == 'win32'", ("0" * 64,))
    assert not pin.on_linux("3.11")
    assert sbom.Pinned("numpy", "2.0", "python_full_version < '3.12'", ()).on_linux("3.11")
    assert not sbom.Pinned("numpy", "2.0", "python_full_version < '3.12'", ()).on_linux("3.13")


# -- releases --------------------------------------------------------------------------------------------------------


def test_a_release_tells_what_is_new() -> None:
    told = "# Changelog\n\n## Unreleased\n\nsoon\n\n## 1.2.0 (2026-12-01)\n\n- new\n\n## 1.1.0\n\n- old\n"
    assert release_notes.notes_of("v1.2.0", version="1.2.0", changelog=told) == "- new\n"
    for tag, version in (("v1.2.0", "1.2.1"), ("v1.3.0", "1.3.0"), ("v1.2", "1.2")):
        with pytest.raises(SystemExit, match="then tag"):
            release_notes.notes_of(tag, version=version, changelog=told)


# -- Kubernetes, compose ---------------------------------------------------------------------------------------------

KUBERNETES = PROJECT / "deployment" / "infrastructure" / "kubernetes"
MANIFESTS = sorted(path for path in KUBERNETES.rglob("*.yaml") if path.name not in {"kustomization.yaml", "city.yaml"})
CITY_FILES = sorted(KUBERNETES.rglob("city.yaml"))


def objects() -> list[dict[str, Any]]:
    return [one for path in MANIFESTS for one in yaml.safe_load_all(path.read_text(encoding="utf-8"))]


def pod_of(one: dict[str, Any]) -> dict[str, Any] | None:
    spec = one.get("spec", {})
    if one["kind"] == "CronJob":
        spec = spec["jobTemplate"]["spec"]
    found: dict[str, Any] | None = spec.get("template", {}).get("spec")
    return found


PODS = {one["metadata"]["name"]: pod for one in objects() if (pod := pod_of(one))}


def test_there_are_the_pods_of_the_product() -> None:
    assert set(PODS) == {"page", "model-server", "nightly", "dask-scheduler", "dask-worker"}


@pytest.mark.parametrize("name", sorted(PODS))
def test_a_pod_has_no_right_it_does_not_need(name: str) -> None:
    pod = PODS[name]
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] == 10001
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    (container,) = pod["containers"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "runAsNonRoot": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert set(container["resources"]["limits"]) == {"cpu", "memory", "ephemeral-storage"}
    assert container["image"] == "crimepatterns"
    written = {mount["mountPath"] for mount in container["volumeMounts"] if not mount.get("readOnly")}
    assert written <= {"/srv/crimepatterns", "/tmp"}  # noqa: S108  # the pod's own, in memory
    if name != "nightly":
        assert {"startupProbe", "readinessProbe", "livenessProbe"} <= set(container)
    mounted = {mount["name"] for mount in container["volumeMounts"]}
    assert mounted == {volume["name"] for volume in pod["volumes"]}


def options_of(command: Any) -> set[str]:
    return {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}


@pytest.mark.parametrize("name", sorted(PODS))
def test_what_a_pod_starts_is_there(name: str) -> None:
    """Commands of the product, applications in the image, and options that they know."""
    (container,) = PODS[name]["containers"]
    words = [*container.get("command", ["crimepatterns"]), *container["args"]]
    if words[0] == "crimepatterns":
        known = options_of(typer.main.get_command(app).commands[words[1]])  # type: ignore[attr-defined]
    elif words[0] == "uvicorn":
        place = words[words.index("--app-dir") + 1].removeprefix("/opt/crimepatterns/")
        assert (PROJECT / place / "app.py").is_file()
        known = options_of(uvicorn.main)
    else:
        pytest.importorskip("distributed")
        from distributed.cli import dask_scheduler, dask_worker

        known = options_of({"scheduler": dask_scheduler, "worker": dask_worker}[words[1]].main)
    assert {word for word in words if word.startswith("--")} <= known


def test_every_name_that_is_asked_for_is_made_or_told() -> None:
    """ConfigMaps are generated, volumes claimed; Secrets are made by hand and stand in the guide."""
    guide = (PROJECT / "docs" / "deployment.md").read_text(encoding="utf-8")
    for pod in PODS.values():
        for volume in pod["volumes"]:
            if "configMap" in volume:
                assert volume["configMap"]["name"] == "city"
            if "persistentVolumeClaim" in volume:
                assert volume["persistentVolumeClaim"]["claimName"] == "project"
            if "secret" in volume:
                assert f"secret generic {volume['secret']['secretName']}" in guide
    for overlay in (path.parent for path in CITY_FILES):
        text = (overlay / "kustomization.yaml").read_text(encoding="utf-8")
        assert yaml.safe_load(text)["configMapGenerator"] == [{"name": "city", "files": ["city.yaml"]}]


def test_nobody_talks_to_anybody_unless_it_is_said() -> None:
    walls = {one["metadata"]["name"]: one["spec"] for one in objects() if one["kind"] == "NetworkPolicy"}
    assert walls["nobody"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    servers = walls["to-the-servers"]
    assert servers["policyTypes"] == ["Ingress"]
    assert not [name for name, wall in walls.items() if "page" in json.dumps(wall) and "Egress" in wall["policyTypes"]]


@pytest.mark.parametrize("path", CITY_FILES, ids=lambda path: path.parent.name)
def test_city_files_of_a_cluster_can_be_read_and_are_not_open(path: Path) -> None:
    settings = load_settings(path)
    assert settings.serving.host == "0.0.0.0"  # noqa: S104  # a pod's own address
    assert settings.security.anonymous is None
    (container,) = PODS["page"]["containers"]
    folder = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}["keys"]
    assert settings.security.keys_file == f"{folder}/access_keys.json"
    probes = [container[name]["httpGet"] for name in ("startupProbe", "livenessProbe", "readinessProbe")]
    assert {probe["httpHeaders"][0]["value"] for probe in probes} <= set(settings.security.hosts)
    if settings.execution.scheduler is not None:
        services = {one["metadata"]["name"] for one in objects() if one["kind"] == "Service"}
        assert settings.execution.scheduler.startswith("tls://")
        assert settings.execution.scheduler.removeprefix("tls://").split(":")[0] in services


def test_the_compose_file_gives_no_more_than_the_cluster() -> None:
    services = yaml.safe_load((PROJECT / "deployment" / "compose.yaml").read_text(encoding="utf-8"))["services"]
    assert set(services) == {"page", "model-server", "job"}
    for service in services.values():
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert "ports" not in service
        if "entrypoint" in service:
            assert service["command"][:2] == ["--host", "127.0.0.1"]


# -- Ansible, workflows ----------------------------------------------------------------------------------------------


def test_the_role_starts_what_is_there() -> None:
    role = PROJECT / "deployment" / "infrastructure" / "ansible" / "roles" / "crimepatterns"
    defaults = yaml.safe_load((role / "defaults" / "main.yml").read_text(encoding="utf-8"))
    for service in defaults["crimepatterns_services"]:
        module = service["module"].partition(":")[0]
        assert (PROJECT / "deployment" / service["application"] / f"{module}.py").is_file()
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    assert defaults["crimepatterns_nightly_command"].split()[0] in commands
    used = " ".join(path.read_text(encoding="utf-8") for path in role.rglob("*") if path.is_file())
    assert not {name for name in defaults if used.count(name) < 2}


@pytest.mark.parametrize("path", sorted((PROJECT / ".github" / "workflows").glob("*.yml")), ids=lambda path: path.name)
def test_workflows_ask_for_little_and_call_what_is_there(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    flow = yaml.safe_load(text)
    assert flow["permissions"] == {"contents": "read"}
    assert "Not run" in text
    targets = set(re.findall(r"^([a-z-]+):", (PROJECT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    for job in flow["jobs"].values():
        assert job["timeout-minutes"] <= 60
        for step in job["steps"]:
            run = step.get("run", "")
            assert "${{" not in run, "values go through the environment"
            for line in re.findall(r"(?:^|\s)make ([a-z -]+)$", run, re.MULTILINE):
                assert set(line.split()) <= targets, line
            for named in re.findall(r"\b(?:tools|deployment)/[\w./-]+\w", run):
                assert (PROJECT / named).exists(), named
