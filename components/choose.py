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
        from operator import attrgetter
        from pathlib import Path

        from forebay.state import write_json
        from forebay.tuning.one_trial import choose_trial, trial_metrics

        best = choose_trial(map(attrgetter("path"), trials), Path(bundle.path), log)
        metrics.metadata.update(trial_metrics(best))
        write_json(Path(metrics.path), best)
