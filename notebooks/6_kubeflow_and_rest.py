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
# # 6 · From notebook to Kubeflow, and a REST answer
#
# A notebook is a good place to try things and a bad one to run them every night. This one takes the pipeline apart:
# how it is **compiled** into one file, how that file runs on a **Kubeflow** cluster or on this machine, and how the
# model that comes out **answers over REST**, to any program in any language.
#
# Where the environment variable `FOREBAY_KFP_HOST` names a Kubeflow Pipelines (with `FOREBAY_KFP_TOKEN` for the
# login), the run goes there. Otherwise it runs on this machine, in processes.

# %% tags=["parameters"]
EPOCHS = 10
NAME = "digits-lenet5"  # of the registered model; the same as in notebook 1

# %%
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import requests
import yaml
from sklearn.datasets import load_digits

import forebay

temporary = tempfile.TemporaryDirectory()
os.environ.setdefault("FOREBAY_HOME", temporary.name)
os.environ.setdefault("FOREBAY_PORT", "0")  # any free one
plt.rcParams["figure.dpi"] = 72

# %% [markdown]
# ## Compile
#
# A pipeline is written in Python and compiled into a file of *pipeline IR*, the language that every Kubeflow
# Pipelines understands. `forebay compile` does so.

# %%
compiled = Path(temporary.name) / "training.yaml"
subprocess.run([sys.executable, "-m", "forebay", "compile", "--out", str(compiled)], check=True, capture_output=True)
pipeline, _ = yaml.safe_load_all(compiled.read_text())  # the second part is for Kubernetes alone
parameters = pipeline["root"]["inputDefinitions"]["parameters"]
print(f"{pipeline['pipelineInfo']['name']}: {len(parameters)} parameters, {compiled.stat().st_size // 1024} kB")
print("SHA-256", hashlib.sha256(compiled.read_bytes()).hexdigest()[:16])

# %% [markdown]
# What is in it? Tasks, what each one waits for, and a condition: *register* and *deploy* happen only when the gate
# has passed the model. Each task names a container image; its code is not in the file.


# %%
def steps_of(dag, components):
    """Each task as (name, what it waits for, container image), those inside of conditions included."""
    for task in dag["tasks"].values():
        component = components[task["componentRef"]["name"]]
        name = task["taskInfo"]["name"]
        if "dag" in component:
            yield name, task.get("dependentTasks", []), None
            yield from steps_of(component["dag"], components)
        else:
            container = pipeline["deploymentSpec"]["executors"][component["executorLabel"]]["container"]
            yield name, task.get("dependentTasks", []), container["image"].rpartition("/")[2]


order = ["ingest", "preprocess", "train", "evaluate", "gate-passed", "register", "deploy"]
steps = sorted(steps_of(pipeline["root"]["dag"], pipeline["components"]), key=lambda step: order.index(step[0]))
for name, waits_for, image in steps:
    print(f"{name:12} {image or '(condition)':24} {'after ' + ', '.join(waits_for) if waits_for else ''}")

# %%
flow = [step for step in order if step != "gate-passed"]
figure, axis = plt.subplots(figsize=(10, 1.8))
axis.axvspan(3.5, 5.5, color="C2", alpha=0.12)
axis.text(4.5, 0.75, "only if the gate says yes", ha="center", color="C2")
for place, step in enumerate(flow):
    box = {"boxstyle": "round,pad=0.5", "facecolor": "white", "edgecolor": "C2" if place > 3 else "C0"}
    axis.text(place, 0, step, ha="center", va="center", bbox=box)
    if place:
        arrow = {"arrowstyle": "->", "shrinkA": 30, "shrinkB": 32}
        axis.annotate("", (place, 0), (place - 1, 0), arrowprops=arrow)
axis.set(xlim=(-0.5, 5.5), ylim=(-1, 1.1))
axis.axis("off")
plt.show()

