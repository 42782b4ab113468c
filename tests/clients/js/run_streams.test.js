// The run streams of `@langchain/langgraph-sdk` when connections break.
import assert from "node:assert/strict";
import { test } from "node:test";
import { client, collect, Line, newGate, open } from "./hub.js";

const modes = ["values", "updates", "messages-tuple"];

test("a stream that breaks is taken up behind the last event, nothing twice and nothing lost", async (t) => {
  const line = await Line.begin();
  t.after(() => line.end());
  const { thread_id: thread } = await client().threads.create();
  const gates = [newGate(), newGate()];
  const parts = [];
  let run;
  const stream = client({ apiUrl: line.url }).runs.stream(thread, "tell", {
    input: { text: `one [gate:${gates[0]}] two [gate:${gates[1]}] three` },
    streamMode: modes,
    onRunCreated: (created) => (run = created.run_id),
  });
  for await (const part of stream) {
    parts.push(part);
    if (part.event === "messages" && gates.length) {
      assert.equal(line.cut(), 1);
      await open(gates.shift());
    }
  }
  assert.deepEqual(parts, await collect(client().runs.joinStream(thread, run, { streamMode: modes })));
});

test("several viewers of a run see the same", async () => {
  const { thread_id: thread } = await client().threads.create();
  const gate = newGate();
  const run = await client().runs.create(thread, "tell", { input: { text: `one [gate:${gate}] two` } });
  const viewers = [1, 2].map(() => collect(client().runs.joinStream(thread, run.run_id, { streamMode: modes })));
  await open(gate);
  const [first, second] = await Promise.all(viewers);
  assert.deepEqual(first, second);
  assert.equal(first.at(-1).event, "end");
});
