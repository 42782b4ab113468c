"""For recommenders that use the models of `hubbub train recommend`: rankings, rules for lists, groups."""

from runtime.recommend.groups import group_of
from runtime.recommend.ranking import Models, Past, Ranker, past_of
from runtime.recommend.rules import Rules, compile_filter, pick

__all__ = ["Models", "Past", "Ranker", "Rules", "compile_filter", "group_of", "past_of", "pick"]
