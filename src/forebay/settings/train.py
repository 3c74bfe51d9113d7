"""Settings of the train step."""

from dataclasses import dataclass
from typing import ClassVar

from forebay.errors import ConfigError
from forebay.settings.ensembles import MOST_MEMBERS, versions_rule
from forebay.settings.field import StepConfig, code_version_setting, setting
from forebay.settings.gpu import GPU_RESOURCE, gpu_resource_rule
from forebay.settings.own_model import model_code_rule, own_model
from forebay.settings.rules import (
    AUTO,
    at_least,
    auto_or_between,
    auto_or_float,
    auto_or_int,
    between,
    known_model,
    matching,
    memory_amount,
    one_of,
)

LARGEST_SEED = 2**31 - 1


@dataclass(frozen=True, kw_only=True)
class TrainConfig(StepConfig):
    """How to fit the model. The defaults finish in seconds for digits on two CPU cores."""

    prefix: ClassVar[str] = "train"

    code_version: str = code_version_setting()
    model: str = setting(
        AUTO,
        meaning="mlp, lenet5, resnet9 or a classification model of torchvision or timm by name, also as timm/NAME; "
        "auto is resnet9; or a network of your own: FILE.py:NAME, package.module:NAME, or a name that an installed "
        "package brings",
        rule=known_model("resnet18"),
    )
    model_code: str = setting(
        "",
        meaning="The text of FILE.py where train.model is FILE.py:NAME (base64 of zlib), or a digest of the package's "
        "code; the command line fills it in",
        rule=model_code_rule,
    )
    width: str = setting(
        AUTO,
        unit="channels",
        meaning="Channels of the first stage of mlp (hidden units) and resnet9; auto follows the image size",
        rule=auto_or_int(1),
    )
    weights: str = setting(
        AUTO,
        meaning="Pretrained weights to begin with: published, a name of timm's weights, a .safetensors file or s3:// "
        "URI of one, models:/NAME@ALIAS or models:/NAME/VERSION; auto takes the embedded backbone for colour photos "
        "and drawings where it wins; none begins from random weights",
        rule=lambda value: None if value.strip() == value != "" else "must be auto, none or the name of weights",
    )
    weights_sha256: str = setting(
        "",
        meaning="Digest that the file of these weights must have; the command line fills it in for a file",
        rule=matching(r"([0-9a-f]{64})?", "64 hex digits in lower case, as sha256sum prints them"),
    )
    input_size: str = setting(
        AUTO,
        unit="HxW pixels",
        meaning="Size to which the network scales the stored images; auto is what the pretrained weights want, and "
        "without them the stored size",
        rule=matching(r"auto|[1-9]\d{0,3}x[1-9]\d{0,3}", "auto or 128x128"),
    )
    epochs: str = setting(
        AUTO, unit="epochs", meaning="Passes over the training rows; auto follows their number", rule=auto_or_int(1)
    )
    head_epochs: str = setting(
        AUTO,
        unit="epochs",
        meaning="The first of the epochs, in which all but the last layer of pretrained weights stay as they are; auto "
        "is 3, or fewer where there are fewer epochs",
        rule=auto_or_int(0),
    )
    batch_rows: str = setting(
        AUTO,
        unit="rows",
        meaning="Rows per optimizer step, over all machines; auto follows the number of rows",
        rule=auto_or_int(1),
    )
    learning_rate: str = setting(
        AUTO,
        unit="per step",
        meaning="Peak learning rate; auto follows the model and optimizer",
        rule=auto_or_float(0, 100),
    )
    layer_decay: str = setting(
        AUTO,
        unit="factor",
        meaning="Learning rate of each layer of pretrained weights as a part of that of the next one, from the last "
        "layer to the first; auto is 0.75",
        rule=auto_or_float(0, 1),
    )
    optimizer: str = setting(
        AUTO, meaning="sgd has Nesterov momentum; auto follows the model", rule=one_of(AUTO, "sgd", "adamw")
    )
    weight_decay: float = setting(
        5e-4, unit="per step", meaning="Decay of weights, not of biases and norms", rule=between(0, 10)
    )
    schedule: str = setting(
        "onecycle", meaning="Shape of the learning rate over the run", rule=one_of("onecycle", "cosine", "constant")
    )
    label_smoothing: float = setting(
        0.1, unit="probability", meaning="Mass spread over the other classes", rule=between(0, 0.9)
    )
    dropout: float = setting(0.0, unit="probability", meaning="Dropout before the last layer", rule=between(0, 0.95))
    class_weights: str = setting(
        "none", meaning="balanced weighs the loss by inverse class frequency", rule=one_of("none", "balanced")
    )
    recipe: str = setting(
        AUTO,
        meaning="Preset of the settings from train.crop_scale to train.ema_decay: small sets none, standard and strong "
        "more and more; one that is given by hand wins; auto is small for a network that starts from random weights",
        rule=one_of(AUTO, "small", "standard", "strong"),
    )
    augment: str = setting(
        AUTO,
        meaning="Random shifts (shift), also mirrored (shift_flip), or none; auto is none below 14 pixels a side, else "
        "shift for grey images and shift_flip for colour",
        rule=one_of(AUTO, "none", "shift", "shift_flip"),
    )
    crop_scale: str = setting(
        AUTO,
        unit="fraction of area",
        meaning="Smallest part of an image that a random crop keeps and scales back to full size; 1: no crops; auto "
        "follows train.recipe",
        rule=auto_or_between(0.05, 1),
    )
    rotation: str = setting(
        AUTO,
        unit="degrees",
        meaning="Largest random rotation, either way; 0: none; auto follows train.recipe",
        rule=auto_or_between(0, 180),
    )
    color_jitter: str = setting(
        AUTO,
        unit="fraction",
        meaning="Largest random change of brightness, contrast and saturation; the hue turns by up to a quarter of it; "
        "grey images have no saturation and no hue; 0: none; auto follows train.recipe",
        rule=auto_or_between(0, 1),
    )
    auto_augment: str = setting(
        AUTO,
        meaning="Random operations on each image: one of random strength (trivialaugment) or two of fixed strength "
        "(randaugment), or none; auto follows train.recipe",
        rule=one_of(AUTO, "none", "trivialaugment", "randaugment"),
    )
    erasing: str = setting(
        AUTO,
        unit="probability",
        meaning="Probability that a rectangle of an image is filled with its mean colour; 0: never; auto follows "
        "train.recipe",
        rule=auto_or_between(0, 1),
    )
    mixup: str = setting(
        AUTO,
        unit="alpha",
        meaning="Blend each image and its label with another one, by a share from Beta(alpha, alpha); 0: never; auto "
        "follows train.recipe",
        rule=auto_or_between(0, 10),
    )
    cutmix: str = setting(
        AUTO,
        unit="alpha",
        meaning="Put a rectangle of another image into each one, its area from Beta(alpha, alpha); with train.mixup "
        "each image takes one of both; 0: never; auto follows train.recipe",
        rule=auto_or_between(0, 10),
    )
    ema_decay: str = setting(
        AUTO,
        unit="per step",
        meaning="Validate and deliver a running average of the weights that keeps this much of itself in each step; "
        "0: the last weights; auto follows train.recipe",
        rule=auto_or_between(0, 0.99999),
    )
    drop_path: str = setting(
        AUTO,
        unit="probability",
        meaning="Probability that a row skips the last residual block, less in those before it (stochastic depth); 0: "
        "never; auto is what the model has by itself, such as 0.1 or 0.2 in torchvision's ConvNeXt and EfficientNet",
        rule=auto_or_between(0, 0.9),
    )
    warmup: str = setting(
        AUTO,
        unit="fraction of steps",
        meaning="First part of the steps, in which the learning rate rises to its peak; auto is 0.2 for onecycle, "
        "0 for the other schedules",
        rule=auto_or_between(0, 0.9),
    )
    early_stop_epochs: int = setting(
        0,
        unit="epochs",
        meaning="Stop after so many epochs without a better validation loss and keep the best; 0 never",
        rule=at_least(0),
    )
    precision: str = setting(
        AUTO, meaning="auto is bf16 where the CPU or GPU has it natively, else fp32", rule=one_of(AUTO, "fp32", "bf16")
    )
    threads: str = setting(
        AUTO,
        unit="threads",
        meaning="CPU threads of PyTorch; auto is the cores this process may use, and 1 for batches below 65536 pixels",
        rule=auto_or_int(1),
    )
    seed: int = setting(
        0, meaning="Seed of weights, order and augmentation; never of the split", rule=between(0, LARGEST_SEED)
    )
    members: int = setting(
        1,
        unit="networks",
        meaning="Networks to train, with the seeds seed, seed + 1, …; the mean of their probabilities answers",
        rule=between(1, MOST_MEMBERS),
    )
    ensemble: str = setting(
        "",
        meaning="Registered versions that become one model in place of a training, such as digits/3,digits/5; "
        "`forebay ensemble` fills it in",
        rule=versions_rule(),
    )
    gpus: str = setting(
        "0",
        unit=GPU_RESOURCE,
        meaning="GPUs that the step's pod or container asks for; text, because KFP's backend reads a number as empty",
        rule=matching(r"\d{1,3}", "0 or 1"),
    )
    nodes: int = setting(
        1,
        unit="machines",
        meaning="Machines that train together; more than 1 needs a cluster with Kubeflow Trainer",
        rule=between(1, 1000),
    )
    node_gpus: int = setting(
        0, unit="GPUs", meaning="GPUs of each of these machines; each trains one process", rule=between(0, 64)
    )
    node_gpu_resource: str = setting(
        GPU_RESOURCE,
        meaning="What the cluster calls these GPUs: nvidia.com/gpu, or a MIG slice such as nvidia.com/mig-1g.10gb",
        rule=gpu_resource_rule(),
    )
    node_memory: str = setting("4Gi", meaning="Memory that each of these machines gives", rule=memory_amount("4Gi"))
    checkpoint_s: int = setting(
        20,
        unit="seconds",
        meaning="Time between checkpoints inside an epoch; one follows every epoch as well",
        rule=at_least(1),
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.ensemble and self.members > 1:
            raise ConfigError(
                f"train.members={self.members} trains networks, and train.ensemble={self.ensemble} takes those of "
                "registered versions. Give one of them."
            )
        if self.members > 1 and own_model(self.model):
            raise ConfigError(
                f"train.members={self.members} makes one model of several networks of Forebay's, timm's or "
                f"torchvision's; {self.model} is a network of your own, which is served alone. Set train.members=1."
            )
        if self.seed + self.members - 1 > LARGEST_SEED:
            raise ConfigError(
                f"train.seed={self.seed} with train.members={self.members} goes past the largest seed {LARGEST_SEED}. "
                "Lower train.seed."
            )
