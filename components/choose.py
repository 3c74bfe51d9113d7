"""choose: the best of the trials, by validation rows."""

from kfp import dsl
from kfp.dsl import Artifact, Input, Metrics, Model, Output

from forebay import container_images


@dsl.component(base_image=container_images.TRAIN, install_kfp_package=False)
def choose(
    trials: Input[list[Artifact]],
    run_id: str,
    bundle: Output[Model],
    metrics: Output[Metrics],
) -> None:
    """Pass the bundle of the best trial on; see `forebay.tuning.one_trial`."""
    from forebay.state import step

    with step("choose", run_id) as log:
        from pathlib import Path

        from forebay.state import write_json
        from forebay.tuning.one_trial import choose_trial

        best = choose_trial([Path(trial.path) for trial in trials], Path(bundle.path), log)
        metrics.metadata.update({name: best[name] for name in ("number", "loss", "accuracy", "rows")})
        write_json(Path(metrics.path), best)
