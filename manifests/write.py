"""Write the manifests that follow from versions.yaml: upstream/ and overlays/airgap/ (`make golden` runs this).

With --images it writes the list of upstream's images too, for which it needs kubectl and fetches their manifests.

Kustomize cannot put a version into an address, so this reads the versions from the one file that owns them.
"""

import argparse
import itertools
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from forebay.container_images import mirrored_name

HERE = Path(__file__).parent
HEADER = "# Written by manifests/write.py from manifests/versions.yaml; change that.\n"
KUSTOMIZATION = {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization"}
LOCAL = {"disableNameSuffixHash": True, "annotations": {"config.kubernetes.io/local-config": "true"}}  # never applied
KSERVE_TEXTS = {
    "storage-initializer": ["storageInitializer"],
    "agent": ["agent", "logger", "batcher"],
    "router": ["router"],
}
"""Keys of KServe's ConfigMap by the image that stands in their JSON, as its first value."""
POD = "spec/template/spec"
PLACES = (f"{POD}/containers[]/image", f"{POD}/initContainers[]/image", "spec/container/image")
TEXTS = (f"{POD}/containers[]/env[]/value",)  # where mysql is no image but a kind of database
EXECUTOR = {  # Argo's image for the containers beside a step, an argument of its controller
    "select": {"kind": "Deployment", "name": "workflow-controller"},
    "fieldPaths": ["spec.template.spec.containers.0.args.3"],
}


def kustomization(piece: str, pinned: dict[str, Any]) -> dict[str, Any]:
    """The kustomization of one piece: its remote resources, and a tag for images that its manifests do not pin."""
    version = pinned["version"]
    built: dict[str, Any] = KUSTOMIZATION | {
        "resources": [address.format(version=version) for address in pinned["resources"]]
    }
    images = pinned.get("images", [])
    if images:
        built["images"] = [{"name": name, "newTag": version} for name in images]
        literals = [f"{name.rpartition('/')[2]}={name}:{version}" for name in images]
        built["configMapGenerator"] = [{"name": f"{piece}-images", "literals": literals, "options": LOCAL}]
    return built


def write(path: Path, documents: list[dict[str, Any]]) -> None:
    """Write YAML with the header."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(HEADER + yaml.safe_dump_all(documents, sort_keys=False, width=200))


def rendered(folder: Path) -> list[dict[str, Any]]:
    """Every object of a kustomization."""
    command = ["kubectl", "kustomize", "--load-restrictor=LoadRestrictionsNone", str(folder)]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout  # noqa: S603 a fixed command
    return [each for each in yaml.load_all(text, yaml.CSafeLoader) if each]


def images_of(each: dict[str, Any]) -> Iterator[str]:
    """The images that an object runs or makes others run; a workload without replicas runs none."""
    spec = each.get("spec", {})
    if spec.get("replicas") == 0:
        return
    if each["kind"] == "ClusterStorageContainer":
        yield spec["container"]["image"]
    if each["kind"] == "ConfigMap" and each["metadata"]["name"] == "inferenceservice-config":
        texts = (each["data"][key] for keys in KSERVE_TEXTS.values() for key in keys)
        yield from (json.loads(text)["image"] for text in texts)
    pod = spec.get("template", {}).get("spec", {}) if isinstance(spec.get("template"), dict) else {}
    for container in [*pod.get("initContainers", []), *pod.get("containers", [])]:
        yield container["image"]
        yield from (
            one["value"] for one in container.get("env", []) if one["name"].endswith("_IMAGE") and "value" in one
        )
        arguments = container.get("args", [])
        yield from (image for flag, image in itertools.pairwise(arguments) if flag == "--executor-image")
        yield from (argument.partition("=")[2] for argument in arguments if "-image=" in argument)


def upstream_images(manifests: Path) -> list[dict[str, str]]:
    """Every image of the overlay for kind and of the optional pieces, with the piece it belongs to."""
    folders = [manifests / "overlays" / "kind", *sorted((manifests / "optional").iterdir())]
    found = {
        image: each["metadata"]["labels"]["forebay.dev/piece"]
        for folder in folders
        for each in rendered(folder)
        for image in images_of(each)
    }
    return [{"image": image, "piece": piece} for image, piece in sorted(found.items())]


def kserve_texts(keys: list[str]) -> dict[str, Any]:
    """Where keys of KServe's ConfigMap hold the image in their text."""
    return {
        "select": {"kind": "ConfigMap", "name": "inferenceservice-config"},
        "fieldPaths": [f"data.{key}" for key in keys],
        "options": {"delimiter": '"', "index": 3},
    }


def airgap(images: list[str], registry: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The overlay and its transformers, which rename images in containers and in texts that are one image name."""
    names = {image.rpartition(":")[0]: mirrored_name(image, registry).rpartition(":")[0] for image in images}
    transformers = [
        {
            "apiVersion": "builtin",
            "kind": "ImageTagTransformer",
            "metadata": {"name": new.partition("/")[2].replace("/", "-")},
            "imageTag": {"name": name, "newName": new},
            "fieldSpecs": [{"path": place} for place in (PLACES + TEXTS if "/" in name else PLACES)],
        }
        for name, new in names.items()
    ]
    targets = {f"kserve/{name}": kserve_texts(keys) for name, keys in KSERVE_TEXTS.items()}
    targets |= {"argoproj/argoexec": EXECUTOR}
    literals = {
        name.rpartition("/")[2]: next(mirrored_name(image, registry) for image in images if f"{name}:" in image)
        for name in targets
    }
    replacements = [
        {
            "source": {"kind": "ConfigMap", "name": "mirrored-images", "fieldPath": f"data.{name.rpartition('/')[2]}"},
            "targets": [target],
        }
        for name, target in targets.items()
    ]
    generator = {
        "name": "mirrored-images",
        "literals": [f"{name}={image}" for name, image in literals.items()],
        "options": LOCAL,
    }
    overlay = KUSTOMIZATION | {
        "resources": ["../../base"],
        "transformers": ["images.yaml"],
        "configMapGenerator": [generator],
        "replacements": replacements,
    }
    return overlay, transformers


def main() -> None:
    """Write the pieces; with --images, the list of images too."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", action="store_true", help="the list of images and the airgap overlay too")
    parser.add_argument("--rendered-from", type=Path, default=HERE, metavar="DIR", help="manifests to take images from")
    options = parser.parse_args()
    versions = yaml.safe_load((HERE / "versions.yaml").read_text())
    for piece, pinned in versions["upstream"].items():
        write(HERE / "upstream" / piece / "kustomization.yaml", [kustomization(piece, pinned)])
    if options.images:
        write(HERE / "images.yaml", [{"images": upstream_images(options.rendered_from)}])
    listed = [each["image"] for each in yaml.safe_load((HERE / "images.yaml").read_text())["images"]]
    overlay, transformers = airgap(listed, versions["mirror"])
    write(HERE / "overlays" / "airgap" / "kustomization.yaml", [overlay])
    write(HERE / "overlays" / "airgap" / "images.yaml", transformers)


if __name__ == "__main__":
    main()
