"""Search: indexing documents, and finding passages by keyword, by meaning, and by both."""

from runtime.search.data import CollectionInfo, IndexProgress, IndexRequest, IndexTotals
from runtime.search.evaluation import Measured
from runtime.search.labels import read_labels
from runtime.search.models import pull_model
from runtime.search.search import Search

__all__ = [
    "CollectionInfo",
    "IndexProgress",
    "IndexRequest",
    "IndexTotals",
    "Measured",
    "Search",
    "pull_model",
    "read_labels",
]
