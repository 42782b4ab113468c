"""For plugins that score with what `hubbub train` made: its models, and how far leads have shifted since."""

from runtime.tabular.schema import Schema
from runtime.tabular.scoring import Reason, Scored, TrainedModel, load_model
from runtime.tabular.spread import Drift, Window

__all__ = ["Drift", "Reason", "Schema", "Scored", "TrainedModel", "Window", "load_model"]
