"""The one owner of image names and tags: which image runs which step."""

from forebay.version import VERSION

REPOSITORY = "forebay"


def image(target: str) -> str:
    """The image built from a Dockerfile target, tagged with the package version, never `latest`."""
    return f"{REPOSITORY}/{target}:{VERSION}"


PIPELINE = image("pipeline")  # register, deploy
SPARK = image("spark")  # ingest
TRAIN = image("train")  # preprocess, train, evaluate
