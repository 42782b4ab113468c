"""A user is in the same group each time, groups have their shares, and their values come along."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from pydantic import ValidationError

from hubbub.testing import FakeContext
from plugins.experiment import Assignment, Experiment

GROUPS = {"a": {"share": 3, "diversity": 0.0}, "b": {"share": 1, "diversity": 0.4}}


async def group(user: str, name: str = "look", tenant: str = "acme") -> dict[str, Any]:
    given = Assignment.model_validate({"user": user, "experiment": name, "groups": GROUPS})
    return await Experiment().run({}, given, FakeContext(tenant=tenant))


async def test_a_user_stays_in_a_group_and_gets_its_values() -> None:
    first = await group("ann")
    assert all([await group("ann") == first for _ in range(3)])
    assert first["diversity"] == GROUPS[first["group"]]["diversity"]
    assert "share" not in first


async def test_groups_have_their_shares() -> None:
    counted = Counter([(await group(f"user {n}"))["group"] for n in range(4000)])
    assert 0.72 < counted["a"] / 4000 < 0.78


async def test_experiments_and_tenants_are_independent() -> None:
    users = [f"user {n}" for n in range(400)]
    first = [(await group(user))["group"] for user in users]
    for other in ({"name": "price"}, {"tenant": "other"}):
        second = [(await group(user, **other))["group"] for user in users]
        same = sum(one == two for one, two in zip(first, second, strict=True))
        assert 200 < same < 300  # 250 of 400 by chance


@pytest.mark.parametrize("groups", [{}, {"a": {"share": 0}}, {"a": {"share": -1}}, {"a": 1}])
def test_groups_that_are_none_are_refused(groups: Any) -> None:
    with pytest.raises(ValidationError):
        Assignment.model_validate({"user": "ann", "experiment": "x", "groups": groups})
