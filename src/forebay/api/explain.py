"""Errors of the machine and of MLflow as errors of ours, in one paragraph with what mends them."""

import contextlib
from collections.abc import Iterator

from forebay.errors import ForebayError, UnexpectedError
from forebay.state.machine_errors import explain_machine_error
from forebay.state.mlflow_errors import explain_mlflow_error, is_database_damage, is_mlflow_error


def explain(error: Exception) -> UnexpectedError | None:
    """The error in words, caused by the one that is given; None for one of which nothing is known."""
    words = explain_machine_error(error)
    if not words and (is_mlflow_error(error) or is_database_damage(error)):
        words = explain_mlflow_error(error)
    if not words:
        return None
    explained = UnexpectedError(words)
    explained.__cause__ = error
    return explained


@contextlib.contextmanager
def explained() -> Iterator[None]:
    """Raise what is known of an error in the block; a caller's own mistake, such as a TypeError, stays as it is."""
    try:
        yield
    except ForebayError:
        raise
    except Exception as error:
        known = explain(error)
        if known is None:
            raise
        raise known from error
