"""What a call is given reaches the engine only through what the engine lends."""

from typing import Any, cast

import pytest

from runtime.extensions.context import CallContext, Services
from runtime.telemetry import get_logger
from runtime.types import Delta


class Lent:
    """Answers with what it was asked."""

    def model(self, alias: str, ctx: Any) -> Any:
        return ("model", alias, ctx)

    def collection(self, tenant: str, name: str) -> Any:
        return ("collection", tenant, name)

    async def embed(self, texts: Any) -> Any:
        return ("embed", texts)

    def measures(self, tenant: str) -> Any:
        return ("measures", tenant)

    def artifact(self, name: str, version: str) -> Any:
        return ("artifact", name, version)

    async def predict(self, model: str, inputs: Any, version: str, ctx: Any) -> Any:
        return ("predict", model, inputs, version, ctx)

    def http(self) -> Any:
        return "client"


def _context(emitted: list[Delta]) -> CallContext:
    return CallContext(
        tenant="acme",
        run="r1",
        thread="t1",
        idempotency_key="k1",
        deadline=1.0,
        params=None,
        log=get_logger("hubbub.test"),
        services=cast(Services, Lent()),
        emitter=emitted.append,
    )


def test_a_collection_is_that_of_the_calls_tenant() -> None:
    assert cast(Any, _context([]).collection("docs")) == ("collection", "acme", "docs")


def test_a_model_is_asked_on_behalf_of_the_call() -> None:
    context = _context([])
    assert cast(Any, context.model("writer")) == ("model", "writer", context)


async def test_texts_are_embedded_by_the_engine() -> None:
    assert cast(Any, await _context([]).embed(["a"])) == ("embed", ["a"])


def test_figures_are_those_of_the_calls_tenant() -> None:
    assert cast(Any, _context([]).measures()) == ("measures", "acme")


def test_a_trained_model_is_the_newest_unless_another_version_is_asked_for() -> None:
    assert cast(Any, _context([]).artifact("lead")) == ("artifact", "lead", "")
    assert cast(Any, _context([]).artifact("lead", "2")) == ("artifact", "lead", "2")


async def test_a_predictive_model_is_asked_on_behalf_of_the_call() -> None:
    context = _context([])
    asked = await context.predict("lead", {"x": [1]}, "2")
    assert cast(Any, asked) == ("predict", "lead", {"x": [1]}, "2", context)


def test_requests_go_through_the_client_that_the_engine_lends() -> None:
    assert cast(Any, _context([]).http()) == "client"


def test_what_is_emitted_goes_to_the_emitter_at_once() -> None:
    emitted: list[Delta] = []
    _context(emitted).emit(Delta(text="word"))
    assert emitted == [Delta(text="word")]


def test_a_plugin_cannot_change_for_whom_it_works() -> None:
    with pytest.raises(AttributeError):
        _context([]).tenant = "other"  # type: ignore[misc]
