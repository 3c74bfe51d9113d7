"""trial: a training with the settings of one trial of a search, in a pod of its own."""

from kfp import dsl
from kfp.dsl import Artifact, Dataset, Input, Metrics, Output

from forebay import container_images


@dsl.component(base_image=container_images.TRAIN, install_kfp_package=False)
def trial(
    shards: Input[Dataset],
    number: str,
    run_id: str,
    space: str,
    code_version: str,
    model: str,
    model_code: str,
    width: str,
    weights: str,
    weights_sha256: str,
    input_size: str,
    epochs: str,
    head_epochs: str,
    batch_rows: str,
    learning_rate: str,
    layer_decay: str,
    optimizer: str,
    weight_decay: float,
    schedule: str,
    label_smoothing: float,
    dropout: float,
    class_weights: str,
    recipe: str,
    augment: str,
    crop_scale: str,
    rotation: str,
    color_jitter: str,
    auto_augment: str,
    erasing: str,
    mixup: str,
    cutmix: str,
    ema_decay: str,
    drop_path: str,
    warmup: str,
    early_stop_epochs: int,
    precision: str,
    threads: str,
    seed: int,
    members: int,
    ensemble: str,
    gpus: str,
    nodes: int,
    node_gpus: int,
    node_gpu_resource: str,
    node_memory: str,
    checkpoint_s: int,
    result: Output[Artifact],
    metrics: Output[Metrics],
) -> None:
    """Fit a model with the settings of one trial; see `forebay.tuning.one_trial`."""
    from forebay.state import step

    with step(f"trial {number}", run_id) as log:
        from pathlib import Path

        from forebay.settings import TrainConfig
        from forebay.state import write_json
        from forebay.tuning.one_trial import TrialRequest, run_one_trial, trial_metrics

        config = TrainConfig(
            code_version=code_version,
            model=model,
            model_code=model_code,
            width=width,
            weights=weights,
            weights_sha256=weights_sha256,
            input_size=input_size,
            epochs=epochs,
            head_epochs=head_epochs,
            batch_rows=batch_rows,
            learning_rate=learning_rate,
            layer_decay=layer_decay,
            optimizer=optimizer,
            weight_decay=weight_decay,
            schedule=schedule,
            label_smoothing=label_smoothing,
            dropout=dropout,
            class_weights=class_weights,
            recipe=recipe,
            augment=augment,
            crop_scale=crop_scale,
            rotation=rotation,
            color_jitter=color_jitter,
            auto_augment=auto_augment,
            erasing=erasing,
            mixup=mixup,
            cutmix=cutmix,
            ema_decay=ema_decay,
            drop_path=drop_path,
            warmup=warmup,
            early_stop_epochs=early_stop_epochs,
            precision=precision,
            threads=threads,
            seed=seed,
            members=members,
            ensemble=ensemble,
            gpus=gpus,
            nodes=nodes,
            node_gpus=node_gpus,
            node_gpu_resource=node_gpu_resource,
            node_memory=node_memory,
            checkpoint_s=checkpoint_s,
        )
        request = TrialRequest.parse(number, run_id, space)
        facts = run_one_trial(Path(shards.path), Path(result.path), config, request, log)
        metrics.metadata.update(trial_metrics(facts))
        write_json(Path(metrics.path), facts)
