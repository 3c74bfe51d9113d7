"""The training pipeline: ingest, preprocess, train, evaluate and, when the gate agrees, register and deploy."""

from forebay.pipelines.parameters import Parameters, arguments_of, with_setting_parameters
from kfp import dsl, kubernetes
from kfp.dsl import PipelineTask

from forebay import components
from forebay.settings import cluster_environment
from forebay.settings.cluster_environment import (
    MLFLOW_ADDRESS_KEYS,
    MLFLOW_LOGIN_KEYS,
    STEP_ENVIRONMENT,
    STORE_ADDRESS_KEYS,
    STORE_LOGIN_KEYS,
)
from forebay.settings.gpu import GPU_RESOURCE
from forebay.settings.step_limits import STEP_LIMITS_S

NAME = "forebay-training"
DESCRIPTION = "Raw images in, a served and registered image classifier out."


def _request(task: PipelineTask, *, cpu: str, memory: str, limit_s: int, cached: bool = True) -> None:
    """What every step asks of its runner; the time limit exists only on Kubernetes, in the platform document.

    A request is what a node has to have free, not what a step may take: a laptop of two cores runs all of this.
    """
    task.set_cpu_request(cpu).set_memory_request(memory)
    task.set_retry(num_retries=2, backoff_duration="2s", backoff_factor=2.0, backoff_max_duration="60s")
    task.set_caching_options(enable_caching=cached)
    kubernetes.set_timeout(task, seconds=limit_s)


def _give(task: PipelineTask, *, mlflow: bool = False, store: bool = False, more: tuple[str, ...] = ()) -> None:
    """Where a cluster's MLflow and object store are, and the keys to them: the chart writes both objects.

    Each step gets what it uses and no more. Elsewhere there are no such objects, and the environment says it.
    """
    plain = [*(MLFLOW_ADDRESS_KEYS if mlflow else ()), *(STORE_ADDRESS_KEYS if store else ()), *more]
    secret = [*(MLFLOW_LOGIN_KEYS if mlflow else ()), *(STORE_LOGIN_KEYS if store else ())]
    kubernetes.use_config_map_as_env(task, STEP_ENVIRONMENT, {key: key for key in plain}, optional=True)
    kubernetes.use_secret_as_env(task, STEP_ENVIRONMENT, {key: key for key in secret}, optional=True)


def _give_signing_key(task: PipelineTask) -> None:
    """The key that signs models, where a cluster has one: a file, as a key has no place in an environment."""
    secret, folder = cluster_environment.SIGNING_SECRET, cluster_environment.SIGNING_FOLDER
    kubernetes.use_secret_as_volume(task, secret, mount_path=folder, optional=True)
    kubernetes.use_secret_as_env(task, secret, cluster_environment.SIGNING_SECRET_VARIABLES, optional=True)


@dsl.pipeline(name=NAME, description=DESCRIPTION)
@with_setting_parameters
def training(parameters: Parameters) -> None:
    """Train, judge and serve an image classifier."""
    run_id = dsl.PIPELINE_JOB_ID_PLACEHOLDER  # goes to uncached steps only: a cached one would return an old run's id
    code = {"code_version": parameters["code_version"]}

    ingest = components.ingest(**arguments_of("ingest", parameters), **code)
    _request(ingest, cpu="500m", memory="3G", limit_s=STEP_LIMITS_S["ingest"])
    _give(ingest, store=True, more=(cluster_environment.WORK_STORE, cluster_environment.SPARK_ACCOUNT))

    preprocess = components.preprocess(rows=ingest.outputs["rows"], **arguments_of("preprocess", parameters), **code)
    _request(preprocess, cpu="500m", memory="2G", limit_s=STEP_LIMITS_S["preprocess"])

    train = components.train(
        shards=preprocess.outputs["shards"],
        **arguments_of("train", parameters, without=("train_gpus",)),
        **code,
    )
    _request(train, cpu="500m", memory="4G", limit_s=STEP_LIMITS_S["train"])
    _give(train, mlflow=True, store=True, more=(cluster_environment.CHECKPOINT_STORE,))
    train.set_accelerator_type(GPU_RESOURCE).set_accelerator_limit(parameters["train_gpus"])

    evaluate = components.evaluate(
        shards=preprocess.outputs["shards"],
        bundle=train.outputs["bundle"],
        run_id=run_id,
        **arguments_of("evaluate", parameters),
    )
    _request(evaluate, cpu="500m", memory="3G", limit_s=STEP_LIMITS_S["evaluate"], cached=False)
    _give(evaluate, mlflow=True)

    # kfp's local runner resolves a condition only on the default output name (2.17: others are silently false)
    with dsl.If(evaluate.outputs["Output"] == "passed", name="gate-passed"):
        register = components.register(
            shards=preprocess.outputs["shards"],
            bundle=train.outputs["bundle"],
            evaluation=evaluate.outputs["evaluation"],
            run_id=run_id,
            **arguments_of("register", parameters),
        )
        _request(register, cpu="500m", memory="2G", limit_s=STEP_LIMITS_S["register"], cached=False)
        _give(register, mlflow=True, more=(cluster_environment.SIGNING_KEY,))
        _give_signing_key(register)

        deploy = components.deploy(
            evaluation=evaluate.outputs["evaluation"],
            version=register.outputs["Output"],
            run_id=run_id,
            **arguments_of("deploy", parameters),
            serve_cors_origins=parameters["serve_cors_origins"],
            serve_hosts=parameters["serve_hosts"],
            serve_connections=parameters["serve_connections"],
            serve_address_percent=parameters["serve_address_percent"],
            serve_memory_mib=parameters["serve_memory_mib"],
            serve_head_s=parameters["serve_head_s"],
            serve_body_s=parameters["serve_body_s"],
        )
        _request(deploy, cpu="500m", memory="1G", limit_s=STEP_LIMITS_S["deploy"], cached=False)
        _give(deploy, mlflow=True, more=(cluster_environment.MODEL_STORE, cluster_environment.VERIFY_KEY))
