"""Stands in for kubectl, helm, kind and docker as a process: records each call and answers from a small state.

Answers have the form that a real API server 1.36 with kubectl 1.32 and helm 4.2 gave. Rendering is never played:
`kubectl kustomize` is the real kubectl's, `helm template` the real helm's, or Helm's own library where there is none.
"""

import json
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path

STATE = Path(os.environ["DOUBLE_STATE"])
State = dict  # nothing is imported above that not every call needs: there are a thousand of them


def main() -> int:
    program, *words = Path(sys.argv[0]).name, *sys.argv[1:]
    if program == "kubectl" and words[0] == "kustomize":
        os.execv(os.environ["DOUBLE_KUBECTL"], ["kubectl", *words])
    if program == "helm" and words[0] == "template":
        return template(words)
    state: State = json.loads(STATE.read_text())
    state["calls"].append([program, *words])
    code, out = failure(state, program, words) or ANSWERS[program](state, words)
    write(state)
    print(out, file=sys.stderr if code else sys.stdout, end="\n" if out else "")
    return code


def failure(state: State, program: str, words: list[str]) -> tuple[int, str] | None:
    """What the test planted for a command that holds a text, once or for ever."""
    line = " ".join([program, *words])
    for plan in state["failures"]:
        if plan["text"] in line and plan["times"]:
            plan["times"] -= 1
            if plan.get("hang"):
                write(state)
                os.execvp("sleep", ["sleep", "60"])
            return 1, plan["says"]
    return None


def write(state: State) -> None:
    """Whole or not at all: tests look while a command runs."""
    part = STATE.with_name(f"{STATE.name}.{os.getpid()}")
    part.write_text(json.dumps(state))
    part.replace(STATE)


def template(words: list[str]) -> int:
    """`helm template`; of the same chart with the same words and values it is rendered once in a run of tests."""
    real = os.environ.get("DOUBLE_HELM")
    if real:
        os.execv(real, ["helm", *words])
    kept = Path(os.environ["DOUBLE_RENDERED"], digest_of(words))
    if not kept.exists():
        part = kept.with_name(f"{kept.name}.{os.getpid()}")
        part.write_text(rendered(words))
        part.replace(kept)
    print(kept.read_text())
    return 0


def digest_of(words: list[str]) -> str:
    """Of the words, and of the bytes of every file that they name."""
    import hashlib

    digest = hashlib.sha256()
    for word in words:
        path = Path(word)
        files = sorted(each for each in path.rglob("*") if each.is_file()) if path.is_dir() else [path]
        named = [each.read_bytes() for each in files if each.is_file()] or [word.encode()]
        digest.update(b"".join(hashlib.sha256(each).digest() for each in named) + b"\n")
    return digest.hexdigest()


def rendered(words: list[str]) -> str:
    import site

    site.main()
    from helm_python import Chart

    from forebay.install.charts.values import merge_values

    files = [Path(words[at + 1]) for at, word in enumerate(words) if word == "--values"]
    values = merge_values(files)
    for setting in (words[at + 1] for at, word in enumerate(words) if word == "--set"):
        key, _, value = setting.partition("=")
        assert key in {"images.registry", "images.postgres", "images.s3"}
        values.setdefault("images", {})[key.removeprefix("images.")] = value
    try:
        with Chart.load(Path(words[2])) as chart:
            found = chart.render(values=values, name=words[1], namespace="forebay")
    except Exception as error:
        sys.exit(f"Error: {error}")
    return "\n---\n".join(text for path, text in sorted(found.items()) if path.endswith(".yaml"))


def kubectl(state: State, words: list[str]) -> tuple[int, str]:
    if words[:2] == ["config", "current-context"]:
        return (0, state["context"]) if state["context"] else (1, "error: current-context is not set")
    if words[:2] == ["config", "get-contexts"]:
        return 0, "\n".join(state["contexts"])
    assert words[0] == "--context"
    if words[1] not in state["contexts"]:
        return 1, f'error: context "{words[1]}" does not exist'
    if not state["answers"]:
        return 1, "The connection to the server 127.0.0.1:6443 was refused - did you specify the right host or port?"
    return KUBECTL[words[2]](state, words[3:])


