// The older `useStream` of `@langchain/langgraph-sdk/react`, which reads run streams.
import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import { useStream } from "@langchain/langgraph-sdk/react";
import { cleanup, renderHook } from "./dom.js";
import { client, Line, newGate, open, until, url } from "./hub.js";

const human = (content, id) => ({ messages: [{ type: "human", content, id }] });
const shown = (stream) => stream.messages.map(({ type, content }) => [type, content.trim()]);

/** Show a page; a hook asks for the streams of those fields that the page reads. */
function page(options, read = (stream) => stream.messages) {
  const hook = (props) => {
    const stream = useStream({ apiUrl: url, assistantId: "chat", ...options, ...props });
    read(stream);
    return stream;
  };
  const { result, rerender, unmount } = renderHook(hook, { initialProps: {} });
  return { now: () => result.current, show: rerender, close: unmount };
}

afterEach(() => {
  cleanup();
  window.sessionStorage.clear();
});

test("a conversation streams word by word, and each message is there once", async () => {
  let threadId;
  const { now, show } = page({ onThreadId: (id) => (threadId = id) });
  for (const turn of [1, 2]) {
    const gate = newGate();
    const done = now().submit(human(`${turn} one [gate:${gate}] two`));
    await until(() => now().isLoading && shown(now()).at(-1)?.[1] === `${turn} one`);
    await open(gate);
    await done;
    await until(() => !now().isLoading && shown(now()).at(-1)[1] === `${turn} one two`);
    assert.equal(now().messages.length, 2 * turn);
    show({ threadId });
  }
  assert.equal(now().error, undefined);
});

test("values, updates and metadata come to whoever listens", async () => {
  const told = [];
  const { now } = page(
    {
      assistantId: "tell",
      onCreated: (run) => told.push(["created", run.run_id]),
      onMetadataEvent: (data) => told.push(["metadata", data.run_id]),
      onUpdateEvent: (data) => told.push(["update", Object.keys(data)]),
      onFinish: () => told.push(["finish"]),
    },
    (stream) => stream.values,
  );
  await now().submit({ text: "one" });
  await until(() => now().values.answer === "one ");
  const run = told[0][1];
  assert.deepEqual(told, [["created", run], ["metadata", run], ["update", ["say"]], ["finish"]]);
});

test("a message with a tool call is there once and whole", async () => {
  const { now } = page({ assistantId: "tell" });
  const gate = newGate();
  now().submit({ text: `look [call:look] [gate:${gate}]` });
  await until(() => now().messages[0]?.tool_calls?.[0]?.args.place === "pier");
  assert.equal(now().messages[0].content, "look ");
  assert.equal(now().messages[0].tool_calls[0].name, "look");
  await open(gate);
  await until(() => !now().isLoading);
});

test("optimistic values are shown before the hub has answered", async () => {
  const { now } = page();
  const gate = newGate();
  const input = human(`one [gate:${gate}]`, newGate());
  const done = now().submit(input, { optimisticValues: (prev) => ({ ...prev, messages: input.messages }) });
  await until(() => now().messages.length > 0);
  assert.equal(now().messages[0].id, input.messages[0].id);
  await open(gate);
  await done;
  await until(() => now().messages.length === 2);
});

test("a run that fails is an error, and the next one is not", async (t) => {
  t.mock.method(console, "error", () => {}); // the hook prints it
  const failures = [];
  const { now } = page({ assistantId: "tell", onError: (error) => failures.push(error.message) });
  await now().submit({ text: "one [fail]" });
  await until(() => now().error);
  assert.match(now().error.message, /lost its voice/);
  assert.equal(failures.length, 1);
  await now().submit({ text: "two" });
  await until(() => !now().error && !now().isLoading);
});

test("stop ends the run on the hub when the page does not want to come back to it", async () => {
  let run;
  const { now } = page({ onCreated: (created) => (run = created) });
  now().submit(human("one [gate:never]"));
  await until(() => shown(now()).at(-1)?.[1] === "one");
  await now().stop();
  await until(() => !now().isLoading);
  await until(async () => (await client().runs.get(run.thread_id, run.run_id)).status === "interrupted");
});

test("a page that comes back to its run reads on, from the beginning of the run", async () => {
  let threadId;
  const options = { reconnectOnMount: true, onThreadId: (id) => (threadId = id) };
  const first = page(options);
  const gate = newGate();
  first.now().submit(human(`one [gate:${gate}] two`));
  await until(() => shown(first.now()).at(-1)?.[1] === "one");
  first.close();
  const { now } = page({ ...options, threadId });
  await until(() => now().isLoading && shown(now()).at(-1)?.[1] === "one");
  await open(gate);
  await until(() => !now().isLoading && shown(now()).at(-1)?.[1] === "one two");
  assert.equal(now().messages.length, 2);
  assert.equal(window.sessionStorage.getItem(`lg:stream:${threadId}`), null);
});

