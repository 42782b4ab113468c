"""How two writes to a field of the state become one."""

from __future__ import annotations

from runtime.graphs.fields import Field
from runtime.graphs.state import reducer

merge = reducer(Field("talk", "list", merge="messages"))


def test_a_message_takes_the_place_of_an_earlier_one_with_its_id() -> None:
    assert merge
    first = {"type": "human", "id": "a", "content": "one"}
    answer = {"type": "ai", "id": "b", "content": "half"}
    whole = {**answer, "content": "whole"}
    assert merge([first], [answer, whole]) == [first, whole]
    assert merge([first, answer], whole) == [first, whole]


def test_a_message_without_an_id_gets_one_that_stays() -> None:
    """Clients merge by it what was streamed with what the state holds."""
    assert merge
    once = merge(None, [{"type": "human", "content": "one"}, {"type": "human", "content": "one"}])
    assert len({message["id"] for message in once}) == 2
    assert merge(once, [])[0] == once[0]
