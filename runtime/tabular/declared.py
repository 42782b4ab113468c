"""The file beside a table that says what its columns are, where they do not say so themselves."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from runtime.errors import InvalidInput, NotFound
from runtime.tabular.columns import Kind
from runtime.tabular.outcome import named
from runtime.tabular.table import Table


class _Declared(BaseModel):
    model_config = ConfigDict(extra="forbid")

    type: Literal["number", "category", "date", "ignore"] | None = None
    known: bool = True


@dataclass(frozen=True, slots=True)
class Declared:
    """What somebody has said of columns: their kinds, which are not to be used, which are not known yet."""

    kinds: Mapping[str, Kind] = field(default_factory=dict)
    ignored: frozenset[str] = frozenset()
    unknown: frozenset[str] = frozenset()


def beside(data: Path) -> Path | None:
    """Return the file DATA.columns.toml beside DATA.csv; None when there is none."""
    path = data.with_name(f"{data.stem}.columns.toml")
    return path if path.is_file() else None


def read_declared(path: Path, table: Table) -> Declared:
    """Read the file: a table for each column, with `type` and `known`; InvalidInput when it is wrong."""
    try:
        found = TypeAdapter(dict[str, _Declared]).validate_python(tomllib.loads(path.read_text()))
    except FileNotFoundError:
        raise NotFound(f"There is no file {path}; name one that exists.") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InvalidInput(f"{path} is no TOML that can be read ({error}); mend it.") from None
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise InvalidInput(
            f"{path} is wrong at {place} ({first['msg'][:100]}); a column has type = "
            '"number", "category", "date" or "ignore", and known = true or false.'
        ) from None
    declared = {named(table, name, f"table [{name}] of {path.name}"): each for name, each in found.items()}
    return Declared(
        kinds={name: each.type for name, each in declared.items() if each.type not in (None, "ignore")},  # type: ignore[misc]
        ignored=frozenset(name for name, each in declared.items() if each.type == "ignore"),
        unknown=frozenset(name for name, each in declared.items() if not each.known),
    )
