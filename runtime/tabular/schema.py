"""What a model was trained on, kept beside it: its features in their order, and how scores were spread."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, TypeAlias

from runtime.errors import StorageError

FeatureKind: TypeAlias = Literal["number", "category", "age"]
Algorithm: TypeAlias = Literal["lightgbm", "logistic"]

SCHEMA_FILE: Final = "schema.json"
FORMAT: Final = 1


@dataclass(frozen=True, slots=True)
class Feature:
    """One input: its levels if it is a category, its format if it is a date, whose age in days is taken.

    The format of a number is "," where its decimals come after a comma.

    `edges` cut its numbers into bins; `shares` are how the training rows fall into them, those without a
    value first.  A category's bins are its levels.
    """

    name: str
    kind: FeatureKind
    levels: tuple[str, ...] = ()
    format: str = ""
    edges: tuple[float, ...] = ()
    shares: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A column that is not used, or should not be, and why; with `leak` it gives the outcome away."""

    column: str
    reason: str
    leak: bool = False
    auc: float | None = None


@dataclass(frozen=True, slots=True)
class Training:
    """How a model was made, so that it can be made again from newer data."""

    data: str
    sha256: str
    at: str
    """When it was trained, in UTC."""
    label: str
    positive: str
    rows: int
    positives: int
    time: str = ""
    allow: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    columns: str = ""
    """The file that says what the columns are; "" for none."""


@dataclass(frozen=True, slots=True)
class Schema:
    """The features of a model in the order of its inputs, and what its scores are held against."""

    algorithm: Algorithm
    features: tuple[Feature, ...]
    model_sha256: str
    percentiles: tuple[float, ...]
    """The probabilities of rows it was not trained on: the 0th to 100th percentile, in equal steps."""
    training: Training
    time_format: str = ""
    """The format of the time column, when there are ages."""
    left_out: tuple[LeftOut, ...] = ()
    allowed: tuple[LeftOut, ...] = ()
    """Features that seem to leak and were let in."""
    format: int = 0

    @property
    def names(self) -> tuple[str, ...]:
        """The features' names."""
        return tuple(feature.name for feature in self.features)


def schema_text(schema: Schema) -> str:
    """Return it as JSON, for the folder of its model."""
    from pydantic import TypeAdapter

    return TypeAdapter(Schema).dump_json(schema, indent=1, exclude_defaults=True).decode() + "\n"


def read_schema(folder: Path) -> Schema:
    """Read it; StorageError when it is none, or not there."""
    from pydantic import TypeAdapter, ValidationError

    path = folder / SCHEMA_FILE
    try:
        schema: Schema = TypeAdapter(Schema).validate_json(path.read_bytes())
    except OSError as error:
        raise StorageError(
            f"{path} cannot be read ({error.strerror}), so the folder is no model that `hubbub train` made; "
            "train it again, or name another one."
        ) from None
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        place = ".".join(map(str, first["loc"])) or "its text"
        raise StorageError(
            f"{path} is damaged at {place} ({first['msg'][:100]}); train the model again, or delete it."
        ) from None
    if schema.format != FORMAT or not schema.features:
        raise StorageError(f"{path} was written by another version of Hubbub; train the model again.")
    return schema
