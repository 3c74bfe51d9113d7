"""Add up what the chart and upstream request on kind, and write the table into manifests/README.md.

It needs kubectl and fetches the upstream manifests, or takes them from `--rendered-from`: a copy of manifests/ whose
remote resources are local files.
"""

import argparse
import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import yaml
from helm_python import Chart
from kubernetes.utils import parse_quantity
from write import HERE, rendered

from forebay.cluster.rollout.inference_service import ServerResources
from forebay.settings import DeployConfig

CHART = HERE.parent / "helm" / "forebay"
README = HERE / "README.md"
TABLE = re.compile(r"(?<=<!-- requests: written by manifests/add_up.py -->\n).*?(?=<!-- end -->)", re.DOTALL)
LIMITS = (Decimal("2.5"), Decimal(6 * 2**30))  # CPUs and bytes that a laptop's cluster can spare
Row = tuple[str, str, Decimal, Decimal]


def rows(owner: str, objects: list[dict[str, Any]]) -> list[Row]:
    """Owner, workload, CPUs and bytes of every workload that has replicas."""
    found = []
    for each in objects:
        if each["kind"] in {"Deployment", "StatefulSet"} and each["spec"].get("replicas", 1):
            containers = each["spec"]["template"]["spec"]["containers"]
            asked = [container["resources"]["requests"] for container in containers]
            cpu, memory = (
                each["spec"].get("replicas", 1) * sum(parse_quantity(one[kind]) for one in asked)
                for kind in ("cpu", "memory")
            )
            found.append((owner, each["metadata"]["name"], Decimal(cpu), Decimal(memory)))
    return sorted(found, key=lambda row: row[1])


def of_chart() -> list[Row]:
    """What the chart requests in its scenario for kind, one served model included."""
    values = yaml.safe_load((CHART / "ci" / "kind.yaml").read_text())
    with Chart.load(CHART) as chart:
        texts = chart.render(values=values, name="forebay", namespace="forebay").values()
    objects = [each for text in texts if "\nkind:" in text for each in yaml.safe_load_all(text) if each]
    container = {"resources": {"requests": of_served_model()}}
    template = {"spec": {"containers": [container]}}
    served = {"kind": "Deployment", "metadata": {"name": "one served model"}, "spec": {"template": template}}
    return rows("chart", [*objects, served])


def of_served_model() -> dict[str, str]:
    """What the deploy step requests, in place of the runtime's own requests, unless deploy.memory is set."""
    memory = DeployConfig().memory
    return {"cpu": ServerResources.cpu, "memory": memory}


def of_upstream(manifests: Path) -> list[Row]:
    """What upstream's pieces request in the overlay for kind."""
    objects = rendered(manifests / "overlays" / "kind")
    pieces = {each["metadata"]["labels"]["forebay.dev/piece"]: None for each in objects}
    return [
        row
        for piece in pieces
        for row in rows(piece, [each for each in objects if each["metadata"]["labels"]["forebay.dev/piece"] == piece])
    ]


def table(found: list[Row]) -> str:
    """Markdown, the sum last."""
    cpu, memory = sum(row[2] for row in found), sum(row[3] for row in found)
    lines = ["| whose | workload | CPU | memory, MiB |", "|---|---|---:|---:|"]
    lines += [f"| {owner} | {name} | {cpus:.3f} | {bytes_ / 2**20:.0f} |" for owner, name, cpus, bytes_ in found]
    lines.append(f"| **all** | | **{cpu:.3f}** | **{memory / 2**20:.0f}** |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Write the table; more than the limits is an error."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rendered-from", type=Path, default=HERE, metavar="DIR", help="manifests to add up")
    options = parser.parse_args()
    found = of_chart() + of_upstream(options.rendered_from)
    README.write_text(TABLE.sub(table(found), README.read_text()))
    for unit, limit, asked in zip(
        ("CPU", "bytes"), LIMITS, (sum(r[2] for r in found), sum(r[3] for r in found)), strict=True
    ):
        if asked > limit:
            raise SystemExit(
                f"All requests together are {asked} {unit}, at most {limit} fit. Lower those in overlays/kind."
            )


if __name__ == "__main__":
    main()
