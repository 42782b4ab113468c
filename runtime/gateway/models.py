"""Model aliases: which candidates of `[models.ALIAS] use` can be asked now, and why others cannot."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from runtime.extensions.catalog import Catalog, Registered
from runtime.settings import ModelAlias, ModelCandidate, Price


@dataclass(frozen=True, slots=True)
class Candidate:
    """One model of one provider; `label` is how the configuration names it."""

    label: str
    model: str
    registered: Registered
    weight: float = 1.0
    price: Price | None = None

    @property
    def provider(self) -> str:
        """The provider's name."""
        return self.registered.name


@dataclass(frozen=True, slots=True)
class AliasInfo:
    """What stands behind an alias: candidates in order, and the skipped ones with the reason."""

    usable: tuple[str, ...] = ()
    skipped: Mapping[str, str] = field(default_factory=dict)


def candidates(alias: ModelAlias, catalog: Catalog) -> list[Candidate]:
    """Return the candidates that can be asked, as they are listed."""
    found = []
    for each in alias.use:
        registered, reason = _find(each, catalog)
        if registered is not None and not reason:
            model = each.model.partition(":")[2]
            found.append(Candidate(each.model, model, registered, each.weight, each.price))
    return found


def in_order(
    found: Sequence[Candidate], alias: ModelAlias, latency: Callable[[str], float | None]
) -> list[Candidate]:
    """Return candidates in the order of the alias's strategy.

    `latency` are the seconds that a candidate, by its label, lately took to begin; one that nobody
    has asked yet comes first, for only so can it be known.
    """
    match alias.strategy:
        case "weighted":
            # Of exponential times with these rates, each candidate is the first with its share.
            return sorted(found, key=lambda one: random.expovariate(one.weight))
        case "latency":
            return sorted(found, key=lambda one: latency(one.label) or 0.0)
        case _:
            return list(found)


def describe(alias: ModelAlias, catalog: Catalog) -> AliasInfo:
    """Return what stands behind an alias."""
    reasons = {each.model: _find(each, catalog)[1] for each in alias.use}
    usable = tuple(label for label, reason in reasons.items() if not reason)
    return AliasInfo(usable, {label: reason for label, reason in reasons.items() if reason})


def _find(each: ModelCandidate, catalog: Catalog) -> tuple[Registered | None, str]:
    name = each.model.partition(":")[0]
    found = catalog.get("provider", name)
    if found is None:
        known = ", ".join(catalog.names("provider")) or "none"
        return None, f"no plugin supplies the provider {name} (there is {known})"
    missing = found.plugin.missing_secret
    return found, str(missing).rstrip(".") if missing else ""
