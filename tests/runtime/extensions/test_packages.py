"""An installed package is a plugin as well, under the same rules."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from runtime.extensions.catalog import Catalog
from tests.runtime.extensions.texts import FIT, SCORER, named

Load = Callable[..., Catalog]


def _install(folder: Path, text: str, entry: str = "parcel = parcel_plugin") -> None:
    """Put a package where Python finds it, as an installer does."""
    about = folder / "parcel-1.2.dist-info"
    about.mkdir(parents=True)
    (folder / "parcel_plugin.py").write_text(text)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: parcel\nVersion: 1.2\n")
    (about / "entry_points.txt").write_text(f"[hubbub]\n{entry}\n")


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of installed packages."""
    folder = tmp_path / "packages"
    monkeypatch.syspath_prepend(folder)
    yield folder
    sys.modules.pop("parcel_plugin", None)


def test_an_installed_package_is_a_plugin_with_its_version(load: Load, packages: Path) -> None:
    _install(packages, SCORER.format(name="weigh"))
    catalog = load()
    (info,) = named(catalog, "parcel")
    assert (info.state, info.kind, info.file, info.version) == ("ready", "package", "package parcel", "1.2")
    assert catalog.get("scorer", "weigh")


BROKEN_PACKAGES = {
    "raises": ("1 / 0", "parcel = parcel_plugin", "package parcel:1: ZeroDivisionError: division by zero"),
    "is not there": ("", "parcel = no_such_module", "package parcel: there is no module no_such_module"),
    "registers nothing": ("x = 1", "parcel = parcel_plugin", "package parcel: it registers nothing"),
}


@pytest.mark.parametrize(("text", "entry", "words"), BROKEN_PACKAGES.values(), ids=BROKEN_PACKAGES)
def test_a_broken_package_is_named_with_its_mistake(
    load: Load, packages: Path, text: str, entry: str, words: str
) -> None:
    _install(packages, text, entry)
    (info,) = named(load(), "parcel")
    assert info.state == "failed"
    assert info.error.startswith(words)


def test_a_package_does_not_take_the_name_of_another_plugin_and_a_drop_in_takes_its(
    load: Load, packages: Path
) -> None:
    _install(packages, SCORER.format(name="weigh"), "dense = parcel_plugin\nparcel = parcel_plugin")
    catalog = load(parcel=FIT)
    assert any("the package parcel has a plugin dense" in words for words in catalog.warnings)
    assert [info.kind for info in named(catalog, "dense")] == ["first-party"]
    assert [info.kind for info in named(catalog, "parcel")] == ["drop-in"]
