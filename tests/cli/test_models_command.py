"""`forebay models`: what it lists, and that it costs no import of PyTorch."""

import json
import subprocess
import sys

from click.testing import CliRunner

from forebay.cli.main import group


def test_a_part_of_a_name_lists_each_network_with_parameters_smallest_side_and_weights() -> None:
    answer = CliRunner().invoke(group, ["models", "inception_v"])
    lines = [line.split() for line in answer.stdout.splitlines()]
    assert lines[0] == ["name", "parameters", "smallest", "pretrained"]
    assert ["inception_v3", "23,834,568", "19", "as", ".pth"] in lines
    assert ["inception_v4", "42,679,816", "37", "yes"] in lines
    assert "timm/inception_v3" in [line[0] for line in lines], "torchvision's has the short name"


def test_wildcards_and_libraries_choose_and_json_holds_the_rest() -> None:
    answer = json.loads(CliRunner().invoke(group, ["models", "timm/vit_tiny_patch16_???", "--json"]).stdout)
    [found, *_] = answer["models"]
    assert (found["name"], found["library"], found["side_step"]) == ("vit_tiny_patch16_224", "timm", 16)
    assert "augreg_in21k_ft_in1k" in found["weights"]
    assert answer["versions"].keys() == {"timm", "torchvision"}


def test_a_pattern_without_a_match_is_answered_with_near_names() -> None:
    answer = CliRunner().invoke(group, ["models", "resnett18"])
    assert answer.exit_code == 2
    assert "No network's name matches 'resnett18'. Near names are resnet18" in " ".join(answer.stderr.split())


def test_the_list_imports_neither_torch_nor_a_library_of_networks() -> None:
    program = (
        "import sys\nfrom click.testing import CliRunner\nfrom forebay.cli.main import group\n"
        "assert CliRunner().invoke(group, ['models']).exit_code == 0\n"
        "print({'torch', 'timm', 'torchvision', 'numpy'} & sys.modules.keys())"
    )
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True).stdout == "set()\n"
