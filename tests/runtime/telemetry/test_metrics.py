"""Metrics count what happened, and names that clients choose do not make them grow."""

from __future__ import annotations

import asyncio
import re

import pytest

from runtime.telemetry import METRICS_CONTENT_TYPE, Telemetry


def test_metrics_count_what_happened() -> None:
    telemetry = Telemetry()
    metrics = telemetry.metrics
    metrics.run_started("ask")
    metrics.run_finished("ask", "success", 0.2)
    metrics.first_token(0.01)
    metrics.tokens("extractive", input=3, output=4, cost_usd=0.5)
    metrics.step("llm", 0.1)
    metrics.retrieval("hybrid", 0.02)
    metrics.commit(0.003, 8)
    metrics.socket_opened()
    metrics.socket_opened()
    metrics.socket_closed()
    metrics.frames_sent(5)
    metrics.deltas_merged(2)
    metrics.deltas_dropped(1)
    metrics.command("run.start", "success")
    tally = metrics.plugin_tally("crm")
    tally.calls, tally.failures = 1, 1
    metrics.loop_stalled(0.2)
    text = telemetry.render().decode()
    for line in (
        'hubbub_runs_started_total{graph="ask"} 1.0',
        'hubbub_runs_finished_total{graph="ask",status="success"} 1.0',
        'hubbub_run_seconds_count{graph="ask"} 1.0',
        "hubbub_first_token_seconds_count 1.0",
        'hubbub_tokens_in_total{model="extractive"} 3.0',
        'hubbub_tokens_out_total{model="extractive"} 4.0',
        'hubbub_cost_usd_total{model="extractive"} 0.5',
        'hubbub_step_seconds_count{kind="llm"} 1.0',
        'hubbub_retrieval_seconds_count{mode="hybrid"} 1.0',
        "hubbub_commit_seconds_count 1.0",
        "hubbub_commit_batch_size_sum 8.0",
        "hubbub_sockets_open 1.0",
        "hubbub_frames_sent_total 5.0",
        "hubbub_deltas_merged_total 2.0",
        "hubbub_deltas_dropped_total 1.0",
        'hubbub_commands_total{method="run.start",outcome="success"} 1.0',
        'hubbub_plugin_calls_total{plugin="crm"} 1.0',
        'hubbub_plugin_failures_total{plugin="crm"} 1.0',
        "hubbub_loop_stall_seconds_count 1.0",
    ):
        assert line in text.splitlines()
    assert METRICS_CONTENT_TYPE.startswith("text/plain")


def test_names_that_clients_choose_do_not_grow_the_metrics_without_end() -> None:
    metrics = Telemetry().metrics
    for number in range(5000):
        metrics.command(f"made-up-{number}", "unknown_command")
    text = metrics.render().decode()
    assert len(re.findall(r"hubbub_commands_total\{", text)) <= 257
    assert 'hubbub_commands_total{method="other",outcome="other"} 4744.0' in text


async def test_the_loop_watch_notes_a_stall() -> None:
    metrics = Telemetry().metrics
    watch = asyncio.create_task(metrics.watch_loop(0.001))
    while "hubbub_loop_stall_seconds_count 0.0" in metrics.render().decode():
        await asyncio.sleep(0)
    watch.cancel()
    with pytest.raises(asyncio.CancelledError):
        await watch
