"""`python -m benchmarks.tuning FOLDER`: the default settings and a search, on the same split of the same images.

Both are printed by the validation rows, which chose, and once by the held-out rows, which did not. Runs and study are
kept below `--work`; a second call goes on with the search.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any


def main() -> int:
    """Run the default and the search, and print both."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tuning", description=__doc__)
    parser.add_argument("data", type=Path, help="images, a folder per class")
    parser.add_argument("--trials", type=int, default=20, help="of the search (default %(default)s)")
    parser.add_argument("--minutes", type=float, default=20.0, help="of the search (default %(default)s)")
    parser.add_argument("--validation", default="0.2", help="preprocess.validation of both (default %(default)s)")
    parser.add_argument("--set", dest="settings", action="append", default=[], metavar="KEY=VALUE", help="of both")
    parser.add_argument("--work", type=Path, default=Path("build/tuning"), help="folder (default %(default)s)")
    arguments = parser.parse_args()
    words = ["--data", str(arguments.data.absolute()), "--set", f"preprocess.validation={arguments.validation}"]
    words += [word for setting in arguments.settings for word in ("--set", setting)]
    limits = ["--trials", str(arguments.trials), "--minutes", str(arguments.minutes)]
    default = _forebay(arguments.work, "run", "--name", "default", *words)
    tuned = _forebay(arguments.work, "tune", "--name", "tuned", *words, *limits)
    _forebay(arguments.work, "stop", as_json=False)
    _print(default, tuned)
    return 0


def _forebay(work: Path, *words: str, as_json: bool = True) -> dict[str, Any]:
    """What a command prints with `--json`; a gate that says no (exit code 3) is a result as well."""
    work.mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, "FOREBAY_HOME": str(work.absolute() / "home"), "FOREBAY_PORT": "0"}
    command = [sys.executable, "-m", "forebay", *words, *(["--json"] if as_json else [])]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True)
    if done.returncode not in (0, 3):
        raise SystemExit(f"{' '.join(words)} ended with {done.returncode}")
    return json.loads(done.stdout) if as_json else {}


def _print(default: dict[str, Any], tuned: dict[str, Any]) -> None:
    study = tuned["tuning"]
    first = study["trials"][0]
    best = next(trial for trial in study["trials"] if trial["number"] == study["best"])
    states = [trial["state"] for trial in study["trials"]]
    print(f"{len(states)} trials: {', '.join(f'{states.count(state)} {state}' for state in sorted(set(states)))}")
    print(f"seconds of training: {sum(trial['seconds'] or 0 for trial in study['trials']):.0f}")
    print(f"{'':<10}{'validation loss':>17}{'validation':>12}{'held out':>10}  95 % interval")
    for name, trial, run in (("default", first, default), ("tuned", best, tuned)):
        accuracy = run["accuracy"]
        loss = "-" if trial["loss"] is None else f"{trial['loss']:.4f}"
        print(
            f"{name:<10}{loss:>17}{trial['accuracy'] or 0:>12.2%}{accuracy['value']:>10.2%}  "
            f"{accuracy['low']:.2%} to {accuracy['high']:.2%}"
        )
    print(f"rows: {study['validation_rows']:,} of validation, {tuned['accuracy']['rows']:,} held out")
    if gain := study["gain"]:
        print(f"gain of validation loss: {gain['loss']:.4f}, standard error {gain['standard_error']:.4f}")
    print(" ".join(f"--set {key}={value}" for key, value in study["settings"].items()))


if __name__ == "__main__":
    raise SystemExit(main())
