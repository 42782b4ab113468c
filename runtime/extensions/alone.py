"""Loads one plugin file and nothing else, for whoever wants to try it."""

from __future__ import annotations

from pathlib import Path

from runtime.extensions.catalog import Catalog
from runtime.extensions.failures import shown_path
from runtime.extensions.finder import PluginFile
from runtime.extensions.loader import catalog_of, load_file
from runtime.settings import Settings


def load_alone(path: Path, settings: Settings) -> Catalog:
    """Return a catalog of this one file; its one entry says why it could not be loaded."""
    file = PluginFile(path.stem, path, shown_path(path, settings.workspace), "drop-in")
    return catalog_of([load_file(file, settings, None, ())])
