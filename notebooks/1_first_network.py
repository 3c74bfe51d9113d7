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
# # 1 · A first network
#
# We begin with one artificial neuron, join ten of them, put layers on top of each other, and end with LeNet-5, which
# read the digits on bank cheques in the 1990s. On the way we meet the three words that the rest of this series needs:
# **loss**, **learning rate** and **curve**. The last part trains the same network with Forebay: the whole way from
# images to a model that answers over REST is one call.
#
# The images are the 1 797 handwritten digits that scikit-learn brings along. Nothing is downloaded.

# %% tags=["parameters"]
EPOCHS = 30  # passes over the training images; more is slower and, up to a point, better
SEED = 0

# %%
import os
import tempfile

import matplotlib.pyplot as plt
import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import nn

import forebay

plt.rcParams.update({"figure.dpi": 72, "axes.spines.top": False, "axes.spines.right": False})
torch.manual_seed(SEED)
torch.set_num_threads(1)  # the same numbers whatever the number of cores

# %% [markdown]
# ## The data
#
# Each image is 8 x 8 pixels with grey levels from 0 to 16; we scale them to 0..1. We keep every fifth image aside.
# The network never learns from these **held-out** images, so they show how good it is on images that it has not seen.

# %%
digits = load_digits()
images = torch.tensor(digits.images[:, None] / 16, dtype=torch.float32)  # (1797, 1, 8, 8)
labels = torch.tensor(digits.target)
held_out = torch.arange(len(images)) % 5 == 0
x, y = images[~held_out], labels[~held_out]
x_test, y_test = images[held_out], labels[held_out]
print(f"{len(x)} images to learn from, {len(x_test)} held out")

figure, axes = plt.subplots(1, 10, figsize=(10, 1.3))
for digit, axis in enumerate(axes):
    axis.imshow(x[y == digit][0, 0], cmap="gray_r")
    axis.set(title=str(digit), xticks=[], yticks=[])

# %% [markdown]
# ## One neuron
#
# A neuron multiplies each input by a **weight**, adds everything up, adds a **bias**, and squeezes the sum into a
# number between 0 and 1. We ask one neuron a single question: *is this image a zero?*
#
# Training changes the 64 weights a little at a time:
#
# 1. the neuron answers for all images,
# 2. the **loss** says how wrong the answers are, as one number,
# 3. `backward` computes in which direction each weight makes the loss larger,
# 4. the optimizer moves each weight a small step the other way. How small is the **learning rate**.

# %%
neuron = nn.Linear(64, 1)
optimizer = torch.optim.SGD(neuron.parameters(), lr=0.5)
is_zero = (y == 0).float()
losses = []
for _ in range(200):
    answer = torch.sigmoid(neuron(x.flatten(1))).squeeze(1)
    loss = nn.functional.binary_cross_entropy(answer, is_zero)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    losses.append(loss.item())

with torch.no_grad():
    right = ((neuron(x_test.flatten(1)).squeeze(1) > 0) == (y_test == 0)).float().mean()
print(f"One neuron tells zeros from other digits in {right:.1%} of the held-out images")

figure, (left, middle) = plt.subplots(1, 2, figsize=(9, 3), width_ratios=[2, 1])
left.plot(losses)
left.set(xlabel="step", ylabel="loss", title="The loss falls")
shown = middle.imshow(neuron.weight.detach().reshape(8, 8), cmap="coolwarm", vmin=-1.5, vmax=1.5)
middle.set(title="Its 64 weights", xticks=[], yticks=[])
figure.colorbar(shown)
plt.show()

# %% [markdown]
# The weights are a picture of the question. Red pixels speak for a zero: the ring. Blue pixels speak against it: the
# hole in the middle.
#
# ## What the loss is
#
# For ten classes the last layer gives ten numbers, and *softmax* turns them into probabilities that add up to 1. The
# loss, *cross-entropy*, is `-log(probability of the right class)`. To be sure and right costs nothing. To be sure and
# wrong costs a lot, and this is what makes a network careful.

