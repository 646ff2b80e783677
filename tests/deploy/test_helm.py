"""The chart, rendered by Helm itself and checked against Kubernetes' own schemas. No cluster is needed."""

from __future__ import annotations

import importlib.util
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import kubernetes_validate
import msgspec
import pytest
import yaml
from helm_python import Chart, HelmError, disable_logging, lint

from tests.harness.serving import serving
from wsgw.settings import SECRETS, Settings, load

ROOT = Path(__file__).parents[2]
CHART = ROOT / "deploy/helm/wsgw"
#: Kinds that Kubernetes knows only where the Prometheus operator is installed.
FOREIGN = {"ServiceMonitor", "PrometheusRule"}

DEFINITIONS = {"files": {"chat.yaml": (ROOT / "examples/chat/wsgw.yaml").read_text()}}
CLUSTER = {
    "definitions": DEFINITIONS,
    "redis": {"url": "redis://wsgw@redis:6379/0", "password": {"existingSecret": "redis"}},
    "clusterSecret": {"existingSecret": "cluster"},
    "managementTokens": {"existingSecret": "tokens"},
}
ALONE = {"replicas": 1, "definitions": DEFINITIONS, "insecure": True, "podDisruptionBudget": {"enabled": False}}
EVERYTHING = {
    **CLUSTER,
    "image": {"repository": "images.example.com/wsgw", "tag": "9.9.9", "pullSecrets": [{"name": "pull"}]},
    "definitions": {"existingConfigMap": "apis", "names": ["a.yaml", "b.yaml"], "watch": False},
    "settings": {"drain_seconds": 60.5, "stop_seconds": 20, "workers": 4, "trust_forwarded": ["10.0.0.0/8"]},
    "redis": {
        "url": "rediss+sentinel://a:26379,b:26379/main",
        "password": {"existingSecret": "redis", "key": "pw"},
        "ca": {"existingSecret": "authority"},
    },
    "tls": {"existingSecret": "certificate"},
    "env": [{"name": "CHAT_SECRET", "valueFrom": {"secretKeyRef": {"name": "chat", "key": "secret"}}}],
    "envFrom": [{"secretRef": {"name": "aws"}}],
    "service": {
        "type": "LoadBalancer",
        "port": 443,
        "annotations": {"example.com/idle-timeout": "3600"},
        "loadBalancerClass": "example.com/nlb",
        "loadBalancerSourceRanges": ["192.0.2.0/24"],
        "externalTrafficPolicy": "Local",
    },
    "autoscaling": {"enabled": True, "minReplicas": 3, "maxReplicas": 9, "targetCPUUtilizationPercentage": 70},
    "podDisruptionBudget": {"maxUnavailable": "25%"},
    "networkPolicy": {
        "enabled": True,
        "dataFrom": [{"ipBlock": {"cidr": "192.0.2.0/24"}}],
        "monitoringFrom": [{"namespaceSelector": {"matchLabels": {"name": "monitoring"}}}],
        "redisTo": [{"podSelector": {"matchLabels": {"app": "redis"}}}],
        "redisPorts": [6379, 26379],
        "egress": [{"to": [{"podSelector": {"matchLabels": {"app": "chat"}}}], "ports": [{"port": 8090}]}],
    },
    "metrics": {
        "serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}},
        "prometheusRule": {"enabled": True},
        "dashboard": {"enabled": True},
    },
    "serviceAccount": {"annotations": {"example.com/role": "wsgw"}},
    "podAnnotations": {"a": "b"},
    "podLabels": {"c": "d"},
    "sysctls": [{"name": "net.ipv4.ip_local_port_range", "value": "10240 65535"}],
    "nodeSelector": {"pool": "gateways"},
    "tolerations": [{"key": "gateways", "operator": "Exists"}],
    "affinity": {"nodeAffinity": {}},
    "spread": "DoNotSchedule",
    "priorityClassName": "high",
    "extraVolumes": [{"name": "functions", "configMap": {"name": "functions"}}],
    "extraVolumeMounts": [{"name": "functions", "mountPath": "/functions"}],
}
VALUES = {"cluster": CLUSTER, "alone": ALONE, "everything": EVERYTHING}


