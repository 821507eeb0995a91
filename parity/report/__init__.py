"""A run in, a folder of reports out: every module here with ``FILENAME`` and ``render(run)`` is one format."""

import pkgutil
from importlib import import_module
from pathlib import Path
from types import ModuleType

from parity.circumstances.files import ignore, repair, write_set
from parity.verdicts.results import Run

LATEST = Path("reports/latest")

__all__ = ["LATEST", "formats", "repair", "write"]


def formats() -> dict[str, ModuleType]:
    """Return the modules that are formats, by the name of the file they make."""
    modules = [import_module(f"{__name__}.{found.name}") for found in pkgutil.iter_modules(__path__)]
    return {module.FILENAME: module for module in modules if hasattr(module, "FILENAME")}


def write(run: Run, folder: Path = LATEST) -> Path:
    """Render every format, put all files into ``folder`` at once, and return the path of ``index.html``.

    Raises:
        UsageError: the folder cannot be written; an earlier report there stays complete.
    """
    files = {}
    for name, module in formats().items():
        content: str | bytes = module.render(run)
        files[name] = content.encode() if isinstance(content, str) else content
    write_set(files, Path(folder))
    if Path(folder).absolute() == LATEST.absolute():  # a folder of one's own may be meant to be kept
        ignore(Path(folder))
    return Path(folder) / "index.html"
