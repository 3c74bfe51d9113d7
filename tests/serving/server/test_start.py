"""What the server imports before it answers."""

from support.tiny_inference_server import RunningServer

NEVER = {
    "fastapi",
    "grpc",
    "kfp",
    "kserve",
    "kubernetes",
    "mlflow",
    "pandas",
    "pyspark",
    "sklearn",
    "timm",
    "torchvision",
}


def test_the_server_imports_nothing_that_it_does_not_need(server: RunningServer) -> None:
    lines = server.log.read_text().splitlines()
    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in lines if line.startswith("import time:")}
    assert {"forebay", "torch", "uvicorn"} <= imported
    assert not imported & NEVER
