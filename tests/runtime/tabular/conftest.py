"""Leads that are made up: honest columns, and such as give the outcome away."""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

Made = dict[str, list[str]]
Write = Callable[..., Path]


def make_leads(rows: int = 2_000, share: float = 0.2, seed: int = 3) -> Made:
    """Return honest columns and their outcome `won`: size and source matter, the rest is noise."""
    random = np.random.default_rng(seed)
    size = random.lognormal(3, 1, rows)
    source = random.choice(["web", "fair", "referral", "list"], rows, p=[0.5, 0.2, 0.2, 0.1])
    noise = random.normal(size=rows)
    pull = (
        0.8 * np.log(size)
        + 1.2 * (source == "referral")
        - 0.8 * (source == "list")
        + random.normal(size=rows)
    )
    won = pull > np.quantile(pull, 1 - share)
    gaps = random.random(rows) < 0.1
    return {
        "lead_id": [f"L-{number:06d}" for number in range(rows)],
        "created": [f"2024-{1 + row * 12 // rows:02d}-{1 + row % 28:02d}" for row in range(rows)],
        "employees": ["" if gap else f"{value:.0f}" for gap, value in zip(gaps, size, strict=True)],
        "source": [str(each) for each in source],
        "noise": [f"{value:.4f}" for value in noise],
        "country": [str(each) for each in random.choice(["DE", "FR", "US"], rows)],
        "won": ["yes" if each else "no" for each in won],
    }


@pytest.fixture
def leads() -> Made:
    """Two thousand leads, of which a fifth bought."""
    return make_leads()


def write_csv(folder: Path, columns: Mapping[str, Sequence[Any]], name: str = "leads.csv") -> Path:
    """Write columns into a CSV file and return its path."""
    path = folder / name
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))
    return path


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write columns into a CSV file of the test's own folder."""
    return partial(write_csv, tmp_path)
