"""Statistics of the training images, for the bundle."""

from typing import Any

import numpy as np

from forebay.contracts.manifest import SplitManifest
from forebay.contracts.shards import DatasetSplit
from forebay.contracts.training_images import FEWEST_ROWS
from forebay.images.statistics import image_statistics

MOST_ROWS = 8192  # rows lie in the order of their digests, so the first ones are a fair sample
BATCH_BYTES = 1 << 24
OUTSIDE = 0.001  # part of the images below `low`, and as many above `high`


def training_image_facts(data: SplitManifest, train: DatasetSplit) -> dict[str, Any]:
    """What `forebay.contracts.training_images` describes; empty where the rows are few."""
    rows = min(len(train), MOST_ROWS)
    if rows < FEWEST_ROWS:
        return {}
    step = max(1, BATCH_BYTES // (data.height * data.width * data.channels))
    found = [
        statistics
        for start in range(0, rows, step)
        for statistics in image_statistics(train.images_NHWC(start, min(start + step, rows)))
    ]
    low, high = np.quantile(np.array(found), [OUTSIDE, 1 - OUTSIDE], axis=0).round(4).tolist()
    return {"rows": rows, "low": low, "high": high, **data.source_facts}
