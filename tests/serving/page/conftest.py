"""One server and one browser for the tests of the page."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.browser import Tab, browser_tab
from support.page_server import PageServer, page_server_in


@pytest.fixture(scope="package")
def page_server(
    digits_shards: Path, digits_bundle: Path, mlflow_template: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[PageServer]:
    """A server with two models; tests that change its settings put them back."""
    with page_server_in(tmp_path_factory.mktemp("page"), digits_shards, digits_bundle, mlflow_template) as server:
        yield server


@pytest.fixture(scope="package")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tab]:
    """One browser with one tab."""
    with browser_tab(tmp_path_factory.mktemp("browser") / "profile") as tab:
        yield tab