@pytest.fixture(scope="module")
def chart() -> Iterator[Chart]:
    disable_logging()
    with Chart.load(CHART) as one:
        yield one


def documents(chart: Chart, values: dict[str, Any]) -> list[dict[str, Any]]:
    rendered = chart.render(values, name="edge", namespace="gateways")
    texts = [text for name, text in rendered.items() if not name.endswith("NOTES.txt")]
    return [document for text in texts for document in yaml.safe_load_all(text) if document]


def kind(chart: Chart, values: dict[str, Any], name: str, ending: str = "") -> dict[str, Any]:
    (one,) = [
        document
        for document in documents(chart, values)
        if document["kind"] == name and (not ending or document["metadata"]["name"].endswith(ending))
    ]
    return one


def pod(chart: Chart, values: dict[str, Any]) -> dict[str, Any]:
    return kind(chart, values, "Deployment")["spec"]["template"]["spec"]


def settings_file(chart: Chart, values: dict[str, Any]) -> str:
    return kind(chart, values, "ConfigMap", "-settings")["data"]["settings.yaml"]


@pytest.mark.parametrize("values", VALUES.values(), ids=VALUES)
def test_helm_finds_no_fault(values: dict[str, Any]):
    report = lint(CHART, values, strict=True)
    assert report["errors"] == []
    assert [message for message in report["messages"] if message["severity"] > 1] == []


@pytest.mark.parametrize("values", VALUES.values(), ids=VALUES)
def test_kubernetes_takes_every_document(chart: Chart, values: dict[str, Any]):
    made = documents(chart, values)
    for document in made:
        if document["kind"] not in FOREIGN:
            kubernetes_validate.validate(document, "1.37", strict=True)
    names = [(document["kind"], document["metadata"]["name"]) for document in made]
    assert len(names) == len(set(names))


def test_what_is_on_is_rendered_and_what_is_off_is_not(chart: Chart):
    always = {"Deployment", "Service", "ConfigMap", "ServiceAccount"}
    assert {document["kind"] for document in documents(chart, ALONE)} == always
    assert {document["kind"] for document in documents(chart, EVERYTHING)} == always | FOREIGN | {
        "HorizontalPodAutoscaler",
        "PodDisruptionBudget",
        "NetworkPolicy",
    }


@pytest.mark.parametrize("values", VALUES.values(), ids=VALUES)
def test_the_gateway_takes_the_settings(chart: Chart, values: dict[str, Any], tmp_path: Path):
    file = tmp_path / "settings.yaml"
    file.write_text(settings_file(chart, values))
    loaded = load(config_file=file).settings
    assert (loaded.host, loaded.port, loaded.control_host, loaded.control_port) == ("0.0.0.0", 8080, "0.0.0.0", 8081)
    for name, value in values.get("settings", {}).items():
        assert getattr(loaded, name) == (tuple(value) if isinstance(value, list) else value)


def test_no_secret_is_written_into_a_document_and_each_comes_from_the_secret_that_is_named(chart: Chart):
    environment = {
        one["name"]: one["valueFrom"]["secretKeyRef"] for one in pod(chart, EVERYTHING)["containers"][0]["env"]
    }
    assert environment["WSGW_REDIS_PASSWORD"] == {"name": "redis", "key": "pw"}
    assert environment["WSGW_CLUSTER_SECRET"] == {"name": "cluster", "key": "secret"}
    assert environment["WSGW_MANAGEMENT_TOKENS"] == {"name": "tokens", "key": "tokens"}
    assert {f"WSGW_{name.upper()}" for name in SECRETS} <= set(environment)
    assert not any(document["kind"] == "Secret" for document in documents(chart, EVERYTHING))


