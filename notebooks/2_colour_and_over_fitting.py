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
# # 2 · Colour images and over-fitting
#
# Photos are harder than digits: a cat may be anywhere, in any colour, from any side. A network that has seen only a
# few hundred of them can simply learn them by heart. This notebook makes that happen, shows how the curves give it
# away, and tries the three usual defences.
#
# **The images.** Where the environment variable `FOREBAY_CIFAR10_TAR` names a tar of CIFAR-10's training images
# (JPEGs in a folder per class), they are taken from there. Otherwise the notebook draws shapes on pieces of the two
# photos that scikit-learn brings along. Nothing is downloaded.

# %% tags=["parameters"]
ROWS = 600  # images in all; half of them are held out. More is slower and better
EPOCHS = 15
SEED = 0

# %%
import matplotlib.pyplot as plt
import numpy as np
import torch
from sample_images import colour_images
from torch import nn

plt.rcParams.update({"figure.dpi": 72, "axes.spines.top": False, "axes.spines.right": False})
torch.set_num_threads(1)  # the same numbers whatever the number of cores

data = colour_images(ROWS)
print(f"{len(data.images)} images ({data.source}), {len(data.classes)} classes: {', '.join(data.classes)}")

figure, axes = plt.subplots(2, 10, figsize=(10, 2.6))
for axis, image, label in zip(axes.flat, data.images, data.labels, strict=False):
    axis.imshow(image)
    axis.set_title(data.classes[label], fontsize=9)
    axis.axis("off")

# %% [markdown]
# ## Three channels
#
# A grey image is one number per pixel, a colour image three: red, green and blue. To a network it is a block of 3 x
# 32 x 32 numbers. We bring each channel to mean 0 and standard deviation 1, with the statistics of the *training*
# images alone: held-out images must not tell the network anything.

# %%
pixels = torch.tensor(data.images).permute(0, 3, 1, 2) / 255  # (N, 3, 32, 32)
labels = torch.tensor(data.labels)
half = len(pixels) // 2
mean, std = pixels[:half].mean((0, 2, 3), keepdim=True), pixels[:half].std((0, 2, 3), keepdim=True)
inputs = (pixels - mean) / std
x, y, x_test, y_test = inputs[:half], labels[:half], inputs[half:], labels[half:]

figure, axes = plt.subplots(1, 4, figsize=(8, 2.1))
axes[0].imshow(data.images[3])
for axis, channel, name in zip(axes[1:], pixels[3], ["red", "green", "blue"], strict=True):
    axis.imshow(channel, cmap="gray", vmin=0, vmax=1)
    axis.set_title(name)
for axis in axes:
    axis.axis("off")

# %% [markdown]
# ## A small convolutional network
#
# Three times: a convolution, *batch norm* (which keeps the numbers between layers at a good size, so that larger
# learning rates work), a ReLU, and pooling. Each time the image gets half as large and twice as deep.


# %%
def small_network(dropout=0.0):
    """32 x 32 colour images to one number per class."""
    layers = []
    for before, after in [(3, 16), (16, 32), (32, 64)]:
        layers += [nn.Conv2d(before, after, 3, padding=1), nn.BatchNorm2d(after), nn.ReLU(), nn.MaxPool2d(2)]
    return nn.Sequential(*layers, nn.Flatten(), nn.Dropout(dropout), nn.Linear(64 * 4 * 4, len(data.classes)))


def no_change(images):
    """Show every image as it is."""
    return images


def fit(network, augment=no_change, weight_decay=0.0, rows=None):
    """Train; return loss and accuracy, for training and held-out images, after each epoch."""
    torch.manual_seed(SEED)
    x_used, y_used = x[:rows], y[:rows]
    optimizer = torch.optim.AdamW(network.parameters(), lr=0.003, weight_decay=weight_decay)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, EPOCHS)  # smaller steps towards the end
    history = []
    for _ in range(EPOCHS):
        network.train()
        for chosen in torch.randperm(len(x_used)).split(32):
            loss = nn.functional.cross_entropy(network(augment(x_used[chosen])), y_used[chosen])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        schedule.step()
        history.append([*measure(network, x_used, y_used), *measure(network, x_test, y_test)])
    return np.array(history)


@torch.no_grad()
def measure(network, x, y):
    """Loss and accuracy."""
    network.eval()
    logits = torch.cat([network(rows) for rows in x.split(100)])
    return nn.functional.cross_entropy(logits, y).item(), (logits.argmax(1) == y).float().mean().item()