# %%
probability = torch.linspace(0.01, 1, 200)
figure, axis = plt.subplots(figsize=(5, 2.6))
axis.plot(probability, -torch.log(probability))
axis.axhline(np.log(10), color="grey", linestyle=":")
axis.annotate("guessing among 10 classes", (0.45, np.log(10) + 0.12), color="grey")
axis.set(xlabel="probability of the right class", ylabel="loss")
plt.show()

# %% [markdown]
# ## Ten neurons, and the learning rate
#
# Ten neurons side by side, one for each digit, are the simplest classifier. It is the right place to see what the
# learning rate does. We train the same ten neurons three times, from the same random weights.


# %%
def fit(network, rate, epochs, batch=64):
    """Train by stochastic gradient descent; return loss and accuracy, for both sets, after each epoch."""
    optimizer = torch.optim.SGD(network.parameters(), lr=rate, momentum=0.9)
    order = torch.Generator().manual_seed(SEED)
    history = []
    for _ in range(epochs):
        network.train()
        for rows in torch.randperm(len(x), generator=order).split(batch):
            loss = nn.functional.cross_entropy(network(x[rows]), y[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        history.append([*measure(network, x, y), *measure(network, x_test, y_test)])
    return np.array(history)


@torch.no_grad()
def measure(network, x, y):
    """Loss and accuracy."""
    network.eval()
    logits = network(x)
    return nn.functional.cross_entropy(logits, y).item(), (logits.argmax(1) == y).float().mean().item()


figure, axis = plt.subplots(figsize=(6, 3))
for rate, word in [(0.0005, "too small"), (0.1, "good"), (20, "too large")]:
    torch.manual_seed(SEED)
    ten_neurons = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
    axis.plot(fit(ten_neurons, rate, epochs=15)[:, 0], marker=".", label=f"{rate}: {word}")
axis.set(xlabel="epoch", ylabel="training loss", yscale="log", title="The learning rate")
axis.legend()
plt.show()

# %% [markdown]
# With a small rate the network hardly moves. With a large one each step jumps over the valley, and the loss is high
# and restless. In between it falls fast and then flattens. One pass over all training images is an **epoch**.
#
# ## Layers: an MLP
#
# Ten neurons can only weigh pixels. A **hidden layer** computes something from the pixels first, and the last layer
# weighs *that*. Between the layers stands a kink (`ReLU`, which replaces negative numbers by 0); without it, two
# layers would be no more than one. Such a network is called a multi-layer perceptron, an MLP.
#
# ## LeNet-5: look at neighbours first
#
# An MLP does not know which pixels are neighbours. A **convolution** does: it slides one small window of weights over
# the whole image, and so finds the same stroke everywhere. **Pooling** keeps the strongest answer of each 2 x 2
# block. LeNet-5 has two of these pairs and an MLP behind them. This one is fitted to 8 x 8 pixels.

# %%
torch.manual_seed(SEED)
networks = {
    "ten neurons": nn.Sequential(nn.Flatten(), nn.Linear(64, 10)),
    "MLP": nn.Sequential(nn.Flatten(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10)),
    "LeNet-5": nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(64, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10),
    ),
}  # fmt: skip
curves = {name: fit(network, rate=0.02, epochs=EPOCHS) for name, network in networks.items()}

for name, network in networks.items():
    parameters = sum(weights.numel() for weights in network.parameters())
    print(f"{name:12} {parameters:6,} weights   {curves[name][-1, 3]:.1%} of the held-out images right")

# %%
figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.2))
for colour, (name, history) in enumerate(curves.items()):
    left.plot(history[:, 0], color=f"C{colour}", linestyle="--")
    left.plot(history[:, 2], color=f"C{colour}", label=name)
    right.plot(history[:, 3], color=f"C{colour}", label=name)
left.set(xlabel="epoch", ylabel="loss", yscale="log", title="Loss (dashed: training, solid: held out)")
right.set(xlabel="epoch", ylabel="accuracy", ylim=(0.8, 1), title="Accuracy on held-out images")
right.legend()
plt.show()

