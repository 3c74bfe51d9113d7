"""A registry with more names than MLflow gives at once."""

from forebay import registry, tracking
from forebay.state import Home


def test_every_name_is_listed_however_many_there_are(mlflow_home: Home) -> None:
    client = tracking.client(mlflow_home)
    wanted = [f"model-{number:03d}" for number in range(103)]
    for name in wanted:
        client.create_registered_model(name)
    assert registry.list_names(mlflow_home) == wanted
