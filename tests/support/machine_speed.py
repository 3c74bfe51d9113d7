"""How slow the processor is that tests run on: claims in seconds are claims about a usual one."""

import time

USUAL_S = 0.06  # of processor time for the loop below, on a core of a recent server that nobody else uses


def slowness() -> float:
    """How many times as long as on a usual processor a loop takes here; at least 1."""
    began = time.process_time()
    total = 0
    for number in range(1_000_000):
        total += number
    return max(1.0, (time.process_time() - began) / USUAL_S)
