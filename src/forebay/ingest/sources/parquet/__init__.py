"""Parquet: this project's own row table, or images beside labels as Hugging Face, Spark and others write them.

- Own rows (`contracts.rows`): `pixels`, `height`, `width`, `channels`, `label_name`, and `split` where it is there.
- Else a column holds encoded images (binary, or a struct with a field `bytes`) or Spark's images, and another one or
  a folder's name (`label=cat/`) the label; `columns` has the order of names and types, `labels` what a value means.
- The split is a column's, a folder's (`split=train/`, `train/`) or a file name's (`train-00000-of-00002.parquet`).
"""

from forebay.ingest.sources.parquet.images import read
from forebay.ingest.sources.parquet.index import index
from forebay.ingest.sources.parquet.mixed_folder import accepts, drop_stray_parquet, is_parquet
from forebay.ingest.sources.source_kind import SourceKind

KIND = SourceKind(kind="parquet", accepts=accepts, index=index, read=read)

__all__ = ["KIND", "drop_stray_parquet", "is_parquet"]
