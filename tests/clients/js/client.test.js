// The client of `@langchain/langgraph-sdk`: assistants, threads and runs over HTTP.
import assert from "node:assert/strict";
import { test } from "node:test";
import { client, collect, newGate, open, until } from "./hub.js";

const hub = client();
const told = { text: "one two three" };

test("graphs are assistants", async () => {
  const found = await hub.assistants.search({ graphId: "tell", limit: 5 });
  assert.deepEqual(found.map((each) => each.assistant_id), ["tell"]);
  assert.equal((await hub.assistants.get("tell")).graph_id, "tell");
  assert.equal(await hub.assistants.count({ name: "tell" }), 1);
  const page = await hub.assistants.search({ limit: 1, includePagination: true });
  assert.equal(page.next, "1");
});

test("an assistant says what it takes and how it is drawn", async () => {
  const schemas = await hub.assistants.getSchemas("tell");
  assert.deepEqual(schemas.input_schema.required, ["text"]);
  assert.ok(schemas.output_schema.properties.answer);
  const graph = await hub.assistants.getGraph("tell", { xray: true });
  assert.deepEqual(graph.nodes.map((node) => node.id).sort(), ["__end__", "__start__", "say"]);
  assert.equal(graph.edges.length, 2);
});

test("an unknown assistant is 404 with a sentence", async () => {
  await assert.rejects(hub.assistants.get("tel"), { status: 404, message: /did you mean tell/ });
});

test("threads are made, found, changed and deleted", async () => {
  const mark = newGate();
  const made = await hub.threads.create({ metadata: { mark }, graphId: "tell" });
  assert.equal(made.status, "idle");
  assert.deepEqual((await hub.threads.search({ metadata: { mark } })).map((each) => each.thread_id), [made.thread_id]);
  assert.equal(await hub.threads.count({ metadata: { mark } }), 1);
  const changed = await hub.threads.update(made.thread_id, { metadata: { more: 1 } });
  assert.deepEqual(changed.metadata, { mark, more: 1, graph_id: "tell" });
  assert.deepEqual((await hub.threads.get(made.thread_id)).metadata, changed.metadata);
  const again = await hub.threads.create({ threadId: made.thread_id, ifExists: "do_nothing" });
  assert.equal(again.created_at, made.created_at);
  await assert.rejects(hub.threads.create({ threadId: made.thread_id }), { status: 409 });
  await hub.threads.delete(made.thread_id);
  await assert.rejects(hub.threads.get(made.thread_id), { status: 404 });
});

test("a run is waited for and leaves its state", async () => {
  const { thread_id: thread } = await hub.threads.create();
  let created;
  const values = await hub.runs.wait(thread, "tell", { input: told, onRunCreated: (run) => (created = run) });
  assert.equal(values.answer.trim(), told.text);
  assert.equal(created.thread_id, thread);
  assert.equal((await hub.runs.get(thread, created.run_id)).status, "success");
  const state = await hub.threads.getState(thread);
  assert.deepEqual([state.values, state.next], [values, []]);
  assert.deepEqual(await hub.threads.getState(thread, state.checkpoint), state);
  assert.deepEqual((await hub.threads.get(thread)).values, values);
});

test("a run without a thread is waited for", async () => {
  const values = await hub.runs.wait(null, "tell", { input: told });
  assert.equal(values.answer.trim(), told.text);
});

test("a run is created, listed and joined", async () => {
  const { thread_id: thread } = await hub.threads.create();
  const gate = newGate();
  const run = await hub.runs.create(thread, "tell", { input: { text: `a [gate:${gate}] b` }, metadata: { a: 1 } });
  assert.ok(["pending", "running"].includes(run.status));
  assert.equal((await hub.threads.get(thread)).status, "busy");
  const [listed] = await hub.runs.list(thread, { select: ["run_id", "metadata"] });
  assert.deepEqual([listed.run_id, listed.metadata.a, listed.status], [run.run_id, 1, undefined]);
  const joined = hub.runs.join(thread, run.run_id);
  await open(gate);
  assert.equal((await joined).answer.trim(), "a b");
  assert.deepEqual(await hub.runs.list(thread, { status: "error" }), []);
});

test("a failed run raises with its sentence", async () => {
  await assert.rejects(hub.runs.wait(null, "tell", { input: { text: "a [fail]" } }), /model_error: .*lost its voice/);
});

test("a wrong input is refused before there is a run", async () => {
  await assert.rejects(hub.runs.wait(null, "tell", { input: { words: 1 } }), { status: 422 });
});

test("a run is cancelled, with and without waiting", async () => {
  for (const wait of [true, false]) {
    const { thread_id: thread } = await hub.threads.create();
    const run = await hub.runs.create(thread, "tell", { input: { text: "a [gate:never]" } });
    await hub.runs.cancel(thread, run.run_id, wait);
    await until(async () => (await hub.runs.get(thread, run.run_id)).status === "interrupted");
    assert.equal((await hub.threads.get(thread)).status, "idle");
  }
});

test("a busy thread rejects or queues", async () => {
  const { thread_id: thread } = await hub.threads.create();
  const gate = newGate();
  const first = await hub.runs.create(thread, "tell", { input: { text: `first [gate:${gate}]` } });
  await assert.rejects(hub.runs.create(thread, "tell", { input: told, multitaskStrategy: "reject" }), { status: 409 });
  const second = await hub.runs.create(thread, "tell", { input: told, multitaskStrategy: "enqueue" });
  assert.equal(second.status, "pending");
  await open(gate);
  assert.equal((await hub.runs.join(thread, second.run_id)).answer.trim(), told.text);
  assert.equal((await hub.runs.get(thread, first.run_id)).status, "success");
});

test("a stream ends with the final values, and each mode has its parts", async () => {
  const parts = await collect(
    hub.runs.stream(null, "tell", { input: told, streamMode: ["values", "updates", "messages-tuple"] }),
  );
  const of = (name) => parts.filter((part) => part.event === name).map((part) => part.data);
  assert.equal(parts[0].event, "metadata");
  assert.equal(of("values").at(-1).answer.trim(), told.text);
  assert.deepEqual(Object.keys(of("updates")[0]), ["say"]);
  assert.equal(of("messages").map(([chunk]) => chunk.content).join("").trim(), told.text);
  assert.ok(of("messages").length > 2);
});

test("a joined stream goes on behind the last event that was seen", async () => {
  const { thread_id: thread } = await hub.threads.create();
  const run = await hub.runs.create(thread, "tell", { input: told });
  const streamMode = ["values", "updates"];
  const whole = await collect(hub.runs.joinStream(thread, run.run_id, { streamMode }));
  assert.ok(whole.length > 3);
  assert.equal(whole.at(-1).event, "end");
  for (const [index, part] of whole.slice(0, -1).entries()) {
    const rest = await collect(hub.runs.joinStream(thread, run.run_id, { streamMode, lastEventId: part.id }));
    assert.deepEqual(rest, whole.slice(index + 1));
  }
});

test("a stream whose reader leaves cancels its run if it was asked to", async () => {
  const { thread_id: thread } = await hub.threads.create();
  const leave = new AbortController();
  const parts = hub.runs.stream(thread, "tell", {
    input: { text: "a [gate:never]" },
    onDisconnect: "cancel",
    signal: leave.signal,
  });
  const { value } = await parts.next();
  leave.abort();
  await parts.next().catch(() => {});
  await until(async () => (await hub.runs.get(thread, value.data.run_id)).status === "interrupted");
});
