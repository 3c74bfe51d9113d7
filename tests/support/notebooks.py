"""The notebooks: pairs of a Python file, which people edit, and the same with outputs."""

import base64
import io
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jupytext
import nbformat
import pytest
from nbclient import NotebookClient
from PIL import Image

from support.paths import ROOT

FOLDER = ROOT / "notebooks"
NAMES = sorted(path.stem for path in FOLDER.glob("[0-9]_*.py"))
WRITE = os.environ.get("FOREBAY_GOLDEN") == "write"
CELL_S = 2700  # seconds that one cell may take on a busy machine
_TEXTS = ("text/plain", "text/html")


@dataclass(frozen=True)
class Pair:
    """One notebook."""

    name: str

    @property
    def written(self) -> Path:
        """The file with the outputs."""
        return FOLDER / f"{self.name}.ipynb"

    def source(self) -> Any:
        """The notebook of the Python file, without outputs."""
        notebook = jupytext.read(FOLDER / f"{self.name}.py")
        for number, cell in enumerate(notebook.cells):
            cell.id = f"cell-{number}"  # jupytext takes a random one
        return notebook

    def run(self) -> Any:
        """Execute it in a kernel; with FOREBAY_GOLDEN=write the outputs are kept in the pair's other file.

        Raises:
            nbclient.exceptions.CellExecutionError: a cell failed.
        """
        notebook = self.source()
        resources = {"metadata": {"path": str(FOLDER)}}
        NotebookClient(notebook, timeout=CELL_S, resources=resources, record_timing=False).execute()
        notebook.metadata.pop("language_info", None)  # it names this machine's Python
        if WRITE:
            _shrink_plots(notebook)
            nbformat.write(notebook, self.written)
        return notebook


def _shrink_plots(notebook: Any) -> None:
    """Keep 256 colours of each plot: a third of the bytes, and no difference to see."""
    for data in (output.data for cell in notebook.cells for output in cell.get("outputs", []) if "data" in output):
        if "image/png" in data:
            image = Image.open(io.BytesIO(base64.b64decode(data["image/png"]))).convert("RGB").quantize(256)
            file = io.BytesIO()
            image.save(file, "PNG", optimize=True)
            data["image/png"] = base64.b64encode(file.getvalue()).decode()


def texts(notebook: Any) -> list[str]:
    """What a reader sees of the outputs, apart from images."""
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    shown = [output.get("data", {}).get(kind, "") for output in outputs for kind in _TEXTS]
    return [*(output.get("text", "") for output in outputs), *shown]


def complaints(notebook: Any) -> list[str]:
    """What the outputs must not have: standard error, warnings, and places of this machine."""
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    on_stderr = [output.text for output in outputs if output.get("name") == "stderr"]
    places = re.compile(rf"/(home|root|tmp|Users|var)/|{re.escape(str(ROOT))}|127\.0\.0\.1:\d|Warning")
    return [*on_stderr, *(text for text in texts(notebook) if places.search(text))]


def settle_kernel(patch: pytest.MonkeyPatch, folder: Path) -> None:
    """Let kernels write their own files, and the state of Forebay, below a folder."""
    for variable in [name for name in os.environ if name.startswith(("AWS_", "FOREBAY_KFP_", "MLFLOW_"))]:
        patch.delenv(variable)
    for variable in ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_DATA_DIR", "FOREBAY_HOME"):
        patch.setenv(variable, str(folder / variable.lower()))
    patch.setenv("FOREBAY_PORT", "0")
