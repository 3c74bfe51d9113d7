"""What a person reads about a model's temperature, and from how many rows one is fitted.

A network that is trained with smoothed labels is right more often than it says. Dividing its logits by one number, the
temperature, mends that and changes no answer: Guo et al., "On calibration of modern neural networks", ICML 2017.
"""

from collections.abc import Mapping, Sequence

FEWEST_ROWS = 50  # validation rows: of fewer an accuracy is known to 5 points at best, half of what there is to mend
ERROR, ERROR_BEFORE = "calibration_error", "calibration_error_before"  # metrics; the second is without temperatures


def describe_temperature(temperatures: Sequence[float], validation_rows: int, metrics: Mapping[str, float]) -> str:
    """One or two sentences: the temperature, and the expected calibration error without and with it.

    Args:
        temperatures: of each of the model's networks.
        validation_rows: of its training; 0 where it had none, or they are not known.
        metrics: `ERROR`, and `ERROR_BEFORE` where a temperature is not 1.
    """
    numbers = ", ".join(f"{value:g}" for value in temperatures)
    word = "Temperature" if len(temperatures) == 1 else "Temperatures of the members"
    if ERROR_BEFORE in metrics:
        return (
            f"{word}: {numbers}, fitted on validation rows. Expected calibration error {metrics[ERROR_BEFORE]:.1%} "
            f"without, {metrics[ERROR]:.1%} with."
        )
    why = (
        f": {validation_rows:,} validation rows, and {FEWEST_ROWS} are needed" if validation_rows < FEWEST_ROWS else ""
    )
    return f"{word}: {numbers}{why}. Expected calibration error {metrics[ERROR]:.1%}."
