"""The parts that pipelines share: what steps request and are connected to, and the steps before and after training."""

from forebay.pipelines.parameters import Parameters, arguments_of
from kfp import dsl, kubernetes
from kfp.dsl import PipelineTask
from kfp.dsl.pipeline_channel import PipelineChannel

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


def set_resources(task: PipelineTask, *, cpu: str, memory: str, limit_s: int, cached: bool = True) -> None:
    """Set what every step requests from its runner; the time limit exists only on Kubernetes, in the platform document.

    A request is what a node must have free, not what a step may use: a laptop with two cores runs all steps.
    """
    task.set_cpu_request(cpu).set_memory_request(memory)
    task.set_retry(num_retries=2, backoff_duration="2s", backoff_factor=2.0, backoff_max_duration="60s")
    task.set_caching_options(enable_caching=cached)
    kubernetes.set_timeout(task, seconds=limit_s)


def connect(task: PipelineTask, *, mlflow: bool = False, store: bool = False, more: tuple[str, ...] = ()) -> None:
    """Pass addresses and logins of a cluster's MLflow and object store, from two objects that the chart writes.

    Each step gets what it uses and no more. Elsewhere there are no such objects, and the environment holds them.
    """
    plain = [*(MLFLOW_ADDRESS_KEYS if mlflow else ()), *(STORE_ADDRESS_KEYS if store else ()), *more]
    secret = [*(MLFLOW_LOGIN_KEYS if mlflow else ()), *(STORE_LOGIN_KEYS if store else ())]
    kubernetes.use_config_map_as_env(task, STEP_ENVIRONMENT, {key: key for key in plain}, optional=True)
    kubernetes.use_secret_as_env(task, STEP_ENVIRONMENT, {key: key for key in secret}, optional=True)


def _mount_signing_key(task: PipelineTask) -> None:
    """Mount the key that signs models, where a cluster has one; a key does not belong in environment variables."""
    secret, folder = cluster_environment.SIGNING_SECRET, cluster_environment.SIGNING_FOLDER
    kubernetes.use_secret_as_volume(task, secret, mount_path=folder, optional=True)
    kubernetes.use_secret_as_env(task, secret, cluster_environment.SIGNING_SECRET_VARIABLES, optional=True)


def _register_and_deploy(
    parameters: Parameters,
    run_id: str,
    *,
    shards: PipelineChannel,
    bundle: PipelineChannel,
    evaluation: PipelineChannel,
) -> None:
    """The two steps behind the gate."""
    register = components.register(
        shards=shards,
        bundle=bundle,
        evaluation=evaluation,
        run_id=run_id,
        **arguments_of("register", parameters),
    )
    set_resources(register, cpu="500m", memory="2G", limit_s=STEP_LIMITS_S["register"], cached=False)
    connect(register, mlflow=True, more=(cluster_environment.SIGNING_KEY,))
    _mount_signing_key(register)

    deploy = components.deploy(
        evaluation=evaluation,
        version=register.outputs["Output"],
        run_id=run_id,
        **arguments_of("deploy", parameters),
        serve_cors_origins=parameters["serve_cors_origins"],
        serve_hosts=parameters["serve_hosts"],
        serve_grpc_port=parameters["serve_grpc_port"],
        serve_page=parameters["serve_page"],
        serve_connections=parameters["serve_connections"],
        serve_address_percent=parameters["serve_address_percent"],
        serve_memory_mib=parameters["serve_memory_mib"],
        serve_head_s=parameters["serve_head_s"],
        serve_body_s=parameters["serve_body_s"],
    )
    set_resources(deploy, cpu="500m", memory="1G", limit_s=STEP_LIMITS_S["deploy"], cached=False)
    connect(deploy, mlflow=True, more=(cluster_environment.MODEL_STORE, cluster_environment.VERIFY_KEY))


def prepare(parameters: Parameters) -> PipelineTask:
    """Ingest and preprocess; returns the second one."""
    code = {"code_version": parameters["code_version"]}
    ingest = components.ingest(**arguments_of("ingest", parameters), **code)
    set_resources(ingest, cpu="500m", memory="3G", limit_s=STEP_LIMITS_S["ingest"])
    connect(ingest, store=True, more=(cluster_environment.WORK_STORE, cluster_environment.SPARK_ACCOUNT))

    preprocess = components.preprocess(rows=ingest.outputs["rows"], **arguments_of("preprocess", parameters), **code)
    set_resources(preprocess, cpu="500m", memory="2G", limit_s=STEP_LIMITS_S["preprocess"])
    return preprocess


def set_training_resources(task: PipelineTask, parameters: Parameters, *, cached: bool = True) -> None:
    """What a step that trains requests and is connected to; the only ones that ask for a GPU."""
    set_resources(task, cpu="500m", memory="4G", limit_s=STEP_LIMITS_S["train"], cached=cached)
    connect(
        task, mlflow=True, store=True, more=(cluster_environment.CHECKPOINT_STORE, cluster_environment.WEIGHTS_STORE)
    )
    task.set_accelerator_type(GPU_RESOURCE).set_accelerator_limit(parameters["train_gpus"])


def judge(parameters: Parameters, run_id: str, *, shards: PipelineChannel, bundle: PipelineChannel) -> None:
    """Evaluate and, when the gate agrees, register and deploy."""
    evaluate = components.evaluate(shards=shards, bundle=bundle, run_id=run_id, **arguments_of("evaluate", parameters))
    set_resources(evaluate, cpu="500m", memory="3G", limit_s=STEP_LIMITS_S["evaluate"], cached=False)
    connect(evaluate, mlflow=True)

    # kfp's local runner resolves a condition only on the default output name (2.17: others are silently false)
    with dsl.If(evaluate.outputs["Output"] == "passed", name="gate-passed"):
        _register_and_deploy(
            parameters, run_id, shards=shards, bundle=bundle, evaluation=evaluate.outputs["evaluation"]
        )
