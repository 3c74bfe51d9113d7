"""List what the wheel brings along: FOLDER/environment.cdx.json (CycloneDX) and .txt; `make sbom` runs this.

    python .ci/sbom.py FOLDER

The packages are those that `forebay` needs here, without the tools of its extra `dev`: name, version, licence, what
needs what, and the hash of every file that the lock takes for it. `make sboms` lists what the images hold instead.
"""

import sys
from collections.abc import Iterator
from importlib.metadata import PackageMetadata, metadata, version
from pathlib import Path

import lockfile
from closure import closure
from cyclonedx.model import ExternalReference, ExternalReferenceType, HashAlgorithm, HashType, Property, XsUri
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.license import DisjunctiveLicense, License, LicenseExpression
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

PROJECT = "forebay"
NAME = "environment"
WITHOUT_HASH = "taken from an index of its own, with the bytes that suit the machine"
SHORT = 80  # characters of a licence field that is a name and no whole text
_CLASSIFIER = "License :: OSI Approved :: "


def main(folder: str) -> int:
    """Write the two files; returns the exit code."""
    pins = {pin.name: pin for pin in lockfile.read(lockfile.FILE.read_text())}
    needs = closure([PROJECT])
    components = {name: _component(name, pins.get(name)) for name in sorted(needs)}
    bom = Bom(components=[each for name, each in components.items() if name != PROJECT])
    bom.metadata.component = components[PROJECT]
    for name, component in components.items():
        bom.register_dependency(component, [components[need] for need in sorted(needs[name])])
    out = Path(folder)
    out.mkdir(parents=True, exist_ok=True)
    (out / f"{NAME}.cdx.json").write_text(JsonV1Dot6(bom).output_as_string(indent=2) + "\n")
    (out / f"{NAME}.txt").write_text("".join(_table(components)))
    print(f"Wrote {out / NAME}.cdx.json and .txt: {len(components) - 1} packages.")
    return 0


def _component(name: str, pin: lockfile.Pin | None) -> Component:
    facts = metadata(name)
    component = Component(
        name=name,
        version=version(name),
        type=ComponentType.APPLICATION if name == PROJECT else ComponentType.LIBRARY,
        bom_ref=f"{name}=={version(name)}",
        purl=PackageURL("pypi", None, name, version(name)),
        description=facts["Summary"],
        licenses=_licenses(facts),
    )
    if pin is not None and pin.hashes:
        component.external_references.add(_files(pin))
    elif pin is not None:
        component.properties.add(Property(name=f"{PROJECT}:hash", value=WITHOUT_HASH))
    return component


def _files(pin: lockfile.Pin) -> ExternalReference:
    hashes = [HashType(alg=HashAlgorithm.SHA_256, content=each.removeprefix("sha256:")) for each in pin.hashes]
    purl = PackageURL("pypi", None, pin.name, pin.version)
    return ExternalReference(
        type=ExternalReferenceType.DISTRIBUTION,
        url=XsUri(str(purl)),
        hashes=hashes,
        comment="the files of this version, by constraints.txt; one of them is installed",
    )


def _licenses(facts: PackageMetadata) -> list[License]:
    if "License-Expression" in facts:
        return [LicenseExpression(facts["License-Expression"])]
    classifiers = facts.get_all("Classifier") or []
    names = [each.removeprefix(_CLASSIFIER) for each in classifiers if each.startswith(_CLASSIFIER)]
    field = facts["License"].strip() if "License" in facts else ""
    if not names and field and len(field) <= SHORT and "\n" not in field:
        names = [field]
    return [DisjunctiveLicense(name=name) for name in names]


def _table(components: dict[str, Component]) -> Iterator[str]:
    for name, component in components.items():
        terms = [getattr(each, "value", None) or getattr(each, "name", None) for each in component.licenses]
        yield f"{name:<32}{component.version:<20}{', '.join(map(str, terms)) or 'its metadata names none'}\n"


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:]))
