"""Whatever is wrong with a plugin file is a sentence beside its name, and the others are loaded."""

import sys
from collections.abc import Callable

import pytest

from runtime.extensions.catalog import Catalog, PluginInfo
from tests.runtime.extensions.texts import FIT

Load = Callable[..., Catalog]
LoadOne = Callable[..., PluginInfo]


BROKEN = {
    "raises at import": ("x = 1\nraise OSError('no such thing')", "plugins/bad.py:2: OSError: no such thing"),
    "syntax error": ("x = 1\ndef f(:\n    pass", "plugins/bad.py:2: SyntaxError: invalid syntax"),
    "return outside a function": (
        "x = 1\nreturn",
        "plugins/bad.py:2: SyntaxError: 'return' outside function",
    ),
    "calls sys.exit": ("import sys\nsys.exit(0)", "plugins/bad.py:2: it called sys.exit"),
    "recurses without end": ("def f():\n    return f()\nf()", "it calls itself without end"),
    "a base exception of its own": (
        "class Stop(BaseException): pass\nraise Stop('enough')",
        "plugins/bad.py:2: Stop: enough",
    ),
    "raises an error of ours": (
        "from hubbub import PluginError\nraise PluginError('No licence; buy one.')",
        "plugins/bad.py:2: No licence; buy one; mend that line",
    ),
    "raises what cannot be shown": (
        "class Odd(Exception):\n    def __str__(self): return 1 / 0\nraise Odd",
        "plugins/bad.py:3: Odd; mend that line",
    ),
    "imports what is not there": (
        "import no_such_package_at_all.inside",
        "plugins/bad.py:1: it imports no_such_package_at_all, which is not installed; name the package that "
        "has it in the file's `# /// script` header, and if it has that name, run: ",
    ),
    "registers nothing": ("x = 1", "plugins/bad.py: it registers nothing"),
    "forgets the marker": (
        "x = 1\ndef register_scorers():\n    return []",
        "plugins/bad.py:2: register_scorers is no hook without @hookimpl",
    ),
    "misspells a hook": (
        "from hubbub import hookimpl\n@hookimpl\ndef register_scorer():\n    return []",
        "there is no hook register_scorer; did you mean register_scorers?",
    ),
    "asks for more than settings": (
        "from hubbub import hookimpl\n@hookimpl\ndef register_scorers(settings, engine):\n    return []",
        "engine",
    ),
    "async hook": (
        "from hubbub import hookimpl\n@hookimpl\nasync def register_scorers():\n    return []",
        "register_scorers is async; hooks are plain functions",
    ),
    "raises in a hook": (
        "from hubbub import hookimpl\n@hookimpl\ndef register_scorers():\n    return 1 / 0",
        "plugins/bad.py:4: ZeroDivisionError: division by zero",
    ),
    "returns no list": (
        "from hubbub import hookimpl\n@hookimpl\ndef register_scorers():\n    return 7",
        "register_scorers returns int; return a list of objects",
    ),
    "returns an empty list": (
        "from hubbub import hookimpl\n@hookimpl\ndef register_scorers():\n    return []",
        "its hooks return nothing",
    ),
    "a dependency that is not here": (
        '# /// script\n# dependencies = ["no-such-package-at-all>=3"]\n# ///\nimport no_such_package_at_all',
        "it needs no-such-package-at-all>=3, not installed here; run: ",
    ),
    "not text": ("\0", "plugins/bad.py"),
}


@pytest.mark.parametrize(("text", "words"), BROKEN.values(), ids=BROKEN)
def test_a_broken_file_is_named_with_its_mistake(plugin: LoadOne, text: str, words: str) -> None:
    info = plugin(text)
    assert info.state == "failed"
    assert words in info.error
    assert "bad.py" in info.error
    assert "\n" not in info.error
    assert info.supplies == ()


@pytest.mark.parametrize("text", [text for text, _ in BROKEN.values()], ids=BROKEN)
def test_a_broken_file_leaves_the_others_alone(load: Load, text: str) -> None:
    modules = set(sys.modules)
    catalog = load(bad=text, fit=FIT)
    assert catalog.get("scorer", "fit")
    assert catalog.get("retriever", "keyword")
    left = {name for name in set(sys.modules) - modules if name.startswith("hubbub_plugin_bad")}
    assert left == set()


def _supplying(hook: str, body: str, returned: str = "[Odd()]") -> str:
    return (
        "from pydantic import BaseModel\nfrom hubbub import hookimpl\n"
        f"class Odd:\n    {body}\n@hookimpl\ndef {hook}():\n    return {returned}\n"
    )


SHAPES = {
    "no name": ("register_scorers", "async def score(self, item, ctx): ...", "has no name"),
    "a name with a space": (
        "register_scorers",
        "name = 'a b'\n    async def score(self, item, ctx): ...",
        "has the name 'a b'",
    ),
    "no method": ("register_scorers", "name = 'odd'", "has no method score(item, ctx); add it"),
    "too few arguments": (
        "register_scorers",
        "name = 'odd'\n    async def score(self, item): ...",
        "score that does not take (item, ctx)",
    ),
    "yields instead of returning": (
        "register_scorers",
        "name = 'odd'\n    async def score(self, item, ctx): yield 1",
        "score that yields; return the result instead",
    ),
    "returns instead of yielding": (
        "register_providers",
        "name = 'odd'\n    async def stream(self, request, ctx): return []",
        "stream that returns and never yields",
    ),
    "an embedder without a size": (
        "register_embedders",
        "name = 'odd'\n    def embed(self, texts, ctx): ...",
        "has no size",
    ),
    "a tool without Args": (
        "register_tools",
        "name = 'odd'\n    description = 'x'\n    async def run(self, args, ctx): ...",
        "has no Args that is a pydantic model",
    ),
    "a tool without a description": (
        "register_tools",
        "name = 'odd'\n    class Args(BaseModel): ...\n    async def run(self, args, ctx): ...",
        "has no description",
    ),
    "Params that are no model": (
        "register_retrievers",
        "name = 'odd'\n    Params = dict\n    async def search(self, query, k, ctx): ...",
        "has no Params that is a pydantic model",
    ),
    "a guardrail without a stage": (
        "register_guardrails",
        "name = 'odd'\n    async def check(self, text, ctx): ...",
        "has no stage",
    ),
    "a property that raises": (
        "register_scorers",
        "@property\n    def name(self): raise OSError('gone')",
        "plugins/bad.py:5: OSError: gone",
    ),
    "a start that is no method": (
        "register_scorers",
        "name = 'odd'\n    start = 3\n    async def score(self, item, ctx): ...",
        "has start, which is no method",
    ),
}


@pytest.mark.parametrize(("hook", "body", "words"), SHAPES.values(), ids=SHAPES)
def test_an_object_of_the_wrong_shape_is_refused_with_the_right_one(
    plugin: LoadOne, hook: str, body: str, words: str
) -> None:
    info = plugin(_supplying(hook, body))
    assert info.state == "failed"
    assert words in info.error
    assert info.error.startswith("plugins/bad.py:")


def test_a_class_instead_of_an_object_is_refused(plugin: LoadOne) -> None:
    body = "name = 'odd'\n    async def score(self, item, ctx): ..."
    assert "return an object of it: Odd(…)" in plugin(_supplying("register_scorers", body, "[Odd]")).error


def test_two_objects_of_one_name_in_a_file_are_refused(plugin: LoadOne) -> None:
    body = "name = 'odd'\n    async def score(self, item, ctx): ..."
    info = plugin(_supplying("register_scorers", body, "[Odd(), Odd()]"))
    assert "two scorers named odd" in info.error
