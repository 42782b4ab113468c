"""For recommenders that use the models of `hubbub train recommend`: their rankings, and rules for lists."""

from runtime.recommend.ranking import Models, Past, Ranker, past_of
from runtime.recommend.rules import Rules, compile_filter, pick

__all__ = ["Models", "Past", "Ranker", "Rules", "compile_filter", "past_of", "pick"]
