"""Searches of the registry."""

from collections.abc import Callable
from typing import Any


def search_all(search: Callable[..., Any], *filters: str) -> list[Any]:
    """Everything that a search finds; MLflow gives a page of a hundred at once."""
    found, token = [], None
    while True:
        page = search(*filters, page_token=token)
        found += page
        token = page.token
        if not token:
            return found


def quote_name(name: str) -> str:
    """A name for a quoted word of a filter; Forebay registers no name with a quote."""
    return name.replace("'", "")
