"""A small manifests folder of the real one's layout: a few objects a piece, that a real kubectl renders."""

from pathlib import Path

NAMESPACES = ("cert-manager", "kserve", "kubeflow", "forebay", "forebay-models")
VERSIONS = (
    "kubernetes: {minimum: '1.30', kind_node_image: 'kindest/node:v1.33.1'}\nmirror: registry.example.com/forebay\n"
)
IMAGES = "images:\n- {image: 'ghcr.io/team/server:v1', piece: trainer}\n"


def definition(plural: str, group: str, piece: str) -> str:
    kind = plural[:-1].capitalize()
    return f"""\
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {{name: {plural}.{group}, labels: {{forebay.dev/piece: {piece}}}}}
spec:
  group: {group}
  names: {{kind: {kind}, plural: {plural}, singular: {plural[:-1]}, listKind: {kind}List}}
  scope: Namespaced
  versions:
    - name: v1
      served: true
      storage: true
      schema: {{openAPIV3Schema: {{type: object, x-kubernetes-preserve-unknown-fields: true}}}}
"""


def workload(name: str, namespace: str, piece: str, kind: str = "Deployment") -> str:
    service = f"\n  serviceName: {name}" if kind == "StatefulSet" else ""
    return f"""\
apiVersion: apps/v1
kind: {kind}
metadata: {{name: {name}, namespace: {namespace}, labels: {{forebay.dev/piece: {piece}}}}}
spec:{service}
  selector: {{matchLabels: {{app: {name}}}}}
  template:
    metadata: {{labels: {{app: {name}}}}}
    spec:
      containers:
        - name: server
          image: ghcr.io/team/server:v1
          resources: {{requests: {{cpu: 100m, memory: 128Mi}}}}
"""


def claim(name: str) -> str:
    return f"""\
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {{name: {name}, namespace: kubeflow, labels: {{forebay.dev/piece: pipelines}}}}
spec: {{accessModes: [ReadWriteOnce], resources: {{requests: {{storage: 1Gi}}}}}}
"""


def launcher() -> str:
    return """\
apiVersion: v1
kind: ConfigMap
metadata: {name: kfp-launcher, namespace: kubeflow, labels: {forebay.dev/piece: pipelines}}
data: {defaultPipelineRoot: s3://mlpipeline/v2/artifacts}
"""


def reads_store(workload: str) -> str:
    """The workload, with the store's key in its environment."""
    reference = "valueFrom: {secretKeyRef: {name: mlpipeline-minio-artifact, key: accesskey}}"
    return workload.rstrip("\n") + f"\n          env: [{{name: KEY, {reference}}}]\n"


def namespace(name: str) -> str:
    level = "pod-security.kubernetes.io/"
    labels = f"{{forebay.dev/piece: namespaces, {level}enforce: restricted, {level}warn: restricted}}"
    return f"apiVersion: v1\nkind: Namespace\nmetadata: {{name: {name}, labels: {labels}}}\n"


def write_manifests(root: Path) -> Path:
    """Write the folder and return it."""
    everything = [
        *map(namespace, NAMESPACES),
        definition("certificates", "cert-manager.io", "cert-manager"),
        workload("cert-manager-webhook", "cert-manager", "cert-manager"),
        definition("inferenceservices", "serving.kserve.io", "kserve-crds").replace("Inferences", "InferenceS"),
        definition("servingruntimes", "serving.kserve.io", "kserve-crds").replace("Servingruntime", "ServingRuntime")
        .replace("name: v1\n", "name: v1alpha1\n"),
        workload("kserve-controller-manager", "kserve", "kserve"),
        definition("workflows", "argoproj.io", "pipelines-crds"),
        reads_store(workload("ml-pipeline", "kubeflow", "pipelines")),
        launcher(),
        workload("mysql", "kubeflow", "pipelines", "StatefulSet"),
        claim("mysql-pv-claim"),
    ]  # fmt: skip
    _write(root / "base" / "all.yaml", "---\n".join(everything))
    _write(root / "base" / "kustomization.yaml", "resources: [all.yaml]\n")
    for name in ("kind", "cloud-gpu", "airgap"):
        images = "images: [{name: ghcr.io/team/server, newName: registry.example.com/forebay/team/server}]\n"
        text = "resources: [../../base]\n" + (images if name == "airgap" else "")
        _write(root / "overlays" / name / "kustomization.yaml", text)
    for name, group in (("spark-operator", "sparkoperator.k8s.io"), ("trainer", "trainer.kubeflow.org")):
        plural = {"spark-operator": "sparkapplications", "trainer": "trainjobs"}[name]
        text = definition(plural, group, name) + "---\n" + workload(name, "kubeflow", name)
        _write(root / "optional" / name / "all.yaml", text)
        _write(root / "optional" / name / "kustomization.yaml", "resources: [all.yaml]\n")
    _write(root / "versions.yaml", VERSIONS)
    _write(root / "images.yaml", IMAGES)
    _write(root / "kind.yaml", "kind: Cluster\napiVersion: kind.x-k8s.io/v1alpha4\nnodes: [{role: control-plane}]\n")
    return root


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
