"""Standard tests for plugins: subclass the tests of a kind and return your object.

::

    class TestFit(ScorerTests):
        examples = ({"employees": 50},)

        def make(self):
            return Fit(big=100)

They run under pytest, and without it by `hubbub plugin check FILE`.
"""

from hubbub.testing.cache import CacheTests
from hubbub.testing.context import FakeContext
from hubbub.testing.embedder import EmbedderTests
from hubbub.testing.guardrail import GuardrailTests
from hubbub.testing.loading import load
from hubbub.testing.model import ModelTests
from hubbub.testing.provider import ProviderTests
from hubbub.testing.recommender import RecommenderTests
from hubbub.testing.retriever import RetrieverTests
from hubbub.testing.scorer import ScorerTests
from hubbub.testing.step import StepTests
from hubbub.testing.subscriber import SubscriberTests
from hubbub.testing.tool import ToolTests

__all__ = [
    "CacheTests",
    "EmbedderTests",
    "FakeContext",
    "GuardrailTests",
    "ModelTests",
    "ProviderTests",
    "RecommenderTests",
    "RetrieverTests",
    "ScorerTests",
    "StepTests",
    "SubscriberTests",
    "ToolTests",
    "load",
]
