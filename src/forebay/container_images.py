"""The one owner of image names and tags: which image runs which step."""

from forebay.version import VERSION

REPOSITORY = "forebay"
TARGETS = ("pipeline", "spark", "train", "serve")  # of docker/Dockerfile


def image(target: str) -> str:
    """The image built from a Dockerfile target, tagged with the package version, never `latest`."""
    return f"{REPOSITORY}/{target}:{VERSION}"


PIPELINE = image("pipeline")  # register, deploy
SPARK = image("spark")  # ingest
TRAIN = image("train")  # preprocess, train, evaluate
SERVE = image("serve")  # the server
ALL = (PIPELINE, SPARK, TRAIN, SERVE)
