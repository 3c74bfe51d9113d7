"""The part of a model card that says how to call the model. Pure functions."""

from forebay.register.evaluated_bundle import EvaluatedBundle
from forebay.register.markdown import code_block


def calls_section(bundle: EvaluatedBundle, model_id: str) -> str:
    """Over REST, from Python, and with MLflow alone."""
    spec, name = bundle.spec, bundle.evaluation.name
    shape = f"rows, {spec.height}, {spec.width}, {spec.channels}"
    rest = [
        f"forebay serve {name}  # where it does not answer yet",
        "curl --data-binary @image.png -H 'Content-Type: image/png' \\",
        f"  http://127.0.0.1:8090/v1/models/{name}:predict",
    ]
    python = [
        "import forebay",
        f'forebay.load_model("{name}@champion").predict("image.png")  # or "{name}/3", a version',
        "",
        "import mlflow",
        f'model = mlflow.pyfunc.load_model("models:/{model_id}")',
        f"model.predict(images)  # uint8 ({shape}), 0 to 255; gives probabilities (rows, {len(spec.classes)})",
    ]
    return "\n\n".join(["### How to call it", code_block("sh", rest), code_block("python", python)])
