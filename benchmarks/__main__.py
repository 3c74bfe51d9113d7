"""`python -m benchmarks [AREA]…`: measure, print side by side, save JSON and a plot."""

import argparse
import importlib
import sys
from pathlib import Path
from typing import Any

from benchmarks.machine import facts
from benchmarks.plot import draw
from benchmarks.rounds import ROUNDS, compare
from forebay.state import write_json

AREAS = ("ingest", "training", "augmentation", "serving", "batch", "pipeline")  # modules here, each with cases()


def main() -> int:
    """Run the chosen areas and write `benchmarks.json` and `benchmarks.png` into the output folder."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("areas", nargs="*", metavar="AREA", help=f"of {', '.join(AREAS)}; all of them by default")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="interleaved rounds (default %(default)s)")
    parser.add_argument("--output", type=Path, default=Path("build/benchmarks"), help="folder (default %(default)s)")
    arguments = parser.parse_args()
    unknown = set(arguments.areas) - set(AREAS)
    if unknown:
        parser.error(f"no area {', '.join(sorted(unknown))}; there are {', '.join(AREAS)}")
    groups: list[dict[str, Any]] = []
    for area in arguments.areas or AREAS:
        with importlib.import_module(f"benchmarks.{area}").cases() as cases:
            groups += compare(cases, _say, arguments.rounds)
    result = {"machine": facts(), "rounds": arguments.rounds, "groups": groups}
    arguments.output.mkdir(parents=True, exist_ok=True)
    write_json(arguments.output / "benchmarks.json", result)
    draw(result, arguments.output / "benchmarks.png")
    _print(result)
    print(f"\nSaved {arguments.output}/benchmarks.json and benchmarks.png.")
    return 0


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _print(result: dict[str, Any]) -> None:
    machine = result["machine"]
    print(f"{machine['processor']}, {machine['cores']} cores, flags {' '.join(machine['flags']) or 'none of note'}")
    for group in result["groups"]:
        print(f"\n{group['group']} [{group['unit']}, {group['better']} is better], median of {result['rounds']}")
        for name, values in group["results"].items():
            spread = f"{min(values['figures']):,.4g} to {max(values['figures']):,.4g}"
            print(f"  {name:<34} {values['median']:>12,.4g}  ({spread})  x{values['ratio']:.2f}")


if __name__ == "__main__":
    raise SystemExit(main())
