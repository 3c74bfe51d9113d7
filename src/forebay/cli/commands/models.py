"""`forebay models`: the networks that `train.model` may name. It reads a file of the package and imports no PyTorch."""

import difflib
import fnmatch
import json

import click

from forebay.cli.command import command
from forebay.cli.options import json_option
from forebay.errors import ConfigError
from forebay.settings.model_names import TORCHVISION, ListedModel, catalogue, list_models
from forebay.user_code import MODELS_GROUP, entry_point_names


@command("models")
@click.argument("pattern", metavar="[PATTERN]", required=False, default="*")
@json_option
def models_command(pattern: str, as_json: bool) -> None:
    """List the networks that train.model may name.

    PATTERN is a part of the name (`resnet`) or has wildcards (`timm/vit_*16*`). Each line holds the name as train.model
    takes it, the parameters (with the library's own classes and image size), the side of the smallest square image, and
    whether published pretrained weights exist: `yes` for safetensors that train.weights can fetch, `as .pth` for a
    file that it takes with its sha256. A `?` stands for what is not measured yet. Names that
    installed packages bring come last.
    """
    named = [model for model in list_models() if _matches(model, pattern)]
    own = [name for name in entry_point_names(MODELS_GROUP) if fnmatch.fnmatchcase(name, _wildcards(pattern))]
    if not named and not own:
        raise ConfigError(_nothing(pattern))
    if as_json:
        facts = {"models": [_facts(model) for model in named], "installed": own, "versions": catalogue()["versions"]}
        click.echo(json.dumps(facts))
        return
    wide = max((len(each) for each in (*(model.name for model in named), *own)), default=0)
    click.echo(f"{'name':<{wide}}  {'parameters':>13}  {'smallest':>8}  pretrained")
    for model in named:
        known = (f"{model.entry.parameters:,}", str(model.entry.smallest)) if model.entry else ("?", "?")
        click.echo(f"{model.name:<{wide}}  {known[0]:>13}  {known[1]:>8}  {_pretrained(model)}")
    for name in own:
        click.echo(f"{name:<{wide}}  {'?':>13}  {'?':>8}  of an installed package")


def _matches(model: ListedModel, pattern: str) -> bool:
    names = (model.name, f"{model.library}/{model.architecture}")
    return any(fnmatch.fnmatchcase(name, _wildcards(pattern)) for name in names)


def _wildcards(pattern: str) -> str:
    return pattern if set("*?[") & set(pattern) else f"*{pattern}*"


def _pretrained(model: ListedModel) -> str:
    if not model.weights:
        return "no"
    return "as .pth" if model.library == TORCHVISION else "yes"


def _facts(model: ListedModel) -> dict[str, object]:
    entry = model.entry
    return {
        "name": model.name, "library": model.library, "architecture": model.architecture,
        "parameters": entry.parameters if entry else None, "smallest_side": entry.smallest if entry else None,
        "side_step": entry.step if entry else None, "weights": model.weights,
    }  # fmt: skip


def _nothing(pattern: str) -> str:
    near = difflib.get_close_matches(pattern, [model.name for model in list_models()], n=3, cutoff=0.5)
    hint = f"Near names are {', '.join(near)}." if near else "Call `forebay models` for all names."
    return f"No network's name matches {pattern!r}. {hint}"
