"""A source of images for Forebay. It gives the handwritten digits of scikit-learn: put your own images in their place.

    forebay run --data mysource.py:MySource

The text of this file travels with the run, also into containers and pods. Files beside it do not: import only what is
installed where the steps run.
"""

from collections.abc import Iterator

import numpy as np

from forebay.ingest import Record


class MySource:
    """What `ingest.data` names. A generator function that yields records would do as well."""

    def __init__(self, rows: str = "1797") -> None:
        """Take the options that stand behind `?`; they arrive as texts: `mysource.py:MySource?rows=500`.

        An option that holds a `/` and names a file or a folder, as in `?path=./photos.db`, is given in full, can be
        read in containers too, and is watched: where the file changes, the next run reads it again.
        """
        self.rows = int(rows)

    def records(self) -> Iterator[Record]:
        """Yield one record per image; they are written to disk as they come, so any number of them fits."""
        from sklearn.datasets import load_digits

        images, labels = load_digits(return_X_y=True)
        for number, (levels, label) in enumerate(zip(images[: self.rows], labels, strict=False)):
            # An image is the bytes of an image file, such as path.read_bytes() or a column of a database; Forebay
            # decodes it, with limits. Or it is an array of pixels: uint8, (H, W) grey or (H, W, 3) red, green, blue.
            pixels = (levels.reshape(8, 8) * (255 / 16)).astype(np.uint8)
            # A label is the name of the class. The id is what messages and tables call the image. A split, "train" or
            # "test", is only for data that bring one; without it, Forebay holds rows out by their content.
            yield Record(image=pixels, label=f"digit {label}", split=None, id=f"digits/{number:04d}")

    def fingerprint(self) -> str:
        """Identify the data as they are now: a run takes its rows from the cache while this text stays the same.

        It is asked before each run, so it must be quick: the number of rows and the newest time in a database, say.
        Leave the method out where files that options name are all that can change.
        """
        import sklearn

        return str(sklearn.__version__)