def get(state: State, words: list[str]) -> tuple[int, str]:
    if words[0] == "--raw":
        return 0, json.dumps({"major": "1", "minor": state["minor"], "gitVersion": f"v1.{state['minor']}.2"})
    if words[0] == "--filename":
        items = json.loads(Path(words[1]).read_text())["items"]
        names = [f"{item['kind']}/{item['metadata']['name']}" for item in items]
        return 0, "\n".join(names if state["release"] and not state.get("drifted") else names[1:])
    if words[0] == "secret":
        keys = state["secrets"].get(f"{words[3]}/{words[1]}")
        missing = f'Error from server (NotFound): secrets "{words[1]}" not found'
        return (1, missing) if keys is None else (0, "\n".join(keys))
    if words[0] == "customresourcedefinitions":
        return 0, "\n".join(f"{name}   {piece or '<none>'}" for name, piece in state["definitions"].items())
    if "json" in words:
        return 0, json.dumps({"apiVersion": "v1", "kind": "List", "items": LISTS[words[0]](state)})
    if words[:2] == ["pods", "--all-namespaces"]:
        return 0, "\n".join(state["requests"])
    if words[0] == "pods":
        return 0, state.get("pods", "")
    return found(state, words)


def found(state: State, words: list[str]) -> tuple[int, str]:
    """The two questions of `down`: what has our label, and what people made."""
    selector = words[words.index("--selector") + 1]
    if selector == "forebay.dev/piece":
        return 0, "\n".join(" ".join(row) for row in state["labelled"])
    if "--namespace" in words:
        return 0, "\n".join(state["others"].get(words[words.index("--namespace") + 1], []))
    return 0, "\n".join(state["instances"])


def node(state: State) -> list[State]:
    status = {"allocatable": state["allocatable"], "conditions": [{"type": "Ready", "status": "True"}]}
    return [{"metadata": {"name": "node"}, "spec": {}, "status": status}]


def classes(state: State) -> list[State]:
    key = "storageclass.kubernetes.io/is-default-class"
    return [
        {"metadata": {"name": name, "annotations": {key: "true"} if default else {}}}
        for name, default in state["classes"].items()
    ]


LISTS = {
    "nodes": node,
    "storageclasses": classes,
    "namespaces": lambda state: [
        {"metadata": {"name": name, **metadata}} for name, metadata in state["namespaces"].items()
    ],
}


def apply(state: State, words: list[str]) -> tuple[int, str]:
    sys.path.append(os.environ["DOUBLE_PACKAGES"])
    import yaml

    said = []
    for each in yaml.load_all(Path(words[words.index("--filename") + 1]).read_text(), yaml.CSafeLoader):
        name, group = each["metadata"]["name"], each["apiVersion"].rpartition("/")[0]
        piece = each["metadata"]["labels"]["forebay.dev/piece"]
        if each["kind"] == "Namespace":
            labels = state["namespaces"].setdefault(name, {}).setdefault("labels", {})
            labels.update(each["metadata"]["labels"])
        if each["kind"] == "CustomResourceDefinition":
            state["definitions"][name] = piece
        row = [piece, each["kind"], each["apiVersion"]]
        state["labelled"] += [row] if row not in state["labelled"] else []
        said.append(f"{'.'.join(filter(None, (each['kind'].lower(), group)))}/{name} serverside-applied")
    return 0, "\n".join(said)


