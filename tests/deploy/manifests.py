#!/usr/bin/python3
"""The compose file and the Kubernetes manifests say what the guide promises of them.

There is no engine and no cluster here: the files are parsed, names must meet (selectors, ports,
volumes, secrets), and every container must be held as tightly as the "restricted" profile of
Kubernetes' Pod Security Standards asks. Their settings are given to `claimbridge check`.
"""

import glob
import os
import subprocess
import sys
import tempfile
import tomllib

import yaml  # Debian's python3-yaml

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
from machine import DEPLOY, binary, done  # noqa: E402


class NoDuplicates(yaml.SafeLoader):
    """YAML lets a later key win silently; a manifest with two is a mistake."""


def mapping(loader, node):
    keys = [loader.construct_object(key) for key, _ in node.value]
    assert len(keys) == len(set(keys)), f"twice the same key: {keys}"
    return loader.construct_mapping(node, deep=True)


NoDuplicates.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, mapping)


def documents(path):
    with open(path, encoding="utf-8") as file:
        return list(yaml.load_all(file, NoDuplicates))


def check(toml=None, **variables):
    """What `claimbridge check` makes of these settings, with secrets that are there."""
    with tempfile.TemporaryDirectory() as folder:
        for name, text in (("master.key", "0f" * 32), ("database.url", "postgres://c:x@database/c")):
            with open(f"{folder}/{name}", "w", encoding="utf-8") as file:
                file.write(text)
            os.chmod(file.name, 0o440 if os.geteuid() == 0 else 0o400)
        command = [binary(), "check"]
        if toml:
            path = f"{folder}/claimbridge.toml"
            with open(path, "w", encoding="utf-8") as file:
                file.write(toml.replace("/run/secrets/claimbridge", folder))
            command[1:1] = ["--config", path]
        variables = {name: str(value).replace("/run/secrets", folder)
                     for name, value in variables.items()}
        said = subprocess.run(command, env=variables, cwd=folder, capture_output=True, text=True)
        assert said.returncode == 0, said.stdout + said.stderr


def image_environment():
    with open(f"{DEPLOY}/container/Containerfile", encoding="utf-8") as file:
        pairs = [line[4:].strip().partition("=") for line in file if line.startswith("ENV ")]
    return {name: value for name, _, value in pairs}


# ── compose ──────────────────────────────────────────────────────────────────
[compose] = documents(f"{DEPLOY}/compose/compose.yaml")
for name, service in compose["services"].items():
    assert service["read_only"] is True, name
    assert service["cap_drop"] == ["ALL"], name
    assert "no-new-privileges:true" in service["security_opt"], name
    assert service["pids_limit"] and service["mem_limit"] and service["restart"], name
    assert not service.get("privileged") and "network_mode" not in service, name
    assert "pid" not in service and "devices" not in service, name
    for secret in service["secrets"]:
        assert compose["secrets"][secret]["file"].startswith("/etc/claimbridge/"), (
            "a secret beside the source gets into images and commits")
    for network in service["networks"]:
        assert network in compose["networks"], network
    for variable, value in service["environment"].items():
        wants_secret = any(word in variable for word in ("PASSWORD", "KEY", "SECRET", "DATABASE_URL"))
        assert not wants_secret or variable.endswith("_FILE"), f"{variable} is a secret in the file"
        if variable.endswith("_FILE"):
            assert value.removeprefix("/run/secrets/") in service["secrets"], value
    for port in service.get("ports", []):
        assert port.startswith("127.0.0.1:"), port
ours = compose["services"]["claimbridge"]
assert "cap_add" not in ours and int(ours["user"].split(":")[0]) >= 1000
assert compose["services"]["database"]["networks"] == ["back"]
assert compose["networks"]["back"]["internal"] is True
assert os.path.isfile(os.path.join(DEPLOY, "compose", ours["build"]["context"],
                                   ours["build"]["dockerfile"]))
assert ours["environment"]["CLAIMBRIDGE_POLICY__TRUSTED_PROXIES"] == (
    compose["networks"]["front"]["ipam"]["config"][0]["gateway"])
check(**(image_environment() | ours["environment"]))  # as the engine merges them
done("compose: every service is read-only, without rights and without secrets in the file")

# ── Kubernetes ───────────────────────────────────────────────────────────────
objects = [document for path in sorted(glob.glob(f"{DEPLOY}/kubernetes/*.yaml"))
           for document in documents(path)]
by_kind = {}
for thing in objects:
    by_kind.setdefault(thing["kind"], []).append(thing)
    assert thing["kind"] != "Secret", "secrets come by reference"
