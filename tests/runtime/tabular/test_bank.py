"""On real leads (Bank Marketing, 41,188 calls) the model is worth what was promised."""

from __future__ import annotations

from pathlib import Path

import pytest

from runtime.tabular.training import Order, train

DATA = Path(__file__).parents[4] / "shared" / "data" / "bank_marketing" / "bank-additional-full.csv"


@pytest.mark.timeout(600)
@pytest.mark.skipif(not DATA.is_file(), reason=f"there is no {DATA.name} beside the checkout")
def test_the_call_leaks_and_without_it_the_figures_are_as_promised() -> None:
    report = train(Order(DATA, "y"), lambda _: None).report
    assert [each.column for each in report.schema.left_out if each.leak] == ["duration"]
    assert len(report.schema.features) == 19
    assert report.random.auc >= 0.80
    assert report.random.ece <= 0.01
    assert report.rolling
    assert report.rolling.models == 22
    assert report.rolling.quality.auc >= 0.77
