"""recommender.personal: items for one user, by what goes together, what is popular and what is alike."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from hubbub import CatalogueItem, Context, InvalidInput, Item, Recommended, hookimpl
from hubbub.recommending import Models, Past, Ranker, Rules, compile_filter, group_of, past_of, pick

_MOST = 1000
_HISTORY = 2000
_NEW = 50
"""Items that are looked for which came after the models were fitted."""
_DID = {"view": "looked at", "like": "liked", "buy": "bought"}


class Business(BaseModel):
    """The rules of a business for its lists."""

    model_config = ConfigDict(extra="forbid")

    block: list[str] = Field(default_factory=list, max_length=10_000, description="ids that are never shown")
    boost: dict[str, Annotated[float, Field(ge=0, le=100)]] = Field(
        default_factory=dict, description="factors for the scores of items with a tag"
    )
    filter: str = Field(default="", description="a condition on `item`, such as item.price < 20")
    diversity: float = Field(default=0.0, ge=0, le=1, description="0 is the best, 1 the most unlike items")
    again: bool = Field(default=False, description="whether items may come that the user had")

    @field_validator("filter")
    @classmethod
    def _is_condition(cls, text: str) -> str:
        try:
            return compile_filter(text).text if text.strip() else ""
        except InvalidInput as error:
            raise ValueError(str(error)) from None

    @property
    def rules(self) -> Rules:
        """What a list is picked by."""
        condition = compile_filter(self.filter) if self.filter else None
        return Rules(frozenset(self.block), self.boost, condition, self.diversity)


class Group(BaseModel):
    """How large a group of users is; every further field is a rule that holds for it."""

    model_config = ConfigDict(extra="allow")

    share: float = Field(default=1.0, gt=0, le=1_000_000)


class Params(Business):
    """The rules, and groups of users for whom they are others."""

    experiment: str = Field(default="recommend", description="in each one users are put into groups anew")
    groups: dict[str, Group] = Field(default_factory=dict, description="groups, their shares and own rules")

    @model_validator(mode="after")
    def _groups_have_rules(self) -> Self:
        for name in self.groups:
            try:
                self.of(name)
            except ValidationError as error:
                first = error.errors(include_url=False)[0]
                where = ".".join(map(str, first["loc"]))
                raise ValueError(f"{where} of the group {name}: {first['msg']}") from None
        return self

    def of(self, group: str) -> Business:
        """Return the rules that hold for a group."""
        own = {name: getattr(self, name) for name in Business.model_fields}
        changed = self.groups[group].model_extra if group else None
        return Business.model_validate({**own, **(changed or {})})

    def group(self, tenant: str, user: str) -> str:
        """Return the group that a user is in, "" where there are none."""
        shares = {name: group.share for name, group in self.groups.items()}
        return group_of(tenant, self.experiment, user, shares) if shares else ""


class Personal:
    """Ranks by the newest models of the tenant; before there are any, by popularity."""

    name = "personal"
    Params = Params
    examples = ("ann", "bob")

    def __init__(self) -> None:
        self._models = Models()

    async def recommend(self, user: str, k: int, ctx: Context) -> Recommended:
        """Return at most `k` items, best first; why there are none is in the note."""
        did, params = ctx.interactions(), ctx.params or Params()
        group = params.group(ctx.tenant, user)
        business = params.of(group)
        rules = business.rules
        # Before the reads: a look at the file would wait for the threads that read.
        file = await did.fitted()
        ranker = await self._models.get(file) if file else None
        history, newest = await asyncio.gather(did.history(user, _HISTORY), did.newest(_NEW))
        past = past_of(history)
        hidden = rules.block | past.dismissed | (frozenset() if business.again else frozenset(past.had))
        ranked: Sequence[tuple[str, float]]
        if ranker:
            strange = ranker.strange([id for id in newest if id not in hidden])
            new = await did.items(strange) if strange else []
            if ranker.quick(past, new):
                ranked = ranker.rank(past, new, hidden)
            else:
                ranked = await asyncio.to_thread(ranker.rank, past, new, hidden)
        else:
            popular = dict(await did.popular())
            most = max(popular.values(), default=1)
            ranked = [(id, users / most) for id, users in popular.items() if id not in hidden]
        chosen = await pick(ranked, min(k, _MOST), rules, did.items)
        speak = ranker.reasons(past, [item.id for _, item in chosen]) if ranker else {}
        why = _Why(past, ranker)
        items = [why.item(score, item, speak.get(item.id, ())) for score, item in chosen]
        return Recommended(
            items,
            method=ranker.method(past) if ranker else "popularity",
            version=_version(ranker),
            note="" if items else _note(ranked, past, business),
            group=group,
        )


class _Why:
    """Says why an item is in a list."""

    def __init__(self, past: Past, ranker: Ranker | None) -> None:
        self._past, self._ranker = past, ranker

    def item(self, score: float, item: CatalogueItem, speak: Sequence[str]) -> Item:
        """Return it with its reasons."""
        known = {"title": item.title, "tags": list(item.tags)}
        users = self._ranker.users(item.id) if self._ranker else 0
        if self._ranker and speak:
            did, title = self._past.kinds, self._ranker.title
            because = tuple(f"You {_DID[did[id]]} {title(id)}." for id in speak)
            return Item(item.id, score, because, "ease", {**known, "like": list(speak)})
        if users or not self._ranker:
            because = (f"Popular: {users} people turned to it." if users else "Many people turn to it.",)
            return Item(item.id, score, because, "popularity", known)
        return Item(item.id, score, ("New, and like items that suit you.",), "new", known)


def _version(ranker: Ranker | None) -> str:
    if ranker is None:
        return ""
    return datetime.fromtimestamp(ranker.fitted.about["fitted_at"], UTC).isoformat(timespec="seconds")


def _note(ranked: Sequence[object], past: Past, business: Business) -> str:
    if ranked:
        return "No item is left that the rules allow; loosen filter, block or boost of the step."
    if past.had or business.block:
        return "Every item is one that the user had or that is blocked; add items, or set again = true."
    return "Nothing is known of any user or item yet; send events to POST /events."


@hookimpl
def register_recommenders() -> list[Personal]:
    """Supply `recommender.personal`."""
    return [Personal()]