# %% [markdown]
# ## Run it
#
# `forebay.submit` uploads the file to the cluster and follows the run. `forebay.run` gives the very same file to the
# local runner of Kubeflow Pipelines, which starts each task as a process. Parameters, results and errors are the
# same.

# %%
settings = {"train.epochs": EPOCHS}
on_cluster = bool(os.environ.get("FOREBAY_KFP_HOST"))
if on_cluster:
    result = forebay.submit(model="lenet5", name=NAME, settings=settings, pipeline=compiled, show=False)
else:
    result = forebay.run(model="lenet5", name=NAME, settings=settings, show=False)
print("ran on", "a cluster" if on_cluster else "this machine")
print(f"accuracy {result.accuracy:.1%} of {result.rows} held-out images")
print("gate:", result.gate)

# %% [markdown]
# A step whose inputs, settings and code have not changed comes from the cache. If you ran notebook 1 with the same
# `FOREBAY_HOME`, the training above took no time: it is the same training.
#
# ## Ask it over REST
#
# The model answers at an address. The server speaks KServe's protocol: `POST` a JSON document with `instances`, and
# get `predictions`. Here an instance is an image: rows of pixels from 0 to 255. `requests` is a plain HTTP client and
# knows nothing of Forebay.

# %%
digits = load_digits()
pixels = np.rint(digits.images[:6] * (255 / 16)).astype(np.uint8)

response = requests.post(result.url, json={"instances": pixels.tolist()}, timeout=60)
answer = response.json()
print(response.status_code, "model version", answer["predictions"][0]["model_version"])
print(json.dumps(answer["predictions"][0], indent=1))

# %%
figure, axes = plt.subplots(2, 6, figsize=(11, 3.4), height_ratios=[1, 1.3])
for column, prediction in enumerate(answer["predictions"]):
    axes[0, column].imshow(pixels[column], cmap="gray_r")
    axes[0, column].set_title(f"says {prediction['label_name']}")
    axes[0, column].axis("off")
    axes[1, column].bar(range(10), prediction["probabilities"])
    axes[1, column].set_xticks(range(10))
    axes[1, column].set_ylim(0, 1)
    axes[1, column].set_yticks([] if column else [0, 1])

# %% [markdown]
# The same from a shell. An image file may be sent as it is: the server scales and converts it as the training images
# were.

# %%
if shutil.which("curl"):
    plt.imsave(Path(temporary.name) / "digit.png", pixels[3], cmap="gray")
    command = ["curl", "--silent", "--data-binary", "@digit.png", "--header", "Content-Type: image/png", result.url]
    said = subprocess.run(command, cwd=temporary.name, check=True, capture_output=True, text=True).stdout
    print("curl --data-binary @digit.png --header 'Content-Type: image/png' $URL")
    print("says", json.loads(said)["predictions"][0]["label_name"], "of a", digits.target[3])
else:
    print("There is no curl on this machine.")

# %% [markdown]
# In Python `forebay.predict` is shorter, and takes paths, arrays and images of Pillow's alike:

# %%
for prediction in forebay.predict(result.url, pixels[:3]):
    print(prediction.label, f"{prediction.probability:.2f}", "by version", prediction.version)

# %% [markdown]
# ## From an answer back to its data
#
# Every answer carries the version of the model. In MLflow (`forebay ui`) that version has tags for its run, the
# digest of its data, and its code, so any answer can be traced to what it was made of. When a new version turns out
# worse, `forebay rollback NAME` makes the previous one the champion again, at the same address.
#
# ## Every night
#
# On a cluster the compiled file is all that Kubeflow needs: upload it, and give it a recurring run. From a script or
# a CI job:
#
# ```python
# result = forebay.submit("s3://photos/2026", model="resnet18", name="photos")
# if not result.passed:
#     print("the champion stays:", result.gate)
# ```

# %%
if not on_cluster:
    forebay.stop()
temporary.cleanup()

# %% [markdown]
# That was the way from one neuron to a served model. The pages of the documentation go on from here: *Data*,
# *Models*, *Recipes*, *Ensembles*, *Serving*, *Kubernetes*.
