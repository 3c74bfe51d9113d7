"""What a person and a program are told at the end of a batch."""

import json
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.text import Text

from forebay.ingest.quarantine.report import count_by_reason
from forebay.serving.batch.result_files import ResultFiles
from forebay.state.file_modes import apply_user_umask
from forebay.text import one_line

if TYPE_CHECKING:
    from forebay.local.batch.request import BatchRequest, BatchResult


def print_batch(request: "BatchRequest", result: "BatchResult", warnings: list[str], *, as_json: bool) -> None:
    """Print where the tables are, how many images of what kind, and how fast it went."""
    files = ResultFiles(request.out)
    quarantine = str(files.quarantine) if result.quarantined else None
    for path in (files.predictions, files.quarantine):
        if path.exists():
            apply_user_umask(path)
    if as_json:
        facts = {
            "out": str(request.out), "quarantine": quarantine,
            "model": {"name": request.name, "version": request.version},
            "images": result.images, "rows": result.rows, "quarantined": result.quarantined,
            "resumed": result.resumed, "start_seconds": result.start_seconds, "seconds": result.seconds,
            "images_per_s": round(result.images_per_s, 1), "warnings": warnings,
        }  # fmt: skip
        click.echo(json.dumps(facts, allow_nan=False))
        return
    console = Console()
    for name, text in _lines(request, result, quarantine):
        console.print(Text.assemble((name.ljust(13), "bold"), one_line(text)), soft_wrap=True)


def _lines(request: "BatchRequest", result: "BatchResult", quarantine: str | None) -> list[tuple[str, str]]:
    before = f", {result.resumed:,} of them before" if result.resumed else ""
    speed = f"{result.images_per_s:,.0f} images/s" if result.images > result.resumed else "nothing was left to do"
    bad = f"{count_by_reason(result.quarantined)}  ({quarantine})" if quarantine else "none"
    version = f" version {request.version}" if request.version else ""
    return [
        ("rows", f"{result.rows:,} of {result.images:,} images{before}"),
        ("speed", f"{speed} in {result.seconds:.1f} s, after a start of {result.start_seconds:.1f} s"),
        ("quarantined", bad),
        ("model", f"{request.name}{version}"),
        ("out", str(request.out)),
    ]
