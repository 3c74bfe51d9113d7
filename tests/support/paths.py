"""Where the parts of the checkout lie."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TESTS = ROOT / "tests"
RECORDED = Path(__file__).parent / "recorded"  # what real servers said, as files
