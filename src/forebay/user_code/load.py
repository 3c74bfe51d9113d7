"""Loads the user's code. This is the one place that runs any of it, and only a step calls it."""

import contextlib
import difflib
import hashlib
import importlib
import importlib.abc
import importlib.util
import linecache
import re
import sys
from importlib.machinery import ModuleSpec
from pathlib import PurePath
from types import CodeType, ModuleType
from typing import Any

from forebay.errors import UserCodeError
from forebay.text import join_names
from forebay.user_code.code_text import check_syntax
from forebay.user_code.entry_points import find_entry_point
from forebay.user_code.explain import describe_error, explain_user_errors
from forebay.user_code.reference import CodeReference

NAMES_SHOWN = 8
MODULE_PREFIX = "forebay_user_code_"


def load_code(reference: CodeReference, code: str, group: str) -> Any:
    """Load what a reference names.

    Args:
        reference: the name.
        code: the text of its file; not used for a module and an entry point.
        group: of entry points.

    Returns:
        The class or function, or whatever else has the name; it belongs to a module of its own, of `obj.__module__`.

    Raises:
        ConfigError: no package brings the entry point.
        UserCodeError: the code cannot be imported, or has no such name.
    """
    if reference.entry_point:
        return load_code(find_entry_point(group, reference.entry_point).reference, "", group)
    module = _load_text(reference, code) if reference.file else _import_module(reference)
    try:
        return getattr(module, reference.attribute)
    except AttributeError:
        raise _no_attribute(reference, module) from None


class _TextLoader(importlib.abc.InspectLoader):
    """Loads a module from a text. `get_source` is what shows its lines in tracebacks."""

    def __init__(self, path: str, text: str) -> None:
        self.path, self.text = path, text

    def get_source(self, fullname: str) -> str:
        return self.text

    def get_code(self, fullname: str) -> CodeType:
        return self.source_to_code(self.text.encode(), self.path)

    def is_package(self, fullname: str) -> bool:
        return False


def _load_text(reference: CodeReference, text: str) -> ModuleType:
    """The module of a text, the same for the same text in one process."""
    name = _module_name(reference.file, text)
    if name in sys.modules:
        return sys.modules[name]
    check_syntax(text, reference.file)
    loader = _TextLoader(reference.file, text)
    module = importlib.util.module_from_spec(ModuleSpec(name, loader, origin=reference.file))
    module.__file__ = reference.file
    linecache.cache[reference.file] = (len(text), None, text.splitlines(keepends=True), reference.file)
    sys.modules[name] = module  # as an import does it: dataclasses and typing look there
    try:
        with _explain_import(reference, name):
            loader.exec_module(module)
    except BaseException:
        sys.modules.pop(name, None)
        raise
    return module


def _module_name(file: str, text: str) -> str:
    stem = re.sub(r"\W", "_", PurePath(file).stem)
    digest = hashlib.sha256(f"{file}\0{text}".encode()).hexdigest()
    return f"{MODULE_PREFIX}{stem}_{digest[:12]}"


def _import_module(reference: CodeReference) -> ModuleType:
    with _explain_import(reference, reference.module):
        return importlib.import_module(reference.module)


@contextlib.contextmanager
def _explain_import(reference: CodeReference, module: str) -> Any:
    with explain_user_errors(str(reference), "importing it", module):
        try:
            yield
        except ModuleNotFoundError as error:
            raise _not_installed(reference, module, error) from error


def _not_installed(reference: CodeReference, module: str, error: ModuleNotFoundError) -> UserCodeError:
    missing = error.name or str(error)
    if reference.file:
        words = describe_error(error, module)
        fix = (
            f"Only {reference.file} itself travels with a run: put the code of {missing} into it, or install {missing} "
            "where the step runs (on this machine into Forebay's environment, else into the container image)."
        )
        return UserCodeError(f"{reference}: importing it failed: {words}. {fix}")
    if module == missing or module.startswith(f"{missing}."):
        fix = (
            "Install its package where the step runs (on this machine into Forebay's environment, else into the "
            "container image). The folder that a command starts in is not searched; one that PYTHONPATH names is."
        )
        return UserCodeError(f"{reference}: there is no module {missing}. {fix}")
    words = describe_error(error, module)
    return UserCodeError(f"{reference}: importing it failed: {words}. Install {missing} as well.")


def _no_attribute(reference: CodeReference, module: ModuleType) -> UserCodeError:
    own = [
        name for name, value in vars(module).items()
        if not name.startswith("_") and getattr(value, "__module__", None) == module.__name__
    ]  # fmt: skip
    near = difflib.get_close_matches(reference.attribute, own, n=3)
    if near:
        hint = f"Did you mean {' or '.join(near)}?"
    else:
        hint = f"It defines {join_names(own, NAMES_SHOWN)}." if own else "It defines no class and no function."
    where = reference.file or reference.module
    return UserCodeError(f"{reference}: {where} has no {reference.attribute}. {hint}")
