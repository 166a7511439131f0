"""What runs the image of a model in a cluster or on one machine: objects of Kubernetes, KServe and Compose, as data.

Every container is confined as `verify --image` confines it: no root, no privileges, a file system that can't be written
to but for ``/tmp``, and limits.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

__all__ = [
    "Deployed",
    "autoscaler",
    "compose",
    "deployment",
    "inference_service",
    "kustomization",
    "monitor",
    "service",
]

#: Where the server of the image listens, and the user that it runs as (`Dockerfile`).
PORT, USER = 8080, 10001
#: Cores of one container; as many passes are computed at a time. A node's cores aren't the container's.
CORES = 2
#: Requests that may wait for one container, on average, before another one is started.
WAITING = 4
#: Seconds in which a cluster stops sending requests, and in which the server answers those it has.
_DRAIN, _GRACE = 5, 15
_LIVE, _READY, _METRICS = "/health/live", "/health/ready", "/metrics"
Object = dict[str, Any]


class Deployed(NamedTuple):
    """What is served.

    Attributes
    ----------
    name
        Name of every object: a label of DNS.
    image
        Whole name of the image.
    labels
        Which version of what it is.
    notes
        What can't be a label: title and DOI.
    """

    name: str
    image: str
    labels: Mapping[str, str]
    notes: Mapping[str, str]

    @property
    def selector(self) -> dict[str, str]:
        """What all versions have in common."""
        return {"app.kubernetes.io/name": self.name}

    def metadata(self, notes: Mapping[str, str] | None = None) -> Object:
        """Return the head of an object."""
        return {"name": self.name, "labels": dict(self.labels), "annotations": {**self.notes, **(notes or {})}}


def _confined() -> Object:
    """Return what a container may do: nothing but compute and answer."""
    return {
        "allowPrivilegeEscalation": False,
        "privileged": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def _probe(path: str, *, every: int, patience: int) -> Object:
    return {
        "httpGet": {"path": path, "port": "http"},
        "periodSeconds": every,
        "timeoutSeconds": 5,
        "failureThreshold": patience,
    }


def _container(served: Deployed, name: str) -> Object:
    return {
        "name": name,
        "image": served.image,
        "ports": [{"name": "http", "containerPort": PORT, "protocol": "TCP"}],
        "env": [{"name": "SERVE_PARALLEL", "value": str(CORES)}],
        "resources": {
            "requests": {"cpu": "1", "memory": "512Mi"},
            "limits": {"cpu": str(CORES), "memory": "1Gi"},
        },
        # Two minutes to start, where nodes are slow; then the other two begin.
        "startupProbe": _probe(_LIVE, every=2, patience=60),
        "livenessProbe": _probe(_LIVE, every=10, patience=3),
        # Not ready is what gives other answers than the stored ones here, or can't take one request more: then others
        # get what comes, after half a minute.
        "readinessProbe": _probe(_READY, every=5, patience=6),
        # Requests arrive for a moment after a cluster has decided to end a container.
        "lifecycle": {"preStop": {"exec": {"command": ["python3", "-c", f"import time; time.sleep({_DRAIN})"]}}},
        "securityContext": _confined(),
        "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],
    }


def _pod(served: Deployed, name: str) -> Object:
    return {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": _DRAIN + _GRACE,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER,
            "runAsGroup": USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [_container(served, name)],
        "volumes": [{"name": "tmp", "emptyDir": {"sizeLimit": "64Mi"}}],
    }


def deployment(served: Deployed) -> Object:
    """Return the Deployment; how many containers there are is left to the autoscaler."""
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": served.metadata(),
        "spec": {
            "selector": {"matchLabels": served.selector},
            "revisionHistoryLimit": 3,
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
            "template": {"metadata": {"labels": dict(served.labels)}, "spec": _pod(served, "server")},
        },
    }


def service(served: Deployed) -> Object:
    """Return the Service: one address in the cluster for all containers."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": served.metadata(),
        "spec": {
            "type": "ClusterIP",
            "selector": served.selector,
            "ports": [{"name": "http", "port": 80, "targetPort": "http", "protocol": "TCP"}],
        },
    }


def autoscaler(served: Deployed) -> Object:
    """Return the HorizontalPodAutoscaler: more containers where requests wait, fewer after five minutes without."""
    metric = {"metric": {"name": "fair_hep_waiting"}}
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": served.metadata(),
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": served.name},
            "minReplicas": 2,
            "maxReplicas": 10,
            "metrics": [
                {"type": "Pods", "pods": {**metric, "target": {"type": "AverageValue", "averageValue": str(WAITING)}}}
            ],
            "behavior": {"scaleDown": {"stabilizationWindowSeconds": 300}},
        },
    }


def monitor(served: Deployed) -> Object:
    """Return the ServiceMonitor, by which Prometheus Operator finds the metrics."""
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "ServiceMonitor",
        "metadata": served.metadata(),
        "spec": {
            "selector": {"matchLabels": served.selector},
            "endpoints": [{"port": "http", "path": _METRICS, "interval": "15s", "scrapeTimeout": "10s"}],
        },
    }


def kustomization(resources: list[str]) -> Object:
    """Return what ``kubectl apply -k`` reads."""
    return {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization", "resources": resources}


def inference_service(served: Deployed) -> Object:
    """Return KServe's InferenceService: it makes Deployment, Service and autoscaler by itself.

    The image speaks the Open Inference Protocol, so it is a predictor as it is.
    """
    return {
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        # Without Knative, which takes no hook before the end.
        "metadata": served.metadata({"serving.kserve.io/deploymentMode": "RawDeployment"}),
        "spec": {
            "predictor": {
                "minReplicas": 2,
                "maxReplicas": 10,
                "scaleMetric": "cpu",
                "scaleTarget": 80,
                **_pod(served, "kserve-container"),
            }
        },
    }


def compose(served: Deployed) -> Object:
    """Return the Compose file for one machine, with the same limits."""
    ask = f"import urllib.request as r; r.urlopen('http://127.0.0.1:{PORT}{_READY}', timeout=4).read()"
    return {
        "services": {
            served.name: {
                "image": served.image,
                "ports": [f"127.0.0.1:{PORT}:{PORT}"],
                "environment": {"SERVE_PARALLEL": str(CORES)},
                "user": f"{USER}:{USER}",
                "read_only": True,
                "tmpfs": ["/tmp:size=64m"],
                "cap_drop": ["ALL"],
                "security_opt": ["no-new-privileges:true"],
                "deploy": {"resources": {"limits": {"cpus": str(CORES), "memory": "1G"}}},
                "pids_limit": 256,
                "healthcheck": {
                    "test": ["CMD", "python3", "-c", ask],
                    "interval": "10s",
                    "timeout": "5s",
                    "start_period": "30s",
                    "retries": 3,
                },
                "init": True,
                "restart": "unless-stopped",
                "stop_grace_period": f"{_GRACE}s",
                "labels": {**served.labels, **served.notes},
            }
        },
    }