def delete(state: State, words: list[str]) -> tuple[int, str]:
    if words[0] == "namespaces":
        for name in words[1 : words.index("--ignore-not-found")]:
            del state["namespaces"][name]
    elif "--all" in words:
        state["instances"] = [each for each in state["instances"] if not words[0].startswith(each.partition(".")[0])]
    elif words[0] == "secrets" and "owner=helm" in " ".join(words):
        state["release"] = None
    elif "--selector" in words:
        piece, kinds = words[words.index("--selector") + 1].partition("=")[2], words[0].split(",")
        going = {(piece, kind.partition(".")[0]) for kind in kinds}
        state["labelled"] = [row for row in state["labelled"] if (row[0], row[1].lower()) not in going]
        if any(kind.startswith("customresourcedefinition") for kind in kinds):
            state["definitions"] = {name: each for name, each in state["definitions"].items() if each != piece}
    return 0, "deleted"


def mark(field: str) -> Callable[[State, list[str]], tuple[int, str]]:
    """`kubectl label` and `kubectl annotate`: KEY=VALUE sets, KEY- takes off."""

    def change(state: State, words: list[str]) -> tuple[int, str]:
        marks = state["namespaces"][words[1]].setdefault(field, {})
        for word in (word for word in words[2:] if not word.startswith("--")):
            key, equals, value = word.partition("=")
            if equals:
                marks[key] = value
            else:
                marks.pop(key.removesuffix("-"), None)
        return 0, f"namespace/{words[1]} changed"

    return change


def api_resources(state: State, words: list[str]) -> tuple[int, str]:
    named = [
        ".".join(filter(None, (f"{kind.lower()}s", version.rpartition("/")[0])))
        for _, kind, version in state["labelled"]
    ]
    return 0, "\n".join(dict.fromkeys(named))


KUBECTL = {
    "get": get,
    "apply": apply,
    "delete": delete,
    "annotate": mark("annotations"),
    "label": mark("labels"),
    "api-resources": api_resources,
    "auth": lambda state, words: (0, "yes") if state["admin"] else (1, "no"),
    "wait": lambda state, words: (0, "customresourcedefinition.apiextensions.k8s.io/x condition met"),
    "rollout": lambda state, words: (0, 'deployment "x" successfully rolled out'),
}


def helm(state: State, words: list[str]) -> tuple[int, str]:
    verb = words[4]
    if verb == "history":
        release = state["release"]
        return (0, json.dumps([release])) if release else (1, "Error: release: not found")
    if verb == "uninstall":
        state["release"] = None
        return 0, 'release "forebay" uninstalled'
    revision = (state["release"] or {"revision": 0})["revision"] + 1
    description = words[words.index("--description") + 1]
    state["release"] = {"revision": revision, "status": "deployed", "description": description}
    return 0, 'Release "forebay" has been upgraded. Happy Helming!'


def kind(state: State, words: list[str]) -> tuple[int, str]:
    if words[:2] == ["get", "clusters"]:
        return 0, "\n".join(state["clusters"]) or "No kind clusters found."
    if words[:2] == ["create", "cluster"]:
        state["clusters"], state["contexts"], state["answers"] = ["forebay"], ["kind-forebay"], True
    elif words[:2] == ["delete", "cluster"]:
        state["clusters"], state["contexts"], state["node_images"] = [], [], {}
    elif words[0] == "load":
        state["node_images"][words[2]] = state["engine"][words[2]]
    return 0, ""


def docker(state: State, words: list[str]) -> tuple[int, str]:
    name = words[-1]
    if words[0] == "image":
        digest = state["engine"].get(name)
        made = {"Id": digest, "RootFS": {"Layers": [f"{digest}-layer"]}, "Created": "2026-11-21T10:00:00Z"}
        return (0, json.dumps([made])) if digest else (1, f"Error response from daemon: No such image: {name}")
    digest = state["node_images"].get(name)
    spec = {"created": "2026-11-21T10:00:00Z", "rootfs": {"diff_ids": [f"{digest}-layer"]}}
    answer = {"status": {"id": f"config-of-{digest}", "repoTags": [f"docker.io/{name}"]}, "info": {"imageSpec": spec}}
    return (0, json.dumps(answer)) if digest else (1, f'level=fatal msg="no such image {re.escape(name)} present"')


ANSWERS = {"kubectl": kubectl, "helm": helm, "kind": kind, "docker": docker}
