"""How long a step may take on a cluster, and the jobs that a step starts there and waits for."""

_HOUR_S = 3600

# The compiled pipeline ends a step's pod after this time.
STEP_LIMITS_S = {
    "ingest": 6 * _HOUR_S,
    "preprocess": 6 * _HOUR_S,
    "train": 72 * _HOUR_S,
    "evaluate": 6 * _HOUR_S,
    "register": 1 * _HOUR_S,
    "deploy": 1 * _HOUR_S,
}
# A job ends before its step does, so that the step has time to say why and to clean up.
SPARK_LIMIT_S = STEP_LIMITS_S["ingest"] - _HOUR_S // 2
TRAIN_JOB_LIMIT_S = STEP_LIMITS_S["train"] - _HOUR_S
