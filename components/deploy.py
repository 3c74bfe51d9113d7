"""deploy: serve the version, prove it, then make it champion."""

from kfp import dsl
from kfp.dsl import Artifact, Input

from forebay import container_images


@dsl.component(base_image=container_images.PIPELINE, install_kfp_package=False)
def deploy(
    evaluation: Input[Artifact],
    version: str,
    run_id: str,
    target: str,
    smoke_rows: int,
    tolerance: float,
    timeout_s: int,
    namespace: str,
    replicas: int,
    memory: str,
    gpus: int,
    gpu_resource: str,
    serve_cors_origins: str,
    serve_hosts: str,
    serve_grpc_port: int,
    serve_page: str,
    serve_connections: int,
    serve_address_percent: int,
    serve_memory_mib: int,
    serve_head_s: int,
    serve_body_s: int,
) -> str:
    """Bring the version up, compare its answers with evaluate's and move the alias; see `forebay.deploy`."""
    from forebay.state import step

    with step("deploy", run_id) as log:
        from pathlib import Path

        from forebay.deploy import deploy as bring_up
        from forebay.select_backend import step_backend
        from forebay.settings import DeployConfig, ServeConfig

        config = DeployConfig(
            target=target,
            smoke_rows=smoke_rows,
            tolerance=tolerance,
            timeout_s=timeout_s,
            namespace=namespace,
            replicas=replicas,
            memory=memory,
            gpus=gpus,
            gpu_resource=gpu_resource,
        )
        serve = ServeConfig(
            cors_origins=serve_cors_origins,
            hosts=serve_hosts,
            grpc_port=serve_grpc_port,
            page=serve_page,
            connections=serve_connections,
            address_percent=serve_address_percent,
            memory_mib=serve_memory_mib,
            head_s=serve_head_s,
            body_s=serve_body_s,
        )
        url = bring_up(Path(evaluation.path), version, config, log, step_backend(log, target), serve)
    return url
