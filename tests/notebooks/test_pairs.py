"""What lies in `notebooks/` is what its Python files say, and fit to be read on a web page."""

import nbformat
import pytest

from support.notebooks import FOLDER, NAMES, WRITE, Pair, complaints

MOST_BYTES = 300_000
DOWNLOADS = ("http://", "https://", "download=True", "urlretrieve")

pytestmark = pytest.mark.skipif(WRITE, reason="they are being written")


def test_there_are_six() -> None:
    assert [name[0] for name in NAMES] == list("123456")
    assert sorted(path.stem for path in FOLDER.glob("*.ipynb")) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_both_files_have_the_same_cells(name: str) -> None:
    source, written = Pair(name).source(), nbformat.read(Pair(name).written, as_version=4)
    assert [(cell.cell_type, cell.source, cell.metadata.get("tags")) for cell in written.cells] == [
        (cell.cell_type, cell.source, cell.metadata.get("tags")) for cell in source.cells
    ], f"notebooks/{name}.py was changed: make notebooks"


@pytest.mark.parametrize("name", NAMES)
def test_a_reader_sees_plots_and_nothing_of_the_machine_that_made_them(name: str) -> None:
    notebook = nbformat.read(Pair(name).written, as_version=4)
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert sum("image/png" in output.get("data", {}) for output in outputs) >= 1
    assert complaints(notebook) == []
    assert [output for output in outputs if output.output_type == "error"] == []
    assert Pair(name).written.stat().st_size < MOST_BYTES


@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_has_parameters_and_uses_only_what_is_public(name: str) -> None:
    cells = Pair(name).source().cells
    assert [cell.cell_type for cell in cells if "parameters" in cell.metadata.get("tags", [])] == ["code"]
    code = "\n".join(cell.source for cell in cells if cell.cell_type == "code")
    assert "from forebay" not in code
    assert "import forebay." not in code
    assert [word for word in DOWNLOADS if word in code] == []
