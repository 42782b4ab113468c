"""scorer.lead: how likely a lead is to buy, with reasons that add up, by what `hubbub train lead` made."""

from __future__ import annotations

import dataclasses
import threading
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, Field

from hubbub import Context, Health, InvalidInput, NotFound, Score, hookimpl

if TYPE_CHECKING:
    from hubbub.tabular import Scored, TrainedModel, Window

MODELS = 8
"""Versions that are kept in memory."""
WINDOWS = 256
"""Tenants and versions whose leads are looked back on."""
LATELY = 3600.0
"""Seconds after which leads no longer count for the plugin's health."""


class Params(BaseModel):
    """Which model scores, how many reasons it gives, and from which percentile a lead is hot or warm."""

    model: str = Field(default="lead", description="the name of a model that was trained")
    version: str = Field(default="", description="one of its versions; the newest when left out")
    reasons: int = Field(default=5, ge=0, le=100, description="the largest; all others are summed as one")
    hot: float = Field(default=90, ge=0, le=100)
    warm: float = Field(default=70, ge=0, le=100)


@dataclass(slots=True)
class Recent:
    """The leads of one tenant that a version has scored of late."""

    window: Window
    at: float = 0.0
    told: bool = False
    """Whether the log says that they have shifted."""


class Lead:
    """Keeps models in memory; a new version is taken with the next lead."""

    name = "lead"
    Params: type[BaseModel] = Params

    def __init__(self) -> None:
        self._models: OrderedDict[Path, TrainedModel] = OrderedDict()
        self._recent: OrderedDict[tuple[str, Path], Recent] = OrderedDict()
        self._lock = threading.Lock()

    def score(self, item: Mapping[str, Any], ctx: Context) -> Score:
        """Score one lead; a plain function, because the model works for a good part of a millisecond."""
        if not isinstance(item, Mapping):
            raise InvalidInput(f"the lead is a {type(item).__name__}; give an object with its fields")
        params: Any = ctx.params or Params()
        folder = self._folder(params, ctx)
        model = self._model(folder)
        scored = model.score(item, params.reasons)
        details = {
            "probability": scored.probability,
            "percentile": scored.percentile,
            "tier": _tier(scored, params),
            "model": params.model,
            "model_version": folder.name,
            "base": scored.base,
            "log_odds": scored.log_odds,
            "drift": self._drift(folder, model, scored, ctx),
            "warnings": list(scored.warnings),
        }
        return Score(scored.probability, [dataclasses.asdict(reason) for reason in scored.reasons], details)

    def check(self) -> Health:
        """Say whether leads of the last hour were like those of training."""
        since = time.monotonic() - LATELY
        with self._lock:
            found = [(key[1], each) for key, each in self._recent.items() if each.at > since]
        for folder, recent in found:
            drift = recent.window.drift
            if drift.level == "shifted":
                return Health(False, _shifted(folder, drift.feature, drift.psi))
        return Health(True)

    def _folder(self, params: Any, ctx: Context) -> Path:
        try:
            return ctx.artifact(params.model, params.version)
        except NotFound as error:
            train = f"`hubbub train lead DATA.csv --label COLUMN --name {params.model}` makes one."
            raise NotFound(f"{error.message} {train}") from None

    def _model(self, folder: Path) -> TrainedModel:
        with self._lock:
            if (known := self._models.get(folder)) is not None:
                self._models.move_to_end(folder)
                return known
            # Loading under the lock: calls at the same time want the same model, and only once.
            from hubbub.tabular import load_model

            self._models[folder] = made = load_model(folder)
            if len(self._models) > MODELS:
                self._models.popitem(last=False)
            return made

    def _drift(self, folder: Path, model: TrainedModel, scored: Scored, ctx: Context) -> dict[str, Any]:
        from hubbub.tabular import Window

        with self._lock:
            key = (ctx.tenant, folder)
            recent = self._recent.get(key) or Recent(Window(model.schema))
            self._recent[key] = recent
            self._recent.move_to_end(key)
            if len(self._recent) > WINDOWS:
                self._recent.popitem(last=False)
            drift = recent.window.add(scored.row)
            recent.at = time.monotonic()
            newly = drift.level == "shifted" and not recent.told
            recent.told = drift.level == "shifted"
        if newly:
            ctx.log.warning("leads have shifted", reason=_shifted(folder, drift.feature, drift.psi))
        return {"psi": drift.psi, "level": drift.level, "feature": drift.feature}


def _tier(scored: Scored, params: Any) -> str:
    if scored.percentile >= params.hot:
        return "hot"
    return "warm" if scored.percentile >= params.warm else "cold"


def _shifted(folder: Path, feature: str, psi: float | None) -> str:
    return (
        f"Leads of late are not like those that {folder.parent.name}/{folder.name} was trained on ({feature} "
        f"most, PSI {psi or 0:.2f}); train it again with `hubbub train lead --refresh`."
    )


@hookimpl
def register_scorers() -> list[Lead]:
    """Supply `scorer.lead`."""
    return [Lead()]
