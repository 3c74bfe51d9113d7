"""The tuning pipeline: as training, but many trials in pods of their own, of which the best one is judged."""

from forebay.pipelines.parameters import Parameters, arguments_of, with_setting_parameters
from forebay.pipelines.wiring import judge, prepare, set_resources, set_training_resources
from kfp import dsl

from forebay import components
from forebay.settings import SettingInfo
from forebay.settings.step_limits import STEP_LIMITS_S

NAME = "forebay-tuning"
DESCRIPTION = "Raw images in, a search for good settings, and the best classifier registered and served."
PARALLEL_TRIALS = 4  # pods that train at once
TRIALS = SettingInfo(
    key="tune.trials",
    default=[str(number) for number in range(20)],  # text: kfp's local runner makes numbers of a list to 3.0
    unit="",
    meaning="The numbers of the trials, as a list of text; 0 has the default settings",
)
SPACE = SettingInfo(
    key="tune.space",
    default="",
    unit="",
    meaning="The settings to search, as the YAML of forebay tune --space; empty for those that matter most",
)


@dsl.pipeline(name=NAME, description=DESCRIPTION)
@with_setting_parameters(TRIALS, SPACE)
def tuning(parameters: Parameters) -> None:
    """Search for good settings, judge and serve the best classifier."""
    run_id = dsl.PIPELINE_JOB_ID_PLACEHOLDER
    shards = prepare(parameters).outputs["shards"]
    with dsl.ParallelFor(parameters["tune_trials"], parallelism=PARALLEL_TRIALS, name="trials") as number:
        trial = components.trial(
            shards=shards,
            number=number,
            run_id=run_id,
            space=parameters["tune_space"],
            **arguments_of("train", parameters),  # with the GPUs: kfp 2.17 hands a loop only what a component takes
            code_version=parameters["code_version"],
        )
        set_training_resources(trial, parameters, cached=False)
    choose = components.choose(trials=dsl.Collected(trial.outputs["result"]), run_id=run_id)
    set_resources(choose, cpu="500m", memory="1G", limit_s=STEP_LIMITS_S["register"], cached=False)
    judge(parameters, run_id, shards=shards, bundle=choose.outputs["bundle"])
