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
# # 3 · Architectures side by side
#
# The history of image networks is a handful of ideas, and each fits into ten lines of PyTorch. This notebook writes
# one small network per idea, trains all of them on the same images, and puts **accuracy**, **number of weights** and
# **time** into one plot, because none of the three says much alone.
#
# The images are those of notebook 2: CIFAR-10's where `FOREBAY_CIFAR10_TAR` names a tar of them, else drawn shapes.

# %% tags=["parameters"]
ROWS = 600  # images in all; half of them are held out
EPOCHS = 10
NETWORKS = []  # networks of Forebay's catalogue to train as well, some minutes each: ["resnet18", "timm/convnext_atto"]
SEED = 0

# %%
import os
import tempfile
import time
from pathlib import Path

import matplotlib.pyplot as plt
import torch
from sample_images import colour_images
from torch import nn

import forebay

plt.rcParams.update({"figure.dpi": 72, "axes.spines.top": False, "axes.spines.right": False})
torch.set_num_threads(1)  # the same numbers whatever the number of cores

data = colour_images(ROWS)
pixels = torch.tensor(data.images).permute(0, 3, 1, 2) / 255  # (N, 3, 32, 32)
labels = torch.tensor(data.labels)
half = len(pixels) // 2
mean, std = pixels[:half].mean((0, 2, 3), keepdim=True), pixels[:half].std((0, 2, 3), keepdim=True)
inputs = (pixels - mean) / std
x, y, x_test, y_test = inputs[:half], labels[:half], inputs[half:], labels[half:]
print(f"{len(pixels)} images ({data.source}), {len(data.classes)} classes")

# %% [markdown]
# ## The ideas
#
# All networks below share a beginning and an end, and differ in the **block** between: what happens to an image of
# `width` channels.


