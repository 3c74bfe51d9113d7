# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 5 · Data from Spark and S3
#
# So far all images fitted into one array. Real collections are larger, lie somewhere else, and are not clean: some
# files are damaged, some are there twice, some are no images at all. The step **ingest** reads them with *Apache
# Spark*, in parallel, and writes one clean Parquet table. This notebook gives it a folder with such faults in it,
# looks at what came out, and then reads the same images from *S3*, the protocol of object stores.
#
# The images are those of notebook 2: CIFAR-10's where `FOREBAY_CIFAR10_TAR` names a tar of them, else drawn shapes.
#
# S3 is used where the environment variable `AWS_ENDPOINT_URL` names a store (with `AWS_ACCESS_KEY_ID` and
# `AWS_SECRET_ACCESS_KEY` beside it). The notebook writes a few images into a bucket of its own there, and removes it.

# %% tags=["parameters"]
ROWS = 400  # images
BUCKET = "forebay-notebook-5"

# %%
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pyarrow.parquet as pq
from sample_images import colour_images

temporary = tempfile.TemporaryDirectory()
work = Path(temporary.name)
os.environ.setdefault("FOREBAY_HOME", str(work / "home"))
plt.rcParams.update({"figure.dpi": 72, "axes.spines.top": False, "axes.spines.right": False})

# %% [markdown]
# ## A folder with faults
#
# A sub-folder per class is the simplest way to say what an image shows. We write our images so, and then add what
# every real collection has: a file that was cut off, one that is a web page, an exact copy, and a copy that somebody
# filed under another class.

# %%
data = colour_images(ROWS)
photos = data.save(work / "photos")
first, second = data.classes[:2]
files = sorted((photos / first).iterdir())
(photos / first / "cut-off.png").write_bytes(files[0].read_bytes()[:300])
(photos / first / "not-found.jpg").write_text("<html><body>404 not found</body></html>")
(photos / first / "copy.png").write_bytes(files[1].read_bytes())
(photos / second / "misfiled.png").write_bytes(files[2].read_bytes())
print(f"{ROWS} images ({data.source}) and 4 faults in {len(data.classes)} folders: {', '.join(data.classes)}")

# %% [markdown]
# ## Ingest
#
# `forebay ingest` runs this step alone; `forebay run` and `forebay.run` begin with it. Spark divides the list of
# files into parts, and its workers decode them side by side: on one machine as many as it has cores, on a cluster as
# many pods as `ingest.executors` says. The code is the same.


# %%
def ingest(source, name):
    """Run the step on a folder or an s3:// address; return the folder with the table, and the summary."""
    command = [sys.executable, "-m", "forebay", "ingest", "--data", str(source), "--out", str(work / name), "--json"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return work / name, json.loads(done.stdout)


rows, summary = ingest(photos, "rows")
manifest = json.loads((rows / "manifest.json").read_text())
table = pq.read_table(rows / "rows")
quarantine = pq.read_table(rows / "quarantine").to_pylist()
print(f"{table.num_rows} rows, {len(quarantine)} in quarantine, data digest {manifest['digest'][:12]}")
for row in sorted(quarantine, key=lambda row: row["source"]):
    print(f"  {row['source']:28} {row['reason']}")

# %% [markdown]
# Nothing was dropped silently. The copy is named as a duplicate of the first file with these pixels. An image under
# two labels is taken out altogether, with both its files, because nothing tells which label is right.
#
# ## The table
#
# One row per image, whatever the source was:

# %%
print(table.schema.remove_metadata())
figure, axes = plt.subplots(1, 8, figsize=(10, 1.7))
for axis, row in zip(axes, table.slice(0, 8).to_pylist(), strict=True):
    axis.imshow(np.frombuffer(row["pixels"], np.uint8).reshape(row["height"], row["width"], row["channels"]))
    axis.set_title(f"{row['label_name']}\n{row['id'][:6]}", fontsize=9)
    axis.axis("off")

# %% [markdown]
# `id` is made of the pixels, so an image keeps its name wherever it lies. The next step decides by it which images
# are held out: a held-out image stays held out when others are added. The plot shows how many images of each class
# there are, and how bright they are.

# %%
labels = np.array(table["label_name"].to_pylist())
brightness = np.array([np.frombuffer(pixels, np.uint8).mean() for pixels in table["pixels"].to_pylist()])
figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3))
left.bar(data.classes, [(labels == name).sum() for name in data.classes])
left.set(title="Images per class")
right.boxplot([brightness[labels == name] for name in data.classes], tick_labels=data.classes)
right.set(title="Brightness of an image", ylim=(0, 255))
plt.show()

# %% [markdown]
# ## The same from S3
#
# An object store keeps files under keys in buckets, for any number of readers at once. Amazon's S3 gave the protocol
# its name; MinIO, SeaweedFS, Ceph, Google's and others speak it. For Forebay a source in S3 is an address in place of
# a path:
#
# ```python
# forebay.run("s3://photos/2026")
# ```
#
# Keys come from the environment (`AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_ENDPOINT_URL` for a store of your
# own), or from the identity of the pod.

# %%
if "AWS_ENDPOINT_URL" in os.environ:
    import boto3
    from botocore.config import Config

    settings = Config(
        s3={"addressing_style": "path"},
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    store = boto3.client("s3", region_name=os.environ.get("AWS_REGION", "us-east-1"), config=settings)
    store.create_bucket(Bucket=BUCKET)
    keys = [path.relative_to(photos).as_posix() for path in sorted(photos.rglob("*")) if path.is_file()]
    for key in keys:
        store.put_object(Bucket=BUCKET, Key=key, Body=(photos / key).read_bytes())
    rows_s3, _ = ingest(f"s3://{BUCKET}/", "rows-s3")
    digest = json.loads((rows_s3 / "manifest.json").read_text())["digest"]
    print(f"{len(keys)} objects in s3://{BUCKET}")
    print(f"from the folder  {manifest['digest'][:32]}")
    print(f"from S3          {digest[:32]}")
    assert digest == manifest["digest"]
    for key in keys:
        store.delete_object(Bucket=BUCKET, Key=key)
    store.delete_bucket(Bucket=BUCKET)
else:
    print("AWS_ENDPOINT_URL is not set, so no store was asked. With one, the digest of the table from S3 is the same.")

# %% [markdown]
# The digest depends on the images and their labels alone, not on where they lie or how Spark divided them. So the
# `data_digest` of a model in the registry says for ever what it was trained on, wherever the images are today.
#
# On a cluster the same address works from pods, and `{"ingest.executors": 8}` lets eight of them decode:
#
# ```python
# forebay.submit("s3://photos/2026", settings={"ingest.executors": 8})
# ```

# %%
temporary.cleanup()

# %% [markdown]
# **Next:** notebook 6 puts the pipeline on Kubeflow, and asks the served model over REST.