test("a run that has ended is joined and read from the log", async () => {
  const { thread_id: threadId } = await client().threads.create();
  const run = await client().runs.create(threadId, "chat", { input: human("one") });
  await client().runs.join(threadId, run.run_id);
  const { now } = page({ threadId });
  await until(() => !now().isThreadLoading);
  await now().joinStream(run.run_id);
  await until(() => now().messages.length === 2);
  assert.equal(now().messages[1].content, "one ");
});

test("a page may switch between threads", async () => {
  const threads = [];
  for (const word of ["one", "two"]) {
    const { thread_id: thread } = await client().threads.create();
    await client().runs.wait(thread, "chat", { input: human(word) });
    threads.push(thread);
  }
  const { now, show } = page({ threadId: threads[0] });
  for (const [index, word] of [[0, "one"], [1, "two"], [0, "one"]]) {
    show({ threadId: threads[index] });
    await until(() => shown(now()).at(-1)?.[1] === word && now().messages.length === 2);
  }
});

test("a connection that breaks in the middle of a message is taken up where it broke", async (t) => {
  const line = await Line.begin();
  t.after(() => line.end());
  const { now } = page({ apiUrl: line.url, reconnectOnMount: true }); // else the hook asks to cancel the run
  const gate = newGate();
  const done = now().submit(human(`one two [gate:${gate}] three`));
  await until(() => shown(now()).at(-1)?.[1] === "one two");
  assert.ok(line.cut() > 0);
  await open(gate);
  await done;
  await until(() => shown(now()).at(-1)[1] === "one two three");
  assert.equal(now().messages.length, 2);
  assert.equal(now().error, undefined);
});

test("a run that asks a person waits, and goes on with the answer", async () => {
  const { now } = page({ assistantId: "confirm" }, (stream) => [stream.values, stream.interrupt]);
  await now().submit({ text: "one" });
  await until(() => now().interrupt && !now().isLoading);
  assert.deepEqual(now().interrupt.value.choices, ["yes", "no"]);
  await now().submit(null, { command: { resume: "yes" } });
  await until(() => now().values.decision === "gone" && !now().isLoading);
  assert.equal(now().interrupt, undefined);
});

test("a page that opens a waiting thread is shown the question", async () => {
  const { thread_id: threadId } = await client().threads.create();
  await client().runs.wait(threadId, "confirm", { input: { text: "one" } });
  const { now } = page({ threadId, assistantId: "confirm" }, (stream) => [stream.values, stream.interrupt]);
  await until(() => now().interrupt?.value.show.proposal === "one ");
  await now().submit(null, { command: { resume: "no" } });
  await until(() => now().values.decision === "stayed");
});

test("a message may be said again in another way, and both ways stay", async () => {
  const { thread_id: threadId } = await client().threads.create();
  for (const word of ["one", "two"]) await client().runs.wait(threadId, "chat", { input: human(word) });
  const { now } = page({ threadId, fetchStateHistory: true });
  await until(() => now().messages.length === 4);
  const second = now().messages[2];
  const { firstSeenState } = now().getMessagesMetadata(second, 2);
  await now().submit(human("three"), { checkpoint: firstSeenState.parent_checkpoint });
  await until(() => !now().isLoading && shown(now()).map(([, text]) => text).join() === "one,one,three,three");
  const { branch, branchOptions } = now().getMessagesMetadata(now().messages[2], 2);
  assert.equal(branchOptions.length, 2);
  now().setBranch(branchOptions.find((each) => each !== branch));
  await until(() => shown(now()).map(([, text]) => text).join() === "one,one,two,two");
});

test("a submission may take the place of a run", async () => {
  let threadId;
  const { now, show } = page({ onThreadId: (id) => (threadId = id) });
  now().submit(human("one [gate:never]"));
  await until(() => shown(now()).at(-1)?.[1] === "one");
  show({ threadId });
  await now().submit(human("two"), { multitaskStrategy: "interrupt" });
  await until(() => !now().isLoading && shown(now()).at(-1)[1] === "two" && now().messages.at(-1).type === "ai");
  const runs = await client().runs.list(threadId);
  assert.deepEqual(runs.map(({ status }) => status), ["success", "interrupted"]);
});
