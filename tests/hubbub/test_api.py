"""`hubbub.__all__` is the whole author API, and nothing in it is undocumented."""

import ast
import inspect
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

import hubbub
from hubbub import testing
from hubbub.testing.checking import TESTS
from runtime.extensions.shapes import KINDS

ROOT = Path(__file__).parents[2]
SURFACE = {
    "what a file begins with": {"API", "hookimpl"},
    "what plugins supply": {
        "Cache",
        "Embedder",
        "Guardrail",
        "Model",
        "Provider",
        "Recommender",
        "Retriever",
        "Scorer",
        "Step",
        "Subscriber",
        "Tool",
    },
    "what a call is given": {"Collection", "Context", "Interactions", "Log", "Measures", "ModelHandle"},
    "data": {
        "CatalogueItem",
        "ChatRequest",
        "Delta",
        "Embeddings",
        "Event",
        "Health",
        "Hit",
        "Hits",
        "Interaction",
        "Item",
        "JsonObject",
        "Message",
        "Passage",
        "RawChunk",
        "RawRequest",
        "Recommended",
        "Reply",
        "Score",
        "SearchQuery",
        "StatePath",
        "ToolCall",
        "Usage",
        "Verdict",
    },
    "errors": {
        "HubbubError",
        "InvalidInput",
        "LimitExceeded",
        "MissingSecret",
        "ModelError",
        "NotFound",
        "Overloaded",
        "PluginError",
    },
}
NAMES = sorted(set().union(*SURFACE.values()))


def _described(file: Path) -> set[str]:
    """Return the module's constants and aliases that have a text right below them."""
    found = set()
    for above, below in pairwise(ast.parse(file.read_text()).body):
        target = above.targets[0] if isinstance(above, ast.Assign) else getattr(above, "target", None)
        if isinstance(target, ast.Name) and isinstance(below, ast.Expr):
            found.add(target.id)
    return found


DESCRIBED = _described(ROOT / "hubbub" / "__init__.py") | _described(ROOT / "runtime" / "types.py")


def test_the_surface_is_exactly_this() -> None:
    """A name that is added or taken away changes what plugins rely on: say so in the CHANGELOG."""
    assert sorted(hubbub.__all__) == NAMES


def test_nothing_else_is_public() -> None:
    public = {name for name, value in vars(hubbub).items() if not name.startswith("_")}
    assert {name for name in public if not inspect.ismodule(getattr(hubbub, name))} == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_every_name_can_be_imported_and_is_documented(name: str) -> None:
    value = getattr(hubbub, name)
    if name == "hookimpl":
        assert "@hookimpl" in (ROOT / "docs" / "plugins.md").read_text()
    elif inspect.isclass(value):
        assert value.__doc__
        # A dataclass without a docstring gets one that only repeats its fields.
        assert not value.__doc__.startswith(f"{name}(")
    else:
        assert name in DESCRIBED


@pytest.mark.parametrize("name", sorted(SURFACE["what plugins supply"] | SURFACE["what a call is given"]))
def test_every_method_of_a_protocol_is_documented(name: str) -> None:
    methods = [
        method
        for key, method in vars(getattr(hubbub, name)).items()
        if inspect.isfunction(method) and not key.startswith("_")
    ]
    assert [method.__name__ for method in methods if not method.__doc__] == []


def test_the_test_kit_is_exactly_this() -> None:
    kinds = SURFACE["what plugins supply"]
    assert sorted(testing.__all__) == sorted({f"{kind}Tests" for kind in kinds} | {"FakeContext", "load"})
    assert set(TESTS) == {kind.lower() for kind in kinds}


@pytest.mark.parametrize("name", NAMES)
def test_every_name_is_in_the_reference(name: str) -> None:
    page = "hooks" if name in SURFACE["what plugins supply"] else "data"
    text = (ROOT / "docs" / "reference" / f"{page}.md").read_text()
    assert (f"## register_{name.lower()}s" if page == "hooks" else f"## {name}") in text.splitlines()


@pytest.mark.parametrize("hook", KINDS)
def test_every_hook_is_on_the_page_of_plugins(hook: str) -> None:
    assert f"| `{hook}` |" in (ROOT / "docs" / "plugins.md").read_text()


def test_every_standard_test_says_what_holds() -> None:
    for tests in TESTS.values():
        for name, test in inspect.getmembers(tests, inspect.isfunction):
            assert not name.startswith("test_") or test.__doc__, f"{tests.__name__}.{name}"


def test_importing_it_brings_nothing_of_the_hub_along() -> None:
    program = "import sys, hubbub; print(sorted({name.partition('.')[0] for name in sys.modules}))"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    for heavy in ("hub", "plugins", "aiohttp", "langgraph", "chromadb", "numpy"):
        assert f"'{heavy}'" not in done.stdout


@pytest.mark.parametrize("name", ["runtime", "hub"])
def test_a_package_that_stands_in_the_way_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    (tmp_path / name / "__init__.py").write_text("")
    command = [sys.executable, "-c", "import hubbub"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60)
    assert f"hubbub needs its own package {name}, and Python finds {tmp_path / name} in its" in done.stderr
