"""What plugins of each kind supply is used by a graph, as the page of hooks writes it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

Run = Callable[..., subprocess.CompletedProcess[str]]
GRAPH = """
graph  = "shop"
about  = "Uses one object of each kind"
start  = "find"
output = ["hits", "items", "price", "share", "words", "fit", "said"]

[input]
user = "text"

[state]
hits  = "list"
items = "list"
price = "list"
share = "number"
words = "int"
fit   = "number"
said  = "text"

[node.find]
use   = "retriever.my_retriever"
query = "When do owls hunt?"
top_k = 1
save  = "hits"
next  = "items"

[node.items]
use  = "recommender.my_recommender"
user = "{{ user }}"
k    = 2
save = "items"
next = "price"

[node.price]
use    = "model.my_model"
inputs = { size = [40.0, 80.0] }
save   = ["price"]
next   = "share"

[node.share]
use  = "tool.my_tool"
a    = 6
b    = 3
save = { share = "{{ result.result }}" }
next = "words"

[node.words]
use  = "step.my_step"
text = "one two"
save = ["words"]
next = "fit"

[node.fit]
use       = "scorer.my_scorer"
employees = 250
save      = { fit = "{{ result.score }}" }
next      = "say"

[node.say]
use    = "llm"
model  = "writer"
prompt = "owls"
save   = "said"
next   = "end"
"""

CONFIG = """
[models.writer]
use = ["my_provider"]

[cache]
use = "my_cache"

[guardrails]
output = ["my_guardrail"]

[plugins.my_provider]
greeting = "Sorry, TICKET-7 says"
"""
KINDS = ["retriever", "recommender", "model", "tool", "step", "scorer", "provider", "guardrail", "cache"]


def test_a_graph_uses_what_plugins_of_every_kind_supply(hubbub: Run, workspace: Path) -> None:
    for kind in KINDS:
        made = hubbub("--workspace", workspace, "plugin", "new", kind, f"my_{kind}")
        assert made.returncode == 0, made.stderr
    (workspace / "graphs" / "shop.toml").write_text(GRAPH)
    (workspace / "config.toml").write_text(CONFIG)
    done = hubbub("--workspace", workspace, "run", "shop", "--input", '{"user": "ann"}')
    assert done.returncode == 0, done.stdout + done.stderr
    answer = json.loads(done.stdout)
    assert [hit["id"] for hit in answer["hits"]] == ["owls"]
    assert [item["id"] for item in answer["items"]] == ["milk", "salt"]
    assert (answer["price"], answer["share"], answer["words"], answer["fit"]) == ([240.0, 380.0], 2, 2, 0.5)
    assert answer["said"].strip() == "Sorry, [ticket] says owls"