def plot_curves(curves):
    """Losses on the left, accuracies on the right."""
    _, axes = plt.subplots(1, 2, figsize=(10, 3.2))
    for colour, (name, history) in enumerate(curves.items()):
        for column, axis in enumerate(axes):
            axis.plot(history[:, column], "--", color=f"C{colour}")
            axis.plot(history[:, column + 2], color=f"C{colour}", label=name)
    axes[0].set(xlabel="epoch", title="Loss (dashed: training, solid: held out)")
    axes[1].set(xlabel="epoch", title="Accuracy", ylim=(0, 1.02))
    axes[1].legend()


torch.manual_seed(SEED)
curves = {"no defence": fit(small_network())}
plot_curves(curves)
print(f"training {curves['no defence'][-1, 1]:.1%}, held out {curves['no defence'][-1, 3]:.1%}")

# %% [markdown]
# **This is over-fitting.** The dashed line goes to the top: every training image is known by heart. The solid line
# stays far below it. The gap between the two is what the network has *remembered* and not *understood*. The loss
# tells it even earlier than the accuracy: on the training images it goes to 0, on the others it stops falling.
#
# ## Defence 1: more images
#
# The best defence, where it can be had. We train on a quarter, a half and all of the training images.

# %%
sizes = [half // 4, half // 2, half]
by_size = []
for rows in sizes[:-1]:
    torch.manual_seed(SEED)
    by_size.append(fit(small_network(), rows=rows)[-1, [1, 3]])
by_size = np.array([*by_size, curves["no defence"][-1, [1, 3]]])

figure, axis = plt.subplots(figsize=(5, 3))
axis.plot(sizes, by_size[:, 0], "--o", label="training")
axis.plot(sizes, by_size[:, 1], "-o", label="held out")
axis.set(xlabel="training images", ylabel="accuracy", ylim=(0, 1.05), title="The gap closes as images are added")
axis.legend()
plt.show()

# %% [markdown]
# ## Defence 2: augmentation
#
# A cat that is mirrored or moved by two pixels is still a cat. **Augmentation** changes each image a little, in
# another way in each epoch, so there is nothing to learn by heart.


# %%
def shift_and_flip(images):
    """Each image moved by up to 4 pixels, and mirrored or not."""
    padded = nn.functional.pad(images, (4, 4, 4, 4), mode="reflect")
    changed = []
    for image in padded:
        (top, left), flip = torch.randint(0, 9, (2,)), torch.rand(()) < 0.5
        cut = image[:, top : top + 32, left : left + 32]
        changed.append(cut.flip(2) if flip else cut)
    return torch.stack(changed)


torch.manual_seed(SEED)
seen = shift_and_flip(pixels[3:4].expand(8, -1, -1, -1))
figure, axes = plt.subplots(1, 8, figsize=(10, 1.5))
for axis, image in zip(axes, seen, strict=True):
    axis.imshow(image.permute(1, 2, 0))
    axis.axis("off")

# %% [markdown]
# ## Defence 3: make remembering expensive
#
# **Dropout** switches off half of the last layer's inputs in each step, others each time, so no answer can hang on a
# single one. **Weight decay** pulls every weight a little towards 0 in each step, so only those stay large that are
# needed often.

# %%
torch.manual_seed(SEED)
curves["augmentation"] = fit(small_network(), augment=shift_and_flip)
torch.manual_seed(SEED)
name = "augmentation, dropout, weight decay"
curves[name] = fit(small_network(dropout=0.3), augment=shift_and_flip, weight_decay=0.05)
plot_curves(curves)
for name, history in curves.items():
    print(f"{name:36} training {history[-1, 1]:6.1%}   held out {history[-1, 3]:.1%}")

# %% [markdown]
# The defences make the training curve *worse*, and that is the point: what counts is the solid line, and the smaller
# gap says that it can be believed. With so few held-out images a difference of a few points may be chance; more
# images (`ROWS` above) make it clear.
#
# ## The same with Forebay
#
# A run with the defaults augments colour images already, and it says so when a model over-fits, with the numbers and
# the settings that help:
#
# ```python
# import forebay
#
# folder = data.save(Path("photos"))  # a PNG per image, in a folder per class
# result = forebay.run(folder, settings={"train.recipe": "standard", "train.dropout": 0.5, "train.weight_decay": 0.005})
# result.summary["overfitting"]  # None, or what was seen and what helps
# ```
#
# The page *Over-fitting* of the documentation compares eight defences on 1 000 images, with curves.
#
# **Next:** notebook 3 leaves the images as they are and changes the network.
