"""Model aliases: which candidates of `[models.ALIAS] use` can be asked now, and why others cannot."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from runtime.extensions.catalog import Catalog, Registered
from runtime.settings import ModelAlias


@dataclass(frozen=True, slots=True)
class Candidate:
    """One model of one provider; `label` is how the configuration names it."""

    label: str
    model: str
    registered: Registered

    @property
    def provider(self) -> str:
        """The provider's name."""
        return self.registered.name


@dataclass(frozen=True, slots=True)
class AliasInfo:
    """What stands behind an alias: candidates in order, and the skipped ones with the reason."""

    usable: tuple[str, ...] = ()
    skipped: Mapping[str, str] = field(default_factory=dict)


def candidates(alias: ModelAlias, catalog: Catalog) -> Iterator[Candidate]:
    """Yield the candidates that can be asked, in order."""
    for label in alias.use:
        found, reason = _find(label, catalog)
        if found is not None and not reason:
            yield Candidate(label, label.partition(":")[2], found)


def describe(alias: ModelAlias, catalog: Catalog) -> AliasInfo:
    """Return what stands behind an alias."""
    reasons = {label: _find(label, catalog)[1] for label in alias.use}
    usable = tuple(label for label, reason in reasons.items() if not reason)
    return AliasInfo(usable, {label: reason for label, reason in reasons.items() if reason})


def _find(label: str, catalog: Catalog) -> tuple[Registered | None, str]:
    name = label.partition(":")[0]
    found = catalog.get("provider", name)
    if found is None:
        known = ", ".join(catalog.names("provider")) or "none"
        return None, f"no plugin supplies the provider {name} (there is {known})"
    missing = found.plugin.missing_secret
    return found, str(missing).rstrip(".") if missing else ""
