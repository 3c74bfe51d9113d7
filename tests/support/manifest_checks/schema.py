"""Core kinds against Kubernetes' own schemas, strictly: a field that is none is a fault too."""

from collections import Counter

import kubernetes_validate
from kubernetes_validate.utils import SchemaNotFoundError

from support.manifest_checks.custom import is_custom
from support.manifest_checks.findings import Finding, Object, where


def check_schema(objects: list[Object], kubernetes_version: str) -> list[Finding]:
    """Every object of Kubernetes' own kinds, as a version of it such as 1.33 knows them."""
    found = []
    for each in objects:
        if is_custom(each):
            continue
        try:
            kubernetes_validate.validate(each, kubernetes_version, strict=True)
        except kubernetes_validate.ValidationError as error:
            field = ".".join(str(word) for word in error.absolute_path) or "(top)"
            found.append(Finding(where(each), field, f"{error.message} (Kubernetes {kubernetes_version})"))
        except SchemaNotFoundError:
            rule = f"Kubernetes {kubernetes_version} has no {each['kind']} of {each['apiVersion']}"
            found.append(Finding(where(each), "kind", rule))
    return found


def check_unique(objects: list[Object]) -> list[Finding]:
    """No object stands there twice: the later one would win, silently."""
    group = {id(each): str(each.get("apiVersion", "")).partition("/")[0] for each in objects}
    counted = Counter((group[id(each)], where(each)) for each in objects)
    return [Finding(name, "metadata.name", f"stands there {n} times") for (_, name), n in counted.items() if n > 1]
