"""The training pipeline: ingest, preprocess, train, evaluate and, when the gate agrees, register and deploy."""

from forebay.pipelines.parameters import Parameters, arguments_of, with_setting_parameters
from forebay.pipelines.wiring import judge, prepare, set_training_resources
from kfp import dsl

from forebay import components

NAME = "forebay-training"
DESCRIPTION = "Raw images in, a served and registered image classifier out."


@dsl.pipeline(name=NAME, description=DESCRIPTION)
@with_setting_parameters()
def training(parameters: Parameters) -> None:
    """Train, judge and serve an image classifier."""
    run_id = dsl.PIPELINE_JOB_ID_PLACEHOLDER  # goes to uncached steps only: a cached one would return an old run's id
    shards = prepare(parameters).outputs["shards"]
    train = components.train(
        shards=shards,
        **arguments_of("train", parameters, without=("train_gpus",)),
        code_version=parameters["code_version"],
    )
    set_training_resources(train, parameters)
    judge(parameters, run_id, shards=shards, bundle=train.outputs["bundle"])