# %%
def convolution(before, after, size=3, **options):
    """Convolution, batch norm, ReLU: the brick of which most blocks are built."""
    return nn.Sequential(
        nn.Conv2d(before, after, size, padding=size // 2, bias=False, **options), nn.BatchNorm2d(after), nn.ReLU()
    )


class Residual(nn.Module):
    """ResNet (2015): learn what to *add* to the image. The sum lets gradients pass, so networks may be deep."""

    def __init__(self, width):
        super().__init__()
        self.change = nn.Sequential(convolution(width, width), convolution(width, width))

    def forward(self, x):
        return x + self.change(x)


class Inception(nn.Module):
    """GoogLeNet (2014): look through windows of several sizes at once, and put the answers side by side."""

    def __init__(self, width):
        super().__init__()
        part = width // 4
        self.branches = nn.ModuleList(
            [
                convolution(width, part, 1),
                nn.Sequential(convolution(width, part, 1), convolution(part, 2 * part, 3)),
                nn.Sequential(convolution(width, part, 1), convolution(part, part, 5)),
            ]
        )

    def forward(self, x):
        return torch.cat([branch(x) for branch in self.branches], 1)


class Dense(nn.Module):
    """DenseNet (2016): each layer gets all earlier ones as its input, so each needs to add only a little."""

    def __init__(self, width):
        super().__init__()
        growth = width // 4
        self.layers = nn.ModuleList(convolution(width + number * growth, growth) for number in range(4))
        self.mix = convolution(width + 4 * growth, width, 1)

    def forward(self, x):
        for layer in self.layers:
            x = torch.cat([x, layer(x)], 1)
        return self.mix(x)


class Separable(nn.Module):
    """MobileNet (2017): look at each channel by itself, then mix channels; a ninth of the work of a convolution."""

    def __init__(self, width):
        super().__init__()
        self.layers = nn.Sequential(*[
            layer for _ in range(2) for layer in (convolution(width, width, groups=width), convolution(width, width, 1))
        ])  # fmt: skip

    def forward(self, x):
        return self.layers(x)


class SqueezeExcite(nn.Module):
    """SENet (2017): a residual block that asks the whole image which channels matter, and turns up those."""

    def __init__(self, width):
        super().__init__()
        self.change = nn.Sequential(convolution(width, width), convolution(width, width))
        self.ask = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(width, width // 4, 1), nn.ReLU())
        self.answer = nn.Sequential(nn.Conv2d(width // 4, width, 1), nn.Sigmoid())

    def forward(self, x):
        change = self.change(x)
        return x + change * self.answer(self.ask(change))


class PatchTransformer(nn.Module):
    """ViT (2020): cut the image into patches, and let each patch look at all others. No convolution after the first."""

    def __init__(self, classes, width=48):
        super().__init__()
        self.patches = nn.Conv2d(3, width, 4, stride=4)  # 8 x 8 patches
        self.position = nn.Parameter(torch.randn(1, 64, width) * 0.02)
        layer = nn.TransformerEncoderLayer(width, 4, 2 * width, dropout=0.0, batch_first=True, norm_first=True)
        self.layers = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.last = nn.Linear(width, classes)

    def forward(self, x):
        x = self.patches(x).flatten(2).transpose(1, 2)
        return self.last(self.layers(x + self.position).mean(1))


def network_of(block, classes, width=32):
    """Begin with 16 x 16 pixels, a block, half the size, a block; end with the mean over the image."""
    return nn.Sequential(
        convolution(3, width, stride=2), block(width), nn.MaxPool2d(2), block(width),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, classes),
    )  # fmt: skip


BUILDERS = {
    "plain": lambda classes: network_of(lambda width: convolution(width, width), classes),
    "Inception": lambda classes: network_of(Inception, classes),
    "ResNet": lambda classes: network_of(Residual, classes),
    "DenseNet": lambda classes: network_of(Dense, classes),
    "MobileNet": lambda classes: network_of(Separable, classes),
    "SENet": lambda classes: network_of(SqueezeExcite, classes),
    "ViT": lambda classes: PatchTransformer(classes),
}

# %% [markdown]
# ## Train all of them
#
# The same images, the same number of epochs, the same optimizer, and images mirrored at random. Time is processor
# time of one thread for the whole training.


# %%
@torch.no_grad()
def accuracy(network):
    """On the held-out images."""
    network.eval()
    logits = torch.cat([network(rows) for rows in x_test.split(100)])
    return (logits.argmax(1) == y_test).float().mean().item()


def train(network):
    """Return the held-out accuracy after each epoch, and the seconds that training took."""
    optimizer = torch.optim.AdamW(network.parameters(), lr=0.003, weight_decay=0.01)
    steps = EPOCHS * -(-len(x) // 32)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.005, total_steps=steps)
    curve, seconds = [], 0.0
    for _ in range(EPOCHS):
        network.train()
        began = time.process_time()
        for rows in torch.randperm(len(x)).split(32):
            batch = x[rows].flip(3) if torch.rand(()) < 0.5 else x[rows]
            loss = nn.functional.cross_entropy(network(batch), y[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
        seconds += time.process_time() - began
        curve.append(accuracy(network))
    return curve, seconds


results = {}
for name, build in BUILDERS.items():
    torch.manual_seed(SEED)
    network = build(len(data.classes))
    curve, seconds = train(network)
    results[name] = (sum(weights.numel() for weights in network.parameters()), seconds, curve)

print(f"{'':10} {'weights':>8}  held-out accuracy")
for name, (weights, _, curve) in results.items():
    print(f"{name:10} {weights:8,}  {curve[-1]:.1%}")

# %% [markdown]
# ## One plot
#
# To the left is faster, up is more accurate, and a larger disc has more weights; the colours are named at the right.
# The best networks stand at the upper left. To have an idea of chance: the bar is the 95 % interval of the accuracy
# with so many held-out images. Where two bars overlap, these images do not tell which network is better.

# %%
figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4), width_ratios=[3, 2])
for colour, (name, (weights, seconds, curve)) in enumerate(results.items()):
    error = 1.96 * (curve[-1] * (1 - curve[-1]) / len(x_test)) ** 0.5
    left.errorbar(seconds, curve[-1], error, color=f"C{colour}", alpha=0.4)
    left.scatter(seconds, curve[-1], s=weights / 150, color=f"C{colour}", alpha=0.7)
    right.plot(range(1, EPOCHS + 1), curve, color=f"C{colour}", label=name)
left.set(xlabel="seconds of training (one thread)", ylabel="held-out accuracy", xlim=(0, None))
right.set(xlabel="epoch", title="How they got there")
right.legend(fontsize=8)
plt.show()

# %% [markdown]
# What to look for:
#
# - **Fewer weights are not less time.** MobileNet's block has a fraction of the weights and of the arithmetic, but on
#   a processor its thin convolutions wait for memory. On a phone that is another matter.
# - **A transformer needs data.** It has to learn from the images what a convolution knows from the start: that
#   neighbours belong together. With a few hundred images it rarely wins; with millions it does.
# - **Short trainings favour simple networks.** More epochs and more images change the order. That is why such a
#   comparison belongs on *your* data.
#
# ## The real ones
#
# Forebay knows 1 400 networks of torchvision and timm by name (`forebay models`), fitted to the size of your images.
# Put names into `NETWORKS` above, and they are trained on these images, through the whole pipeline: each is evaluated
# on rows that it has not seen, and registered under a name of its own.

# %%
temporary = tempfile.TemporaryDirectory()
os.environ.setdefault("FOREBAY_HOME", temporary.name)
os.environ.setdefault("FOREBAY_PORT", "0")  # any free one

folder = data.save(Path(temporary.name) / "photos")
for network in NETWORKS:
    result = forebay.run(
        folder,
        model=network,
        name=f"colour-{network.replace('/', '-')}",
        settings={"train.epochs": EPOCHS, "evaluate.min_accuracy": 0.1},
        show=False,
    )
    low, high = result.accuracy_interval
    print(f"{network:24} {result.accuracy:.1%} ({low:.1%} to {high:.1%})  {result.gate}")
forebay.stop()
temporary.cleanup()

# %% [markdown]
# **Next:** notebook 4 begins with weights that have seen a million photos, and lets several networks vote.