# %% [markdown]
# These are the **curves** that every training in this series ends with. Read them like this:
#
# - Both losses fall: the network learns.
# - The training loss goes on falling and the held-out loss does not: it learns its training images by heart. That is
#   *over-fitting*, the subject of notebook 2.
# - Neither falls: the learning rate is wrong, or the network cannot see what matters.
#
# What does LeNet-5 still get wrong?

# %%
lenet = networks["LeNet-5"]
with torch.no_grad():
    probabilities = lenet(x_test).softmax(1)
wrong = (probabilities.argmax(1) != y_test).nonzero().flatten()[:8]
figure, axes = plt.subplots(1, 8, figsize=(10, 1.7))
for axis in axes:
    axis.axis("off")
for axis, row in zip(axes, wrong, strict=False):
    axis.imshow(x_test[row, 0], cmap="gray_r")
    sure, said = probabilities[row].max(0)
    axis.set_title(f"{y_test[row]}, said {said}\n{sure:.0%} sure", fontsize=9)

# %% [markdown]
# ## The same with Forebay
#
# What we did by hand is the step *train* of a pipeline with six: ingest, preprocess, train, evaluate, register,
# deploy. One call runs them all. A *gate* between evaluate and register decides whether the model is good enough to
# serve.
#
# Runs and models lie in a state folder. This notebook uses a temporary one; set `FOREBAY_HOME` before you start, and
# they stay.

# %%
temporary = tempfile.TemporaryDirectory()
os.environ.setdefault("FOREBAY_HOME", temporary.name)
os.environ.setdefault("FOREBAY_PORT", "0")  # any free one

result = forebay.run(model="lenet5", name="digits-lenet5", settings={"train.epochs": 10}, show=False)
low, high = result.accuracy_interval
print(f"accuracy  {result.accuracy:.1%} ({low:.1%} to {high:.1%}) of {result.rows} held-out images")
print(f"gate      {result.gate}")
print(f"model     {result.name}, version {result.version}")

# %% [markdown]
# In a notebook of your own write `result` as the last line of a cell, and it shows a table and the whole report.
# Leave out `show=False`, and you see the steps as they run. `result.history` holds the curves:

# %%
figure, axis = plt.subplots(figsize=(6, 3))
epochs = [epoch["epoch"] for epoch in result.history]
for key, style in [("train_loss", "--"), ("validation_loss", "-")]:
    axis.plot(epochs, [epoch[key] for epoch in result.history], style, color="C2", label=key.replace("_", " "))
axis.set(xlabel="epoch", ylabel="loss", title="LeNet-5, trained by Forebay")
axis.legend()
plt.show()

# %% [markdown]
# The loss ends higher than ours above: Forebay's `train.label_smoothing` of 0.1 asks the network never to be entirely
# sure. Now we take the model back out of the registry and ask it.

# %%
model = forebay.load_model(f"{result.name}@champion")
pixels = np.rint(digits.images[:5] * (255 / 16)).astype(np.uint8)
for truth, answer in zip(digits.target[:5], model.predict(pixels), strict=True):
    print(f"{truth}: {answer.label} with probability {answer.probability:.2f}")

# %% [markdown]
# `model.module` is the network itself, an ordinary `torch.nn.Module`. So we can look at what its first layer sees in
# a digit: six windows, six images.

# %%
with torch.no_grad():
    seen = model.module[0](model.tensor(pixels[:1])).relu()[0]
figure, axes = plt.subplots(1, 7, figsize=(9, 1.5))
axes[0].imshow(pixels[0], cmap="gray_r")
axes[0].set_title("image")
for number, (axis, plane) in enumerate(zip(axes[1:], seen, strict=True), start=1):
    axis.imshow(plane, cmap="viridis")
    axis.set_title(f"window {number}")
for axis in axes:
    axis.axis("off")

# %%
forebay.stop()
temporary.cleanup()

# %% [markdown]
# **Next:** notebook 2 takes colour images and looks at what happens when there are few of them.
