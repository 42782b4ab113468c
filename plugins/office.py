"""A pretend office, for the graph `onboard`: accounts, desks and laptops that can be had and given back."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, Field

from hubbub import Context, InvalidInput, hookimpl


class Settings(BaseModel):
    """`[plugins.office]`: how much there is of each."""

    desks: int = Field(default=20, ge=0)
    laptops: int = Field(default=20, ge=0)


class Wanted(BaseModel):
    """For whom something is, and which one."""

    name: str
    model: str = ""


class Given(BaseModel):
    """What is given back: by its id, or by the key of the request that may have taken it."""

    id: str = ""
    key: str = ""


@dataclass(slots=True)
class Shelf:
    """What there is of one thing, and who has it; it is forgotten when the hub stops."""

    what: str
    left: int
    taken: dict[str, str] = field(default_factory=dict)
    """The id of each thing that is taken, by the key of the request that took it."""
    _numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    def take(self, key: str) -> str:
        """Take one; the same request takes the same one again."""
        if key not in self.taken:
            if len(self.taken) >= self.left:
                raise InvalidInput(f"No {self.what} is left; raise [plugins.office] or give one back.")
            self.taken[key] = f"{self.what}-{next(self._numbers)}"
        return self.taken[key]

    def give_back(self, id: str, key: str) -> bool:
        """Give one back; False when nobody has it."""
        found = next((by for by, each in self.taken.items() if by == key or each == id), None)
        return found is not None and self.taken.pop(found) is not None


@dataclass(frozen=True, slots=True)
class Take:
    """A tool that takes something from a shelf."""

    name: str
    description: str
    shelf: Shelf
    Args: type[BaseModel] = Wanted

    async def run(self, args: Wanted, ctx: Context) -> dict[str, Any]:
        """Return its id."""
        return {"id": self.shelf.take(ctx.idempotency_key), "for": args.name}


@dataclass(frozen=True, slots=True)
class GiveBack:
    """A tool that gives it back."""

    name: str
    description: str
    shelf: Shelf
    Args: type[BaseModel] = Given

    async def run(self, args: Given, ctx: Context) -> dict[str, Any]:
        """Say whether anybody had it."""
        return {"given_back": self.shelf.give_back(args.id, args.key)}


@hookimpl
def register_tools(settings: Settings) -> list[Any]:
    """Supply two tools for each shelf."""
    accounts, desks = Shelf("account", 1_000_000), Shelf("desk", settings.desks)
    laptops = Shelf("laptop", settings.laptops)
    return [
        Take("open_account", "Opens an account.", accounts),
        GiveBack("close_account", "Closes an account.", accounts),
        Take("reserve_desk", "Reserves a desk.", desks),
        GiveBack("release_desk", "Releases a desk.", desks),
        Take("order_laptop", "Orders a laptop.", laptops),
        GiveBack("cancel_laptop", "Cancels the order of a laptop.", laptops),
    ]
