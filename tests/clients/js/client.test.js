// The client of `@langchain/langgraph-sdk`: assistants, threads and runs over HTTP.
import assert from "node:assert/strict";
import { test } from "node:test";
import { client, collect, newGate, open, until } from "./hub.js";

const hub = client();
const told = { text: "one two three" };
const human = (content) => ({ messages: [{ type: "human", content }] });
const said = (values) => values.messages.map((message) => message.content.trim());

/** Make a thread on which each of these words was said and repeated. */
async function conversation(...words) {
  const { thread_id: thread } = await hub.threads.create();
  for (const word of words) await hub.runs.wait(thread, "chat", { input: human(word) });
  return thread;
}

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

test("a batch of runs is started in its order", async () => {
  const inputs = ["a", "b"].map((text) => ({ assistantId: "tell", input: { text }, multitaskStrategy: "enqueue" }));
  const started = await hub.runs.createBatch(inputs);
  const joined = await Promise.all(started.map((run) => hub.runs.join(run.thread_id, run.run_id)));
  assert.deepEqual(joined.map((values) => values.answer.trim()), ["a", "b"]);
});

test("runs are cancelled by their ids, and a run that has ended is deleted", async () => {
  const { thread_id: thread } = await hub.threads.create();
  const run = await hub.runs.create(thread, "tell", { input: { text: "a [gate:never]" } });
  await hub.runs.cancelMany({ threadId: thread, runIds: [run.run_id] });
  await until(async () => (await hub.runs.get(thread, run.run_id)).status === "interrupted");
  await hub.runs.delete(thread, run.run_id);
  await assert.rejects(hub.runs.get(thread, run.run_id), { status: 404 });
});

test("a thread's past is listed, newest first, and read at each checkpoint", async () => {
  const thread = await conversation("one", "two");
  const history = await hub.threads.getHistory(thread, { limit: 20 });
  assert.deepEqual(history.map((state) => state.values.messages?.length), [4, 3, 2, 2, 1, 0]);
  for (const [index, state] of history.slice(0, -1).entries()) {
    assert.equal(state.parent_checkpoint.checkpoint_id, history[index + 1].checkpoint.checkpoint_id);
    assert.ok(state.metadata.step > history[index + 1].metadata.step);
    assert.deepEqual((await hub.threads.getState(thread, state.checkpoint)).values, state.values);
    assert.deepEqual((await hub.threads.getState(thread, state.checkpoint.checkpoint_id)).values, state.values);
  }
  const before = { configurable: { checkpoint_id: history[2].checkpoint.checkpoint_id } };
  assert.deepEqual(await hub.threads.getHistory(thread, { limit: 2, before }), history.slice(3, 5));
});

test("a run begins from a checkpoint, and a state is changed by hand", async () => {
  const thread = await conversation("one", "two");
  const history = await hub.threads.getHistory(thread);
  const { checkpoint } = history.find((state) => state.values.messages?.length === 2);
  const values = await hub.runs.wait(thread, "chat", { input: human("three"), checkpoint });
  assert.deepEqual(said(values), ["one", "one", "three", "three"]);
  await hub.threads.updateState(thread, { values: human("by hand"), asNode: "answer" });
  assert.deepEqual(said((await hub.threads.getState(thread)).values).slice(-1), ["by hand"]);
});

test("a thread is copied with its past, and pruned to its present", async () => {
  const thread = await conversation("one", "two");
  const { thread_id: copy } = await hub.threads.copy(thread);
  assert.deepEqual((await hub.threads.getState(copy)).values, (await hub.threads.getState(thread)).values);
  assert.equal((await hub.threads.getHistory(copy)).length, 6);
  assert.equal((await hub.threads.prune([thread], { strategy: "keep_latest" })).pruned_count, 1);
  assert.equal((await hub.threads.getHistory(thread)).length, 1);
});

test("a run may take another one's place, which is kept or undone", async () => {
  for (const [multitaskStrategy, left] of [["interrupt", ["success", "interrupted"]], ["rollback", ["success"]]]) {
    const { thread_id: thread } = await hub.threads.create();
    await hub.runs.create(thread, "tell", { input: { text: "a [gate:never]" } });
    await hub.runs.wait(thread, "tell", { input: told, multitaskStrategy });
    assert.deepEqual((await hub.runs.list(thread)).map((run) => run.status), left);
  }
});

test("a run waits for a person, over HTTP", async () => {
  const { thread_id: thread } = await hub.threads.create();
  const asked = await hub.runs.wait(thread, "confirm", { input: told });
  assert.deepEqual(asked.__interrupt__[0].value.choices, ["yes", "no"]);
  assert.equal((await hub.threads.get(thread)).status, "interrupted");
  const state = await hub.threads.getState(thread);
  assert.deepEqual([state.next, state.tasks[0].interrupts[0].id], [["ask"], asked.__interrupt__[0].id]);
  const answered = await hub.runs.wait(thread, "confirm", { command: { resume: "yes" } });
  assert.equal(answered.decision, "gone");
});

test("crons are made, found, changed and deleted", async () => {
  const made = await hub.crons.create("tell", { schedule: "0 0 1 1 *", input: told, metadata: { mark: newGate() } });
  const { metadata } = made;
  assert.deepEqual((await hub.crons.search({ metadata })).map((cron) => cron.cron_id), [made.cron_id]);
  assert.equal(await hub.crons.count({ metadata }), 1);
  assert.equal((await hub.crons.update(made.cron_id, { enabled: false })).enabled, false);
  await hub.crons.delete(made.cron_id);
  assert.equal(await hub.crons.count({ metadata }), 0);
  const { thread_id: thread } = await hub.threads.create();
  const ofThread = await hub.crons.createForThread(thread, "tell", { schedule: "0 0 1 1 *", input: told });
  assert.equal(ofThread.thread_id, thread);
  await hub.crons.delete(ofThread.cron_id);
});

test("the store keeps items, finds them and lists where they are", async () => {
  const [place, key] = [["clients", newGate()], "k"];
  await hub.store.putItem(place, key, { colour: "blue" });
  assert.deepEqual((await hub.store.getItem(place, key)).value, { colour: "blue" });
  const { items } = await hub.store.searchItems(place, { filter: { colour: "blue" } });
  assert.deepEqual(items.map((item) => item.key), [key]);
  assert.deepEqual((await hub.store.listNamespaces({ prefix: place })).namespaces, [place]);
  await hub.store.deleteItem(place, key);
  assert.deepEqual((await hub.store.searchItems(place)).items, []);
});
