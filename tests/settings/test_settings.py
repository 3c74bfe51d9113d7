"""Settings are checked where they are written."""

import dataclasses
import subprocess
import sys

import pytest

from forebay.errors import ConfigError
from forebay.settings import IngestConfig, PreprocessConfig, TrainConfig, all_settings, model_names, parse_assignments
from forebay.settings.cluster_only import check_local_settings
from forebay.settings.keys import STEP_CONFIGS


def test_defaults_of_every_step_are_valid() -> None:
    for config in STEP_CONFIGS:
        built = config()
        assert all(getattr(built, field.name) == field.default for field in dataclasses.fields(built))


def test_every_setting_has_a_meaning_and_every_number_a_unit() -> None:
    for setting in all_settings():
        assert setting.meaning[0].isupper() or setting.meaning.split()[0] in setting.meaning, setting.key
        assert not setting.meaning.endswith("."), setting.key
        if isinstance(setting.default, int | float) and setting.key != "train.seed":
            assert setting.unit, f"{setting.key} counts something"


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("train.epochs=0", "train.epochs must be auto or a whole number of at least 1, got '0'"),
        ("train.epochs=many", "train.epochs must be auto or a whole number"),
        ("train.epoch=3", "Did you mean train.epochs"),
        ("train.dropout=1.5", "train.dropout must be between 0 and 0.95, got 1.5"),
        ("train.dropout=nan", "train.dropout must be a finite number"),
        ("train.seed=x", "train.seed must be a whole number, got 'x'"),
        ("train.seed", "--set takes KEY=VALUE"),
        ("ingest.size=28", "ingest.size must look like auto or 28x28, got '28'"),
        ("ingest.image_column= ", "ingest.image_column must be auto or the name of a column, got ' '"),
        ("ingest.label_column=", "ingest.label_column must be auto or the name of a column"),
        ("ingest.on_size=crop", "ingest.on_size must be one of resize, quarantine"),
        ("train.learning_rate=-1", "train.learning_rate must be auto or a number above 0"),
        ("train.model=resnet81", "train.model must be the name of a model, near ones are resnet18"),
        ("train.model=Res Net", "train.model must look like resnet18"),
        ("train.model=quux", "train.model must look like resnet18: mlp, lenet5, resnet9 or a classification model"),
        ("train.recipe=huge", "train.recipe must be one of auto, small, standard, strong, got 'huge'"),
        ("train.crop_scale=0", "train.crop_scale must be auto or a number between 0.05 and 1, got '0'"),
        ("train.mixup=nan", "train.mixup must be auto or a number between 0 and 10, got 'nan'"),
        ("train.ema_decay=1", "train.ema_decay must be auto or a number between 0 and 0.99999, got '1'"),
        ("train.rotation=left", "train.rotation must be auto or a number between 0 and 180, got 'left'"),
        ("train.gpus=x", "train.gpus must look like 0 or 1"),
        ("evaluate.name=My Model", "evaluate.name must look like my-model"),
        ("ingest.executors=-1", "ingest.executors must be between 0 and 1000, got -1"),
        ("ingest.executors=2", "ingest.data must start with s3:// or s3a://, got 'digits'"),
        ("ingest.executor_memory=1000Mi", "ingest.executor_memory must be at least 1024Mi, such as 2Gi, got '1000Mi'"),
        ("ingest.executor_memory=2g", "ingest.executor_memory must be at least 1024Mi"),
        ("ingest.fingerprint=x", "There is no setting 'ingest.fingerprint'"),
    ],
)
def test_a_bad_assignment_names_key_value_and_rule(assignment: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_assignments([assignment])
    assert message in str(caught.value)


def test_the_names_of_models_are_those_that_can_be_built() -> None:
    from forebay.models import architectures, timm_models, torchvision_models

    assert model_names.names_of(model_names.TORCHVISION) == set(torchvision_models.MODELS.list_names())
    without_logits = {name for name in timm_models.MODELS.list_names() if name.endswith("_enc")}
    offered = model_names.names_of(model_names.TIMM)
    assert offered == set(timm_models.MODELS.list_names()) - without_logits
    for library, version in model_names.catalogue()["versions"].items():
        assert architectures.library_version(library).partition("+")[0] == version
    assert list(model_names.OWN_MODELS) == list(architectures._OWN_NETWORKS)


def test_checking_a_models_name_imports_no_pytorch() -> None:
    program = (
        "import sys\nfrom forebay.settings import parse_assignments\nparse_assignments(['train.model=resnet18'])\n"
        "print('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True).stdout == "False\n"


def test_a_rule_over_two_settings_speaks_before_the_run() -> None:
    with pytest.raises(ConfigError, match=r"must leave at least 0\.05 to train on, got 0\.6 \+ 0\.4"):
        parse_assignments(["preprocess.holdout=0.6", "preprocess.validation=0.4"])


@pytest.mark.parametrize("scheme", ["s3", "s3a"])
def test_executors_are_for_images_that_all_pods_reach(scheme: str) -> None:
    values = parse_assignments([f"ingest.data={scheme}://bucket/photos", "ingest.executors=2"])
    assert values["ingest.executors"] == 2


def test_what_needs_a_cluster_is_refused_where_the_steps_run_on_this_machine() -> None:
    check_local_settings({"ingest.executors": 0, "train.nodes": 1, "ingest.data": "s3://bucket/photos"})
    with pytest.raises(ConfigError, match=r"train\.nodes=2 needs Kubeflow Trainer of a cluster"):
        check_local_settings({"train.nodes": 2})
    with pytest.raises(ConfigError, match=r"ingest\.executors=2 needs the Spark Operator .* Set ingest\.executors=0"):
        check_local_settings({"ingest.executors": 2})


def test_values_take_the_type_of_their_default() -> None:
    values = parse_assignments(["train.epochs=20", "train.seed=3", "preprocess.holdout=0.2", "train.model=resnet18"])
    assert values == {"train.epochs": "20", "train.seed": 3, "preprocess.holdout": 0.2, "train.model": "resnet18"}


def test_a_settings_object_refuses_a_wrong_type() -> None:
    with pytest.raises(ConfigError, match=r"train\.seed must be a whole number, got True"):
        TrainConfig(seed=True)
    with pytest.raises(ConfigError, match=r"ingest\.data must name a source"):
        IngestConfig(data=" ")


def test_a_settings_object_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        PreprocessConfig().holdout = 0.5  # type: ignore[misc]
