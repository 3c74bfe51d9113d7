"""Custom resources against schemas: our own minimal ones beside this file, or the full ones of a project's checkout."""

import functools
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import jsonschema
import yaml

from support.manifest_checks.findings import Finding, Object, where

SCHEMAS = Path(__file__).parent / "schemas"
# API groups under k8s.io that Kubernetes serves itself; others there, such as gateway.networking.k8s.io, are custom.
_OWN_GROUPS = {
    "admissionregistration", "apiextensions", "apiregistration", "authentication", "authorization", "certificates",
    "coordination", "discovery", "events", "flowcontrol.apiserver", "internal.apiserver", "networking", "node",
    "rbac.authorization", "resource", "scheduling", "storage", "storagemigration",
}  # fmt: skip
Kind = tuple[str, str]  # apiVersion, kind
Schemas = Mapping[Kind, Mapping[str, Any]]


def is_custom(each: Object) -> bool:
    """Whether its kind is some project's and none of Kubernetes' own."""
    group = str(each["apiVersion"]).rpartition("/")[0]
    return "." in group and group.removesuffix(".k8s.io") not in _OWN_GROUPS


def check_custom(objects: list[Object], schemas: Schemas | None = None) -> list[Finding]:
    """Every custom resource has a schema and keeps it; schemas are our own minimal ones unless others are given."""
    known = own_schemas() if schemas is None else schemas
    found = []
    for each in filter(is_custom, objects):
        schema = known.get((each["apiVersion"], each["kind"]))
        if schema is None:
            found.append(Finding(where(each), "kind", f"no schema of {each['apiVersion']} {each['kind']} is known"))
            continue
        for error in jsonschema.Draft7Validator(as_json_schema(schema)).iter_errors(each):
            field = ".".join(str(word) for word in error.absolute_path) or "(top)"
            found.append(Finding(where(each), field, error.message[:300]))
    return found


@functools.cache
def own_schemas() -> Schemas:
    """The schemas beside this file: only what we write, with its source named."""
    return {kind: schema for path in sorted(SCHEMAS.glob("*.yaml")) for kind, schema in _of_file(path)}


def crd_schemas(paths: Iterable[Path]) -> Schemas:
    """The schemas of all CustomResourceDefinitions in these files."""
    return {kind: schema for path in paths for kind, schema in _of_crds(path)}


def as_json_schema(schema: Any) -> Any:
    """OpenAPI of a CRD as JSON Schema: unknown fields are refused unless kept, int-or-string, nullable."""
    if isinstance(schema, list):
        return [as_json_schema(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    if schema.get("x-kubernetes-int-or-string"):
        return {"type": ["integer", "string"], **{k: v for k, v in schema.items() if k == "pattern"}}
    made = {key: _converted(key, value) for key, value in schema.items() if not key.startswith("x-kubernetes-")}
    embedded = schema.get("x-kubernetes-embedded-resource")
    if "properties" in made and not schema.get("x-kubernetes-preserve-unknown-fields") and not embedded:
        made.setdefault("additionalProperties", False)
    if made.pop("nullable", False) and "type" in made:
        made["type"] = [made["type"], "null"]
    return made


def _converted(key: str, value: Any) -> Any:
    """A property may be called like a keyword; values of `enum` and `default` are no schemas."""
    if key == "properties":
        return {name: as_json_schema(each) for name, each in value.items()}
    if key in ("enum", "default", "required", "example"):
        return value
    return as_json_schema(value)


def _of_file(path: Path) -> list[tuple[Kind, Any]]:
    document = yaml.safe_load(path.read_text())
    return [((document["apiVersion"], document["kind"]), {"type": "object", **document["schema"]})]


def _of_crds(path: Path) -> list[tuple[Kind, Any]]:
    found: list[tuple[Kind, Any]] = []
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # 2 MB of YAML take a minute without it
    for document in yaml.load_all(path.read_text(), loader):
        if not document or document.get("kind") != "CustomResourceDefinition":
            continue
        spec = document["spec"]
        for version in spec["versions"]:
            schema = dict(version["schema"]["openAPIV3Schema"])
            # The API server knows metadata itself; a CRD only says that it is an object.
            schema["properties"] = {**schema["properties"], "metadata": {"type": "object"}}
            found.append(((f"{spec['group']}/{version['name']}", spec["names"]["kind"]), schema))
    return found
