"""The figures that can be asked for, by name: each is one SQL text over the views, of one tenant."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from runtime.errors import InvalidInput, NotFound

Kind = Literal["count", "amount", "share", "mean"]

MOST: Final = 1000
"""Rows of one answer, at most."""

_CALLS = """
    SELECT day, graph, model, calls, failed, input_tokens, output_tokens, cached_tokens, cost, ms
    FROM view_usage WHERE tenant = :tenant AND day BETWEEN :first AND :last"""
_RUNS = """
    SELECT date(accepted_at / 1000, 'unixepoch') AS day, graph, status, coalesce(error, '') AS error,
        (ended_at - accepted_at) / 1000.0 AS seconds
    FROM (
        SELECT tenant, coalesce(graph, '') AS graph, status, error, accepted_at, ended_at FROM view_runs
        UNION ALL SELECT tenant, graph, status, error, accepted_at, ended_at FROM past_runs
    )
    WHERE tenant = :tenant AND accepted_at >= strftime('%s', :first) * 1000
        AND accepted_at < strftime('%s', :last, '+1 day') * 1000"""
_RANKED = f"""
    SELECT *, cume_dist() OVER ({{parts}}ORDER BY seconds) AS place FROM ({_RUNS}
    ) WHERE status = 'success' AND seconds IS NOT NULL AND (:graph IS NULL OR graph = :graph)"""  # noqa: S608
_FUNNEL = f"""
    SELECT day, graph, stage, 1 AS passed FROM ({_RUNS}
    ) JOIN (
        SELECT 'started' AS stage UNION ALL SELECT 'answered' UNION ALL SELECT 'waiting'
        UNION ALL SELECT 'failed' UNION ALL SELECT 'cancelled'
    ) ON stage = 'started' OR stage = CASE status
        WHEN 'success' THEN 'answered' WHEN 'interrupted' THEN 'waiting'
        WHEN 'error' THEN 'failed' WHEN 'timeout' THEN 'failed' WHEN 'cancelled' THEN 'cancelled' END
    UNION ALL SELECT day, graph, 'chose ' || label, facts
    FROM view_facts WHERE tenant = :tenant AND day BETWEEN :first AND :last AND kind = 'approval'"""  # noqa: S608


def _facts(kind: str, name: str, label: str) -> str:
    return f"""
    SELECT day, graph, name AS {name}, label AS {label}, version, facts, numbers, total
    FROM view_facts WHERE tenant = :tenant AND day BETWEEN :first AND :last AND kind = '{kind}'"""  # noqa: S608


_LISTS = """
    SELECT day, graph, name AS recommender, label AS variant, kind, facts, total
    FROM view_facts WHERE tenant = :tenant AND day BETWEEN :first AND :last
        AND kind IN ('recommendation', 'clicked', 'bought', 'dismissed')"""
_SHOWN = "sum(iif(kind = 'recommendation', total, 0)) / 1000000000"
_SCORES = _facts("score", "scorer", "tier")
_GUARDS = _facts("guard", "guardrail", "verdict")
_FAILED = "status IN ('error', 'timeout')"
_ENDED = "status IN ('success', 'error', 'timeout', 'cancelled')"


@dataclass(frozen=True, slots=True)
class Measure:
    """One figure.  `value` and `n`, how many observations are in it, are sums over the rows of `source`.

    `source` is a tenant's rows of the days asked for, each by an index.

    A share is between 0 and 1.  `by` are the columns that it can be split by, beside the day.
    """

    about: str
    unit: str
    kind: Kind
    source: str
    value: str
    n: str
    by: tuple[str, ...]
    words: str
    """What people call it, in English and German."""


MEASURES: Final[Mapping[str, Measure]] = {
    "calls": Measure(
        "calls of models", "calls", "count", _CALLS, "sum(calls)", "sum(calls)", ("graph", "model"),
        "calls requests usage used asked model models llm aufrufe modell modelle",
    ),
    "failed_calls": Measure(
        "calls of models that broke off", "share", "share", _CALLS, "1.0 * sum(failed) / sum(calls)",
        "sum(calls)", ("graph", "model"),
        "failed broken calls model models llm outage vendor provider modell modelle",
    ),
    "call_seconds": Measure(
        "seconds that a call of a model takes", "seconds", "mean", _CALLS, "sum(ms) / 1000.0 / sum(calls)",
        "sum(calls)", ("graph", "model"),
        "seconds latency speed slow fast time model models calls llm modell modelle",
    ),
    "tokens": Measure(
        "tokens, read and written", "tokens", "amount", _CALLS, "sum(input_tokens + output_tokens)",
        "sum(calls)", ("graph", "model"), "tokens",
    ),
    "input_tokens": Measure(
        "tokens read by models", "tokens", "amount", _CALLS, "sum(input_tokens)", "sum(calls)",
        ("graph", "model"), "tokens input prompt read",
    ),
    "output_tokens": Measure(
        "tokens written by models", "tokens", "amount", _CALLS, "sum(output_tokens)", "sum(calls)",
        ("graph", "model"), "tokens output written generated",
    ),
    "cost": Measure(
        "cost of models", "USD", "amount", _CALLS, "sum(cost) / 1e9", "sum(calls)", ("graph", "model"),
        "cost costs spend spent spending money price usd dollar dollars expensive budget bill pay "
        "kosten kostet kosteten gekostet ausgaben ausgegeben geld teuer preis",
    ),
    "runs": Measure(
        "runs", "runs", "count", _RUNS, "nullif(count(*), 0)", "count(*)", ("graph", "status"),
        "runs run executions started traffic requests conversations status busy läufe lauf gestartet",
    ),
    "failure_rate": Measure(
        "share of the ended runs that failed", "share", "share", _RUNS,
        f"1.0 * sum({_FAILED}) / nullif(sum({_ENDED}), 0)", f"sum({_ENDED})", ("graph",),
        "failure failures failed share percent quality rate reliability success broken runs conversations "
        "fehlerquote fehlerrate anteil",
    ),
    "failed_runs": Measure(
        "runs that failed", "runs", "count", _RUNS, f"nullif(sum({_FAILED}), 0)", f"sum({_FAILED})",
        ("error", "graph"),
        "runs conversations failed fail failing error errors reasons why causes code codes "
        "läufe fehler fehlgeschlagen fehlgeschlagene gescheitert gescheiterte warum gründe",
    ),
    "run_seconds": Measure(
        "seconds that half of the successful runs stay under", "seconds", "mean", _RANKED,
        "min(seconds) FILTER (WHERE place >= 0.5)", "count(*)", ("graph",),
        "seconds latency speed slow fast time runs run long duration median average quality takes take "
        "dauer dauert dauern lange langsam schnell sekunden",
    ),
    "slow_run_seconds": Measure(
        "seconds that 95 % of the successful runs stay under", "seconds", "mean", _RANKED,
        "min(seconds) FILTER (WHERE place >= 0.95)", "count(*)", ("graph",),
        "slowest p95 percentile tail latency worst langsamste langsamsten",
    ),
    "funnel": Measure(
        "runs that got so far", "runs", "count", _FUNNEL, "sum(passed)", "sum(passed)", ("stage", "graph"),
        "funnel conversion stage stages answered waiting approved",
    ),
    "choices": Measure(
        "choices of people at approvals", "choices", "count", _facts("approval", "step", "choice"),
        "sum(facts)", "sum(facts)", ("choice", "step", "graph"),
        "approvals approval approved rejected rejections reject approve choices people human humans editors "
        "freigaben freigegeben abgelehnt entscheidungen",
    ),
    "verdicts": Measure(
        "verdicts of guardrails", "verdicts", "count", _GUARDS, "sum(facts)", "sum(facts)",
        ("verdict", "guardrail", "graph"), "guardrails guardrail verdicts guards guard rewritten",
    ),
    "blocked": Measure(
        "share of the texts that a guardrail blocked", "share", "share", _GUARDS,
        "1.0 * total(iif(verdict = 'block', facts, 0)) / sum(facts)", "sum(facts)", ("guardrail", "graph"),
        "blocked block blocks guardrail guardrails guard guards injection pii",
    ),
    "scores": Measure(
        "scores given", "scores", "count", _SCORES, "sum(facts)", "sum(facts)",
        ("tier", "scorer", "version", "graph"), "scores scored tiers tier leads lead",
    ),
    "mean_score": Measure(
        "mean score", "score", "mean", _SCORES, "sum(total) / 1e9 / nullif(sum(numbers), 0)", "sum(numbers)",
        ("scorer", "tier", "version", "graph"), "score mean average judge quality scorer rubric scoring",
    ),
    "recommended": Measure(
        "items recommended", "items", "amount", _facts("recommendation", "recommender", "variant"),
        "sum(total) / 1000000000", "sum(facts)", ("recommender", "variant", "graph"),
        "recommended recommendations recommender items shown personalization empfehlungen empfohlen",
    ),
    "clicked": Measure(
        "recommended items that were clicked", "items", "count", _facts("clicked", "recommender", "variant"),
        "sum(facts)", "sum(facts)", ("recommender", "variant", "graph"),
        "clicked clicks recommended recommendations items",
    ),
    "bought": Measure(
        "recommended items that were bought", "items", "count", _facts("bought", "recommender", "variant"),
        "sum(facts)", "sum(facts)", ("recommender", "variant", "graph"),
        "bought purchases purchased buys recommended recommendations items",
    ),
    "dismissed": Measure(
        "recommended items that were dismissed", "items", "count",
        _facts("dismissed", "recommender", "variant"),
        "sum(facts)", "sum(facts)", ("recommender", "variant", "graph"),
        "dismissed dismissals recommended recommendations items",
    ),
    "click_share": Measure(
        "share of the recommended items that were clicked", "share", "share", _LISTS,
        f"1.0 * sum(iif(kind = 'clicked', facts, 0)) / nullif({_SHOWN}, 0)", _SHOWN,
        ("recommender", "variant", "graph"), "clicked click rate share variant recommended items",
    ),
}  # fmt: skip
"""Every figure, by name."""


def select(name: str, by: Sequence[str]) -> str:
    """Return the SQL of a figure, split by columns; NotFound, or InvalidInput for a column it has not.

    Its parameters are `:tenant`, `:first` and `:last` (days, included), `:graph` (NULL for all), `:most`.
    """
    measure = MEASURES.get(name)
    if measure is None:
        raise NotFound(f"there is no measure {name[:80]}; there are: {', '.join(MEASURES)}")
    columns = list(dict.fromkeys(by))
    for column in columns:
        if column not in ("day", *measure.by):
            known = ", ".join(("day", *measure.by))
            raise InvalidInput(f"{name} cannot be split by {column[:80]}; split it by {known}")
    parts = f"PARTITION BY {', '.join(columns)} " if columns else ""
    order = ("day" if "day" in columns else "value DESC", *(each for each in columns if each != "day"))
    groups = f"\nGROUP BY {', '.join(columns)} ORDER BY {', '.join(order)}" if columns else ""
    # Nothing of it is anybody's text: names and columns are those above, the rest are parameters.
    return (
        f"SELECT {', '.join((*columns, measure.value))} AS value, {measure.n} AS n\n"
        f"FROM ({measure.source.replace('{parts}', parts)}\n)\n"
        f"WHERE :graph IS NULL OR graph = :graph{groups}\nLIMIT :most"
    )
