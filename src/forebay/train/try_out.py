"""Try a network of the user's own before it is trained: what would fail at the end of a long training fails now."""

import torch

from forebay.train.export_network import export_trained, held_out_images
from forebay.train.loop.training_state import check_memory
from forebay.train.own_network import TRIED_ROWS, OwnNetwork
from forebay.train.plan.training_plan import TrainingPlan
from forebay.train.torch_limits import explained_memory_errors, torch_threads


def try_out_network(plan: TrainingPlan, own: OwnNetwork) -> None:
    """Compute a step and a graph with a network that is thrown away; it takes some seconds.

    Raises:
        UserCodeError: the user's code raises.
        TrainError: the network cannot be trained, or not be exported as a graph.
        MachineError: a library that exports is not installed.
    """
    settings, data = plan.settings, plan.data
    torch.manual_seed(settings.seed)
    with torch_threads(settings.threads), explained_memory_errors(settings):
        network = own.build_for(data)
        check_memory(network)
        images = held_out_images(plan)[:TRIED_ROWS]
        own.try_out(network, images, len(data.classes), processes=settings.processes)
        export_trained(plan, own, network, is_trained=False)