def test_the_schema_knows_every_setting_that_the_chart_does_not_decide_itself():
    spec = importlib.util.spec_from_file_location("chart_schema", ROOT / "deploy/helm/schema.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    written = json.loads((CHART / "values.schema.json").read_text())["properties"]["settings"]
    assert written == module.settings_schema(), "run: python deploy/helm/schema.py"
    assert set(Settings.__struct_fields__) >= module.DECIDED


def test_every_value_has_a_default_and_a_place_in_the_schema():
    schema = json.loads((CHART / "values.schema.json").read_text())
    assert set(yaml.safe_load((CHART / "values.yaml").read_text())) == set(schema["properties"]) - {"global"}


def changed(path: str, value: Any) -> dict[str, Any]:
    """CLUSTER with one value changed; `path` has dots."""
    values = json.loads(json.dumps(CLUSTER))
    at = values
    *way, last = path.split(".")
    for name in way:
        at = at.setdefault(name, {})
    at[last] = value
    return values


WRONG = [
    ("replica", 2, "replica"),
    ("replicas", 0, "minimum|greater"),
    ("replicas", "2", "integer"),
    ("settings.heartbeat", 60, "heartbeat"),
    ("settings.heartbeat_seconds", "60", "number"),
    ("settings.drain_seconds", -1, "minimum|greater"),
    ("settings.throttle_mode", "loose", "pattern"),
    ("settings.port", 80, "port"),
    ("settings.redis_password", "secret", "redis_password"),
    ("redis.url", "redis://wsgw:password@redis:6379", "pattern"),
    ("redis.url", "http://redis", "pattern"),
    ("redis.password.value", "secret", "value"),
    ("service.type", "Ingress", "ClusterIP"),
    ("service.port", 0, "minimum|greater"),
    ("image.pullPolicy", "Sometimes", "IfNotPresent"),
    ("definitions.files", {"a b.yaml": "apis: {}"}, "pattern"),
    ("autoscaling.minReplicas", 0, "minimum|greater"),
    ("podDisruptionBudget.maxUnavailable", "some", "pattern|anyOf"),
    # Single values are right here, but not together.
    ("redis.url", "", "more than one node needs a store"),
    ("clusterSecret.existingSecret", "", "clusterSecret.existingSecret"),
    ("definitions.files", None, "nothing to serve"),
    ("autoscaling", {"enabled": True, "minReplicas": 5, "maxReplicas": 4}, "minReplicas is above"),
]


@pytest.mark.parametrize(("path", "value", "says"), WRONG)
def test_a_wrong_value_is_refused_and_named(chart: Chart, path: str, value: Any, says: str):
    with pytest.raises(HelmError, match=f"(?i){says}"):
        chart.render(changed(path, value), name="edge")


def test_workers_without_redis_are_refused(chart: Chart):
    with pytest.raises(HelmError, match=r"settings\.workers"):
        chart.render({**ALONE, "settings": {"workers": 2}}, name="edge")


def test_the_defaults_alone_are_refused_with_what_is_missing(chart: Chart):
    with pytest.raises(HelmError, match=r"redis\.url"):
        chart.render({}, name="edge")


# ---- what a node is promised


@pytest.mark.parametrize("values", VALUES.values(), ids=VALUES)
def test_a_node_has_the_time_to_drain(chart: Chart, values: dict[str, Any]):
    spec = pod(chart, values)
    (pause,) = [int(word) for word in spec["containers"][0]["lifecycle"]["preStop"]["exec"]["command"][1:]]
    settings = {**msgspec.to_builtins(Settings()), **values.get("settings", {})}
    needed = pause + settings["drain_seconds"] + settings["stop_seconds"]
    assert spec["terminationGracePeriodSeconds"] >= needed + 5


def test_a_node_may_do_nothing_that_it_need_not(chart: Chart):
    spec = pod(chart, CLUSTER)
    assert spec["securityContext"]["runAsNonRoot"]
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert not spec["automountServiceAccountToken"]
    assert spec["containers"][0]["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def test_the_user_is_that_of_the_image(chart: Chart):
    (user,) = re.findall(r"^USER (\d+):", (ROOT / "deploy/docker/Dockerfile").read_text(), flags=re.MULTILINE)
    assert pod(chart, CLUSTER)["securityContext"]["runAsUser"] == int(user)


def test_services_of_the_same_name_set_no_settings(chart: Chart):
    assert pod(chart, CLUSTER)["enableServiceLinks"] is False


def test_redis_being_away_kills_no_node(chart: Chart):
    container = pod(chart, CLUSTER)["containers"][0]
    assert container["livenessProbe"]["httpGet"]["path"] == "/healthz"
    assert container["startupProbe"]["httpGet"]["path"] == "/healthz"
    assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"


def test_a_changed_setting_replaces_the_pods_and_a_changed_definition_does_only_if_it_is_not_watched(chart: Chart):
    def stamps(values: dict[str, Any]) -> dict[str, str]:
        return kind(chart, values, "Deployment")["spec"]["template"]["metadata"]["annotations"]

    watched, other = CLUSTER, {**CLUSTER, "definitions": {"files": {"chat.yaml": "apis: {}"}}}
    assert stamps(watched) == stamps(other)
    unwatched = changed("definitions.watch", False)
    assert stamps(unwatched) != stamps({**unwatched, "definitions": {**other["definitions"], "watch": False}})
    assert stamps(watched) != stamps({**watched, "settings": {"heartbeat_seconds": 30}})


def test_nodes_are_added_at_once_and_removed_one_at_a_time(chart: Chart):
    spec = kind(chart, EVERYTHING, "HorizontalPodAutoscaler")["spec"]
    assert spec["metrics"][0]["pods"]["metric"]["name"] == "wsgw_connections"
    assert spec["behavior"]["scaleUp"]["stabilizationWindowSeconds"] == 0
    assert spec["behavior"]["scaleDown"]["stabilizationWindowSeconds"] >= 600
    assert [policy["value"] for policy in spec["behavior"]["scaleDown"]["policies"]] == [1]
    assert "replicas" not in kind(chart, EVERYTHING, "Deployment")["spec"]


def test_the_control_port_is_for_monitoring_only_and_never_part_of_the_public_service(chart: Chart):
    ingress = kind(chart, EVERYTHING, "NetworkPolicy")["spec"]["ingress"]
    (control,) = [rule for rule in ingress if rule["ports"][0]["port"] == "control"]
    assert control["from"] == EVERYTHING["networkPolicy"]["monitoringFrom"]
    nobody = changed("networkPolicy.enabled", True)
    assert [rule["ports"][0]["port"] for rule in kind(chart, nobody, "NetworkPolicy")["spec"]["ingress"]] == ["data"]
    public, private = [one for one in documents(chart, EVERYTHING) if one["kind"] == "Service"]
    assert [port["name"] for port in public["spec"]["ports"]] == ["data"]
    assert private["spec"]["clusterIP"] == "None"


def test_a_node_reaches_dns_redis_and_its_backends_and_nothing_else(chart: Chart):
    rules = kind(chart, EVERYTHING, "NetworkPolicy")["spec"]["egress"]
    assert [[port["port"] for port in rule["ports"]] for rule in rules] == [[53, 53], [6379, 26379], [8090]]


def test_backends_push_to_the_service_unless_another_address_is_given(chart: Chart, tmp_path: Path):
    assert yaml.safe_load(settings_file(chart, CLUSTER))["public_url"] == "http://edge-wsgw.gateways.svc:80"
    assert yaml.safe_load(settings_file(chart, EVERYTHING))["public_url"] == "https://edge-wsgw.gateways.svc:443"
    given = changed("settings.public_url", "https://gw.example.com")
    assert yaml.safe_load(settings_file(chart, given))["public_url"] == "https://gw.example.com"


def test_the_rules_are_those_of_the_repository(chart: Chart):
    rules = yaml.safe_load((ROOT / "deploy/prometheus/rules.yaml").read_text())
    assert kind(chart, EVERYTHING, "PrometheusRule")["spec"] == rules
    dashboard = kind(chart, EVERYTHING, "ConfigMap", "-dashboard")["data"]["wsgw.json"]
    assert json.loads(dashboard) == json.loads((ROOT / "deploy/grafana/wsgw.json").read_text())


async def test_a_gateway_with_these_settings_answers_the_kubelet_and_prometheus(chart: Chart, tmp_path: Path):
    file = tmp_path / "settings.yaml"
    file.write_text(settings_file(chart, ALONE))
    async with serving(ROOT / "examples/chat/wsgw.yaml", "--config", str(file)) as served:
        port = served.ready["control"].rpartition(":")[2]
        async with aiohttp.ClientSession() as session:
            for path in ("/healthz", "/readyz", "/metrics"):
                # They name the pod's address in the Host header.
                host = {"Host": f"10.1.2.3:{port}"}
                async with session.get(f"http://127.0.0.1:{port}{path}", headers=host) as answer:
                    assert answer.status == 200
