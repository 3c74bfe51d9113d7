"""Texts of networks that somebody wrote."""

from typing import Any

from forebay.user_code import encode_code

HEAD = "import torch\nfrom torch import nn\nfrom torch.nn import functional as F\n\n"
INIT = "    def __init__(self, *, channels, height, width, classes):\n        super().__init__()\n"
CONV = f"""{HEAD}
class Net(nn.Module):
{INIT}        self.conv = nn.Conv2d(channels, 8, 3, padding=1)
        self.norm = nn.BatchNorm2d(8)
        self.again = self.norm  # one layer under two names
        self.head = nn.Linear(8 * height * width, classes)
        self.bias = self.head.bias  # weights under two names
        self.register_buffer("mask", torch.tensor([0.0, float("-inf")]))

    def forward(self, images):
        x = self.again(F.relu(self.norm(self.conv(images))))
        x = F.dropout(x, 0.2, self.training)
        return self.head(x.view(x.size(0), -1)) + self.mask[0]
"""


def own_settings(code: str = CONV, **changes: Any) -> dict[str, Any]:
    """Settings of a training of twenty steps with a network of the user's."""
    return {
        "model": "net.py:Net", "model_code": encode_code(code), "width": "auto", "dropout": 0.0, "epochs": "2",
        "batch_rows": "32",
        "augment": "shift", "threads": "1", "code_version": "test", "precision": "fp32", **changes,
    }  # fmt: skip