assert set(by_kind) == {"ConfigMap", "Deployment", "PodDisruptionBudget", "Service", "Ingress",
                        "NetworkPolicy", "Job"}, by_kind.keys()
versions = {"ConfigMap": "v1", "Service": "v1", "Deployment": "apps/v1", "Job": "batch/v1",
            "PodDisruptionBudget": "policy/v1", "Ingress": "networking.k8s.io/v1",
            "NetworkPolicy": "networking.k8s.io/v1"}
for thing in objects:
    assert thing["apiVersion"] == versions[thing["kind"]], thing["kind"]
deployment, service = by_kind["Deployment"][0], by_kind["Service"][0]
configuration = by_kind["ConfigMap"][0]
labels = deployment["spec"]["template"]["metadata"]["labels"]
selector = {"app.kubernetes.io/name": "claimbridge"}
assert labels == selector == deployment["spec"]["selector"]["matchLabels"]
assert service["spec"]["selector"] == selector
assert by_kind["PodDisruptionBudget"][0]["spec"]["selector"]["matchLabels"] == selector
assert by_kind["NetworkPolicy"][0]["spec"]["podSelector"]["matchLabels"] == selector
assert deployment["spec"]["replicas"] >= 2
assert by_kind["PodDisruptionBudget"][0]["spec"]["minAvailable"] >= 1

for workload in by_kind["Deployment"] + by_kind["Job"]:
    pod = workload["spec"]["template"]["spec"]
    context = pod["securityContext"]
    assert context["runAsNonRoot"] is True and context["runAsUser"] >= 1000
    assert context["fsGroup"] == context["runAsGroup"], "the group that may read the secrets"
    assert context["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["automountServiceAccountToken"] is False
    assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod)
    for volume in pod["volumes"]:
        assert {"configMap", "secret", "emptyDir"} & set(volume), volume
        if "configMap" in volume:
            assert volume["configMap"]["name"] == configuration["metadata"]["name"]
        if "secret" in volume:
            assert volume["secret"]["defaultMode"] == 0o400
    for container in pod["containers"]:
        held = container["securityContext"]
        assert held == {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True,
                        "capabilities": {"drop": ["ALL"]}}, held
        assert "memory" in container["resources"]["limits"]
        assert "env" not in container, "secrets come as files"
        assert not container["image"].endswith(":latest") and ":" in container["image"]
        mounted = {mount["name"] for mount in container["volumeMounts"]}
        assert mounted == {volume["name"] for volume in pod["volumes"]}
        assert container["args"][:2] == ["--config", "/etc/claimbridge/claimbridge.toml"]
container = deployment["spec"]["template"]["spec"]["containers"][0]
ports = {port["name"]: port["containerPort"] for port in container["ports"]}
for probe, path in (("startupProbe", "/healthz"), ("livenessProbe", "/healthz"),
                    ("readinessProbe", "/readyz")):
    assert container[probe]["httpGet"] == {"path": path, "port": "ops"}, probe
images = {w["spec"]["template"]["spec"]["containers"][0]["image"]
          for w in by_kind["Deployment"] + by_kind["Job"]}
assert len(images) == 1, images
assert [port["targetPort"] for port in service["spec"]["ports"]] == ["http"], "not the ops port"
ingress = by_kind["Ingress"][0]["spec"]
backend = ingress["rules"][0]["http"]["paths"][0]["backend"]["service"]
assert backend == {"name": service["metadata"]["name"],
                   "port": {"name": service["spec"]["ports"][0]["name"]}}
policy = by_kind["NetworkPolicy"][0]["spec"]
assert set(policy["policyTypes"]) == {"Ingress", "Egress"}
opened = {port["port"] for rule in policy["ingress"] for port in rule["ports"]}
assert opened == set(ports.values()), opened
assert all(rule.get("from") for rule in policy["ingress"]), "from somewhere, not from everywhere"
toml = configuration["data"]["claimbridge.toml"]
values = tomllib.loads(toml)
assert values["policy"]["trusted_proxies"] == ["192.0.2.0/24"], (
    "an example that fits some cluster would be left as it is")
assert values["listen"].endswith(f":{ports['http']}")
assert values["listen_ops"]["address"].endswith(f":{ports['ops']}")
assert ingress["rules"][0]["host"] == values["public_url"].removeprefix("https://")
assert not {name for name in image_environment() if "DATABASE" in name or "KEY" in name}, (
    "a variable of the image would win over the file")
check(toml, **image_environment())
done(f"Kubernetes: {len(objects)} objects fit together; every pod meets the restricted profile")
