"""The compiled pipeline: a golden file, typed parameters, and wiring that says what the issue of trust needs."""

import dataclasses
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from forebay import components, container_images
from forebay.backend.compiled_file import compiled_pipeline
from forebay.errors import ConfigError
from forebay.local.runs.kfp_local import compile_pipeline
from forebay.settings import DeployConfig, ServeConfig, all_settings, parameter_name
from forebay.settings.cluster_environment import SIGNING_FOLDER, SIGNING_KEY, SIGNING_SECRET, VERIFY_KEY
from forebay.settings.keys import STEP_CONFIGS, cache_settings
from forebay.version import VERSION
from support import forebay_command as forebay_cli

PIPELINE_ONLY = {"train_gpus"}  # asked of the scheduler, not given to the step
CACHED = {"ingest", "preprocess", "train"}


@pytest.fixture(scope="module")
def documents() -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(compiled_pipeline().read_text()))


@pytest.fixture(scope="module")
def tasks(documents: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    spec = documents[0]
    gated = (
        spec["components"]["comp-gate-passed-1"]["dag"]["tasks"] if "comp-gate-passed-1" in spec["components"] else {}
    )
    inner = next(value["dag"]["tasks"] for value in spec["components"].values() if "dag" in value)
    return {**spec["root"]["dag"]["tasks"], **inner, **gated}


def test_the_golden_file_is_what_the_code_compiles_to(tmp_path: Path) -> None:
    compile_pipeline(tmp_path / "training.yaml")
    assert (tmp_path / "training.yaml").read_bytes() == compiled_pipeline().read_bytes(), "run `make golden`"


def test_the_golden_file_of_tuning_is_what_the_code_compiles_to(tmp_path: Path) -> None:
    compile_pipeline(tmp_path / "tuning.yaml", name="tuning")
    assert (tmp_path / "tuning.yaml").read_bytes() == compiled_pipeline("tuning").read_bytes(), "run `make golden`"


def test_the_golden_file_of_batch_is_what_the_code_compiles_to(tmp_path: Path) -> None:
    compile_pipeline(tmp_path / "batch.yaml", name="batch")
    assert (tmp_path / "batch.yaml").read_bytes() == compiled_pipeline("batch").read_bytes(), "run `make golden`"


def test_batch_fetches_a_model_decodes_with_spark_and_predicts_each_in_the_smallest_image_that_can() -> None:
    spec, platform = yaml.safe_load_all(compiled_pipeline("batch").read_text())
    tasks, executors = spec["root"]["dag"]["tasks"], spec["deploymentSpec"]["executors"]
    assert {name: executor["container"]["image"] for name, executor in executors.items()} == {
        "exec-fetch-model": container_images.PIPELINE,
        "exec-decode": container_images.SPARK,
        "exec-predict": container_images.TRAIN,
    }
    cached = {name for name, task in tasks.items() if task.get("cachingOptions", {}).get("enableCache")}
    assert cached == {"decode"}, "a champion moves, and the same images are decoded once"
    inputs = tasks["decode"]["inputs"]["parameters"]
    assert inputs["image_format"]["taskOutputParameter"]["producerTask"] == "fetch-model"
    assert inputs["executors"] == {"componentInputParameter": "ingest_executors"}
    assert set(spec["root"]["inputDefinitions"]["parameters"]) == {
        "code_version", "ingest_fingerprint", "ingest_data", "ingest_image_column", "ingest_max_file_bytes",
        "ingest_executors", "ingest_executor_memory", "batch_model", "batch_top", "batch_probabilities", "batch_out",
    }  # fmt: skip
    on_kubernetes = platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    assert {name for name, each in on_kubernetes.items() if "FOREBAY_SPARK_ACCOUNT" in str(each)} == {"exec-decode"}
    assert {name for name, each in on_kubernetes.items() if "FOREBAY_MLFLOW_URI" in str(each)} == {"exec-fetch-model"}
    assert {name for name, each in on_kubernetes.items() if VERIFY_KEY in str(each)} == {"exec-fetch-model"}


def test_tuning_trains_one_pod_per_trial_a_few_at_once_and_goes_on_with_the_best() -> None:
    spec, platform = yaml.safe_load_all(compiled_pipeline("tuning").read_text())
    tasks = spec["root"]["dag"]["tasks"]
    loop = tasks["for-loop-1"]
    assert loop["iteratorPolicy"]["parallelismLimit"] == 4
    assert loop["parameterIterator"]["items"]["inputParameter"].startswith("pipelinechannel--tune_trials")
    assert spec["root"]["inputDefinitions"]["parameters"]["tune_trials"]["defaultValue"] == [str(n) for n in range(20)]
    inner = spec["components"]["comp-for-loop-1"]
    trial = inner["dag"]["tasks"]["trial"]
    assert "enableCache" not in trial.get("cachingOptions", {})
    for task in (loop, trial):  # kfp does not hand a loop what only an accelerator asks for
        assert any("train_gpus" in name for name in task["inputs"]["parameters"])
    assert tasks["evaluate"]["inputs"]["artifacts"]["bundle"]["taskOutputArtifact"]["producerTask"] == "choose"
    assert "trial" in str(platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"].keys())


def test_a_trial_takes_what_train_takes_and_which_trial_it_is() -> None:
    inputs = set(components.trial.component_spec.inputs) - {"shards"}
    train = set(components.train.component_spec.inputs) - {"shards"}
    assert inputs == train | {"number", "run_id", "space", "gpus"}


def test_every_setting_is_a_typed_parameter_with_default_and_description(documents: list[dict[str, Any]]) -> None:
    parameters = documents[0]["root"]["inputDefinitions"]["parameters"]
    kinds = {str: "STRING", int: "NUMBER_INTEGER", float: "NUMBER_DOUBLE", bool: "BOOLEAN"}
    settings = all_settings() + cache_settings()
    assert set(parameters) == {parameter_name(setting.key) for setting in settings}
    for setting in settings:
        parameter = parameters[parameter_name(setting.key)]
        assert parameter["defaultValue"] == setting.default
        assert parameter["parameterType"] == kinds[type(setting.default)]
        assert setting.meaning in " ".join(parameter["description"].split())


def test_each_component_takes_exactly_its_settings() -> None:
    server = {f"{ServeConfig.prefix}_{field.name}" for field in dataclasses.fields(ServeConfig)}
    for config in STEP_CONFIGS:
        if config is ServeConfig:
            continue  # of no step: deploy hands them to the server
        component = getattr(components, config.prefix)
        inputs = {name for name, spec in component.component_spec.inputs.items() if not spec.type.startswith("system.")}
        fields = {field.name for field in dataclasses.fields(config)} | (server if config is DeployConfig else set())
        pipeline_only = {name.removeprefix(f"{config.prefix}_") for name in PIPELINE_ONLY}
        assert inputs - {"run_id", "version"} == fields - pipeline_only, config.prefix


def test_only_the_data_and_training_steps_are_cached(tasks: dict[str, dict[str, Any]]) -> None:
    cached = {name for name, task in tasks.items() if task.get("cachingOptions", {}).get("enableCache")}
    assert cached == CACHED


def test_run_ids_go_only_to_uncached_steps(tasks: dict[str, dict[str, Any]]) -> None:
    with_run_id = {name for name, task in tasks.items() if "run_id" in task.get("inputs", {}).get("parameters", {})}
    assert with_run_id == {"evaluate", "register", "deploy"}


def test_cached_steps_take_the_code_version_and_ingest_the_fingerprint(tasks: dict[str, dict[str, Any]]) -> None:
    for name in CACHED:
        assert tasks[name]["inputs"]["parameters"]["code_version"] == {"componentInputParameter": "code_version"}
    fingerprint = tasks["ingest"]["inputs"]["parameters"]["fingerprint"]
    assert fingerprint == {"componentInputParameter": "ingest_fingerprint"}


def test_the_gpu_count_is_a_text_parameter_given_to_the_accelerator(documents: list[dict[str, Any]]) -> None:
    executor = documents[0]["deploymentSpec"]["executors"]["exec-train"]["container"]
    accelerator = executor["resources"]["accelerator"]
    assert accelerator["resourceType"] == "nvidia.com/gpu"
    assert "train_gpus" in accelerator["resourceCount"]
    parameter = documents[0]["root"]["inputDefinitions"]["parameters"]["train_gpus"]
    assert (parameter["parameterType"], parameter["defaultValue"]) == ("STRING", "0")


def test_every_step_names_its_resources_retries_and_our_image(
    documents: list[dict[str, Any]], tasks: dict[str, dict[str, Any]]
) -> None:
    images = {container_images.SPARK, container_images.TRAIN, container_images.PIPELINE}
    for name, executor in documents[0]["deploymentSpec"]["executors"].items():
        assert executor["container"]["image"] in images
        assert executor["container"]["image"].endswith(f":{VERSION}")
        resources = executor["container"]["resources"]
        assert resources["resourceCpuRequest"]
        assert resources["resourceMemoryRequest"]
        assert tasks[name.removeprefix("exec-")]["retryPolicy"]["maxRetryCount"] == 2


def test_what_exists_only_on_kubernetes_is_in_the_platform_document(documents: list[dict[str, Any]]) -> None:
    assert "activeDeadlineSeconds" not in str(documents[0])
    executors = documents[1]["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    assert {name.removeprefix("exec-") for name in executors} == {
        "ingest", "preprocess", "train", "evaluate", "register", "deploy",
    }  # fmt: skip


def test_register_alone_is_given_the_key_that_signs(documents: list[dict[str, Any]]) -> None:
    executors = documents[1]["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    (volume,) = executors["exec-register"]["secretAsVolume"]
    assert (volume["secretName"], volume["mountPath"], volume["optional"]) == (SIGNING_SECRET, SIGNING_FOLDER, True)
    with_key = {name for name, each in executors.items() if SIGNING_SECRET in str(each) or SIGNING_KEY in str(each)}
    assert with_key == {"exec-register"}
    assert {name for name, each in executors.items() if VERIFY_KEY in str(each)} == {"exec-deploy"}


def test_no_step_installs_packages_at_run_time(documents: list[dict[str, Any]]) -> None:
    assert "pip install" not in str(documents[0])


def test_images_of_a_registry_are_named_and_pinned_when_it_is_compiled(tmp_path: Path) -> None:
    digest = f"sha256:{'0123456789abcdef' * 4}"
    out = tmp_path / "training.yaml"
    forebay_cli.ForebayHere(tmp_path)(
        "compile", "--out", out, "--registry", "registry.example.com:5000/team", "--digest", f"train={digest}"
    )
    executors = next(yaml.safe_load_all(out.read_text()))["deploymentSpec"]["executors"]
    images = {name.removeprefix("exec-"): executor["container"]["image"] for name, executor in executors.items()}
    assert images["train"] == f"registry.example.com:5000/team/forebay/train:{VERSION}@{digest}"
    assert images["evaluate"] == images["train"]
    assert images["ingest"] == f"registry.example.com:5000/team/forebay/spark:{VERSION}"


@pytest.mark.parametrize(
    ("registry", "digest", "said"),
    [
        ("", "train=sha256:12", "got 'train=sha256:12'"),
        ("", f"trainer=sha256:{'0' * 64}", "one of pipeline, spark, train; got"),
        ("", "latest", "64 hex digits"),
        ("https://registry.example.com", "", "--registry takes a host and a path"),
        ("Registry/Team", "", "got 'Registry/Team'"),
    ],
)
def test_a_word_that_pins_nothing_is_refused(registry: str, digest: str, said: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(said)):
        container_images.registry_names(registry, [digest] if digest else [])


def test_kfp_loads_the_golden_file_with_every_parameter(documents: list[dict[str, Any]]) -> None:
    from kfp import components as kfp_components

    loaded = kfp_components.load_component_from_file(str(compiled_pipeline()))
    assert set(loaded.component_spec.inputs) == set(documents[0]["root"]["inputDefinitions"]["parameters"])
    assert loaded.name == documents[0]["pipelineInfo"]["name"]
