"""Parquet: this project's own row table, or images beside labels as Hugging Face, Spark and others write them.

- Own rows (`contracts.rows`): `pixels`, `height`, `width`, `channels`, `label_name`, and `split` where it is there.
- Else one column holds encoded images (binary, or a struct with a field `bytes`) or Spark's images, and another one or
  a folder's name (`label=cat/`) holds the label. `columns` states which names and types are preferred, `class_names`
  what a value means.
- A column, a folder (`split=train/`, `train/`) or a file name (`train-00000-of-00002.parquet`) holds the split.
"""

from forebay.ingest.sources.parquet.images import read_images
from forebay.ingest.sources.parquet.index import index_parquet
from forebay.ingest.sources.parquet.mixed_folder import accepts_parquet, drop_stray_parquet, is_parquet
from forebay.ingest.sources.source_kind import SourceKind

KIND = SourceKind(kind="parquet", accepts=accepts_parquet, index=index_parquet, read=read_images)

__all__ = ["KIND", "drop_stray_parquet", "is_parquet"]
