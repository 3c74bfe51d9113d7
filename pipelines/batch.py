"""The batch pipeline: a registered model's answers for all images of a source, as one table."""

from forebay.pipelines.parameters import Parameters, arguments_of, with_parameters
from forebay.pipelines.wiring import connect, set_resources
from kfp import dsl

from forebay import components
from forebay.settings import BatchConfig, IngestConfig, cache_settings, cluster_environment
from forebay.settings.keys import settings_of
from forebay.settings.step_limits import STEP_LIMITS_S

NAME = "forebay-batch"
DESCRIPTION = "Raw images in, a table with a registered model's predictions out."
READING = settings_of(IngestConfig, "data", "image_column", "max_file_bytes", "executors", "executor_memory")


@dsl.pipeline(name=NAME, description=DESCRIPTION)
@with_parameters(*cache_settings(), *READING, *settings_of(BatchConfig))
def batch(parameters: Parameters) -> None:
    """Predict every image of a source."""
    run_id = dsl.PIPELINE_JOB_ID_PLACEHOLDER
    fetch = components.fetch_model(reference=parameters["batch_model"], run_id=run_id)
    set_resources(fetch, cpu="500m", memory="1G", limit_s=STEP_LIMITS_S["register"], cached=False)  # a champion moves
    connect(fetch, mlflow=True, more=(cluster_environment.VERIFY_KEY,))

    decode = components.decode(
        **arguments_of("ingest", parameters),
        image_format=fetch.outputs["Output"],
        code_version=parameters["code_version"],
    )
    set_resources(decode, cpu="500m", memory="3G", limit_s=STEP_LIMITS_S["ingest"])
    connect(decode, store=True, more=(cluster_environment.WORK_STORE, cluster_environment.SPARK_ACCOUNT))

    predict = components.predict(
        images=decode.outputs["images"],
        model=fetch.outputs["model"],
        run_id=run_id,
        **arguments_of("batch", parameters, without=("batch_model",)),
    )
    set_resources(predict, cpu="500m", memory="3G", limit_s=STEP_LIMITS_S["evaluate"], cached=False)
    connect(predict, store=True)
