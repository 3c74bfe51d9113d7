"""The settings of a run that makes an ensemble: the versions, and how the run prepared the data that made them."""

from collections.abc import Mapping, Sequence

from forebay import registry
from forebay.contracts.bundles.ensemble_spec import common_data_facts, ensemble_spec
from forebay.contracts.bundles.spec import ModelSpec, read_spec
from forebay.errors import ConfigError, DamagedFileError, ModelError
from forebay.local.runs.model_settings import prepared_like
from forebay.settings import all_settings, parameter_name, parse_assignments
from forebay.settings.ensembles import DIGEST_DIGITS, VersionReference, format_versions
from forebay.settings.keys import Scalar
from forebay.state import Home, RunFolder
from forebay.state.home import read_plan


def ensemble_settings(home: Home, name: str, versions: Sequence[str], given: Mapping[str, Scalar]) -> dict[str, Scalar]:
    """The settings of the run, checked as far as the registry tells.

    Args:
        home: leads to the registry.
        name: the registered model of which the ensemble becomes a version.
        versions: numbers or aliases of that model, or NAME/VERSION and NAME@ALIAS.
        given: settings by key that win over those of the run that made the versions.

    Raises:
        ConfigError: a version does not exist or is not as it was registered, they cannot answer together, there are
            fewer than two, or nothing tells on which data to judge them.
    """
    try:
        bundles = [registry.resolve(home, _reference(name, version)) for version in versions]
        names = [f"{bundle.name}/{bundle.version}" for bundle in bundles]
        _check_different(names)
        specs = {each: read_spec(bundle.folder) for each, bundle in zip(names, bundles, strict=True)}
        classes = next(iter(specs.values())).classes
        ensemble_spec(specs, classes, training={}, data=common_data_facts(specs), lineage={})
    except ModelError as error:
        raise ConfigError(str(error)) from error
    references = [VersionReference(each.name, each.version, each.identity[:DIGEST_DIGITS]) for each in bundles]
    own = _settings_of_a_run(home, bundles) or _settings_of_a_spec(specs, given)
    settings = own | {"evaluate.name": name, "train.ensemble": format_versions(references)} | dict(given)
    return settings | parse_assignments([f"{key}={settings[key]}" for key in ("evaluate.name", "train.ensemble")])


def _reference(name: str, version: str) -> str:
    if "/" in version or "@" in version:
        return version if version.partition("@")[0] else f"{name}{version}"
    return f"{name}/{version}" if version.isdigit() else f"{name}@{version}"


def _check_different(names: Sequence[str]) -> None:
    twice = next((each for each in names if names.count(each) > 1), None)
    if twice:
        raise ConfigError(f"{twice} is given twice, and it would only count twice. Give each version once.")
    if len(names) < 2:
        raise ConfigError(
            f"An ensemble has two versions or more, and {names[0]} is one. Give others that were trained on the same "
            "classes and images; `forebay run --seed 1` makes one."
        )


def _settings_of_a_run(home: Home, bundles: Sequence[registry.RegisteredBundle]) -> dict[str, Scalar]:
    """The settings of the first version's run that this state folder knows, but those of training; else empty."""
    keys = {parameter_name(setting.key): setting.key for setting in all_settings()}
    for bundle in bundles:
        found = next(item for item in registry.list_versions(home, bundle.name) if item.version == bundle.version)
        run = RunFolder(home.runs / (found.tags.get(registry.RUN_TAG) or "none"))
        try:
            parameters = read_plan(run).get("parameters", {})
        except DamagedFileError:
            continue
        values = {keys[name]: value for name, value in parameters.items() if name in keys}
        if values:
            return {key: value for key, value in values.items() if not key.startswith("train.")}
    return {}


def _settings_of_a_spec(specs: Mapping[str, ModelSpec], given: Mapping[str, Scalar]) -> dict[str, Scalar]:
    """How the first version's data were prepared, by its own record, and where they were read."""
    name, spec = next(iter(specs.items()))
    source = str(spec.data.get("source", ""))
    if not source and "ingest.data" not in given:
        raise ConfigError(f"{name} does not record on which data it was trained. Give images to judge it on: --data.")
    return {"ingest.data": source, **prepared_like(spec)}
