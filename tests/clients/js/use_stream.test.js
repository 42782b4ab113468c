// React's `useStream` of `@langchain/react` in a page, on both transports.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { useChannel, useMessageMetadata, useMessages, useSubmissionQueue } from "@langchain/react";
import { client, Line, newGate, open, until } from "./hub.js";
import { human, pageOf, said, settled, shown, TRANSPORTS } from "./page_of.js";

const quickly = { maxReconnectAttempts: 100, reconnectDelayMs: () => 20 };

for (const transport of TRANSPORTS) {
  describe(transport, () => {
    const page = (options, more) => pageOf({ transport, ...options }, more);

    test("a conversation streams word by word, and each message is there once", async () => {
      const { now } = page();
      for (const turn of [1, 2]) {
        const [first, last] = [newGate(), newGate()];
        const done = now().submit(human(`${turn} one [gate:${first}] two [gate:${last}] three`));
        await until(() => now().isLoading && shown(now()).at(-1)?.[1] === `${turn} one`);
        await open(first);
        await until(() => shown(now()).at(-1)[1] === `${turn} one two`);
        await open(last);
        await done;
        assert.equal(now().isLoading, false);
        await until(() => said(now()).at(-1) === `${turn} one two three`);
        await settled();
        assert.deepEqual(shown(now()).map(([type]) => type), Array(turn).fill(["human", "ai"]).flat());
        assert.equal(now().error, undefined);
      }
      const { values } = await client().threads.getState(now().threadId);
      assert.deepEqual(now().values.messages.map(({ id }) => id), values.messages.map(({ id }) => id));
    });

    test("values are the state of a graph that holds no messages, and its text is a message", async () => {
      const { now } = page({ assistantId: "tell" });
      await now().submit({ text: "one two" });
      await until(() => now().values.answer === "one two " && said(now()).join() === "one two");
    });

    test("each message of a run is shown", async () => {
      const { now } = page({ assistantId: "relay" });
      await now().submit({ text: "a b" });
      await until(() => now().values.closing && said(now()).join() === "first a b,second a b");
    });

    test("a message may ask for a tool", async () => {
      const { now } = page({ assistantId: "tell" });
      await now().submit({ text: "look [call:look] there" });
      await until(() => now().values.answer && now().messages[0]?.tool_calls.length);
      const [{ name, args }] = now().messages[0].tool_calls;
      assert.deepEqual([name, args], ["look", { place: "pier" }]);
    });

    test("what is submitted is shown at once, and kept when the hub has it", async () => {
      const { now } = page({}, (stream) => ({ about: useMessageMetadata(stream, stream.messages[0]?.id) }));
      const gate = newGate();
      const done = now().submit(human(`one [gate:${gate}]`));
      await until(() => now().messages.length > 0);
      assert.equal(now().messages[0].getType(), "human");
      assert.ok(["pending", "sent"].includes(now().about.optimisticStatus));
      await open(gate);
      await done;
      await until(() => now().about.optimisticStatus === "sent");
    });

    test("a run that fails is an error, and the next one is not", async () => {
      const { now } = page({ assistantId: "tell" });
      await now().submit({ text: "one [fail]" });
      assert.match(now().error.message, /lost its voice/);
      assert.equal(now().isLoading, false);
      await settled();
      await now().submit({ text: "two" });
      await until(() => now().values.answer === "two ");
      assert.equal(now().error, undefined);
    });

    test("a refused run is an error with the hub's sentence, and what was shown too early is taken back", async () => {
      const { now } = page({ assistantId: "tell" });
      await now().submit({ text: 5 });
      assert.match(now().error.message, /text/);
      await until(() => !("text" in now().values));
      assert.equal(now().isLoading, false);
    });

    test("the page is told of its thread and its runs", async () => {
      const told = [];
      const { now } = page({
        onThreadId: (id) => told.push(["thread", id]),
        onCreated: ({ runId }) => told.push(["created", runId]),
        onCompleted: ({ runId, reason }) => told.push([reason, runId]),
      });
      await now().submit(human("one"));
      await until(() => told.length === 3);
      const [run] = await client().runs.list(now().threadId);
      assert.deepEqual(told, [["thread", now().threadId], ["created", run.run_id], ["success", run.run_id]]);
    });

    test("stop ends the run on the hub, keeps what was said, and the next run works", async () => {
      const { now } = page();
      now().submit(human("one [gate:never]"));
      await until(() => shown(now()).at(-1)?.[1] === "one");
      const [run] = await client().runs.list(now().threadId);
      await now().stop();
      assert.equal(now().isLoading, false);
      await until(async () => (await client().runs.get(now().threadId, run.run_id)).status === "interrupted");
      assert.equal(shown(now()).at(-1)[1], "one");
      await now().submit(human("two"));
      await until(() => said(now()).includes("two"));
      assert.equal(now().error, undefined);
    });

    test("a page that comes back to a running thread sees its messages and the rest of the run", async () => {
      const first = page();
      const gate = newGate();
      await first.now().submit(human("before"));
      const { threadId } = first.now();
      first.now().submit(human(`one [gate:${gate}] two`));
      await until(() => shown(first.now()).at(-1)?.[1] === "one");
      await first.now().disconnect();
      first.close();
      const { now } = page({ threadId });
      await until(() => now().isLoading && shown(now()).at(-1)?.[1] === "one");
      assert.equal(now().isThreadLoading, false);
      await open(gate);
      await until(() => !now().isLoading && shown(now()).at(-1)?.[1] === "one two");
      assert.deepEqual(said(now()), ["before", "one two"]);
    });

    test("a page that opens a finished thread shows it, and goes on with it", async () => {
      const { thread_id: threadId } = await client().threads.create();
      await client().runs.wait(threadId, "chat", { input: human("one") });
      const { now } = page({ threadId });
      await now().hydrationPromise;
      await until(() => shown(now()).at(-1)?.[1] === "one" && !now().isThreadLoading);
      assert.equal(now().isLoading, false);
      await now().submit(human("two"));
      await until(() => said(now()).length === 2 && !now().isLoading);
      assert.deepEqual(shown(now()).map(([, text]) => text), ["one", "one", "two", "two"]);
    });

    test("a page may switch between threads", async () => {
      const threads = [];
      for (const word of ["one", "two"]) {
        const { thread_id: thread } = await client().threads.create();
        await client().runs.wait(thread, "chat", { input: human(word) });
        threads.push(thread);
      }
      const { now, show } = page();
      for (const [index, word] of [[0, "one"], [1, "two"], [0, "one"]]) {
        show({ threadId: threads[index] });
        await until(() => now().threadId === threads[index] && shown(now()).at(-1)?.[1] === word);
        assert.equal(now().messages.length, 2);
      }
      show({ threadId: null });
      await until(() => now().messages.length === 0);
      await now().submit(human("three"));
      await until(() => said(now()).at(-1) === "three");
      assert.ok(!threads.includes(now().threadId));
    });

    test("a thread of the page's own name is made by its first run", async () => {
      const threadId = `page-${newGate()}`;
      const { now } = page({ threadId });
      await now().hydrationPromise;
      assert.equal(now().error, undefined);
      await now().submit(human("one"));
      await until(() => said(now()).at(-1) === "one");
      assert.equal((await client().threads.get(threadId)).thread_id, threadId);
    });

    test("two pages see the same run", async () => {
      const { thread_id: threadId } = await client().threads.create();
      await client().runs.wait(threadId, "chat", { input: human("before") });
      const gate = newGate();
      const run = await client().runs.create(threadId, "chat", { input: human(`one [gate:${gate}] two`) });
      const pages = [page({ threadId }), page({ threadId })];
      for (const { now } of pages) await until(() => now().isLoading && shown(now()).at(-1)?.[1] === "one");
      await open(gate);
      for (const { now } of pages) await until(() => !now().isLoading && shown(now()).at(-1)[1] === "one two");
      await client().runs.join(threadId, run.run_id);
    });

    test("submissions wait in a queue, and a page may take them out", async () => {
      const { now } = page({}, (stream) => ({ queue: useSubmissionQueue(stream) }));
      const gate = newGate();
      now().submit(human(`one [gate:${gate}]`));
      await until(() => shown(now()).at(-1)?.[1] === "one");
      for (const word of ["two", "three"]) now().submit(human(word), { multitaskStrategy: "enqueue" });
      await until(() => now().queue.size === 2);
      await now().queue.cancel(now().queue.entries[0].id);
      await open(gate);
      await until(() => now().queue.size === 0 && said(now()).at(-1) === "three" && !now().isLoading);
      assert.deepEqual(said(now()), ["one", "three"]);
    });

    test("the hub queues what a page submits while a run goes on", async () => {
      const { now } = page();
      const gate = newGate();
      now().submit(human(`one [gate:${gate}] two`));
      await until(() => shown(now()).at(-1)?.[1] === "one");
      now().submit(human("three"));
      await until(async () => (await client().runs.list(now().threadId)).length === 2);
      await open(gate);
      await until(() => said(now()).at(-1) === "three" && !now().isLoading);
      assert.deepEqual(said(now()), ["one two", "three"]);
    });

    test("a busy thread refuses a submission that may not wait", async () => {
      const { now } = page();
      now().submit(human("one [gate:never]"));
      await until(() => shown(now()).at(-1)?.[1] === "one");
      await assert.rejects(now().submit(human("two"), { multitaskStrategy: "reject" }), /reject/);
      const other = page({ threadId: now().threadId });
      await until(() => other.now().isLoading);
      await other.now().submit(human("three"), { multitaskStrategy: "reject" });
      assert.match(other.now().error.message, /has an active run/);
      await now().stop();
    });

    test("channels and messages may be watched beside", async () => {
      const { now } = page({ assistantId: "tell" }, (stream) => ({
        events: useChannel(stream, ["lifecycle"]),
        watched: useMessages(stream),
      }));
      const gate = newGate();
      const done = now().submit({ text: `one [gate:${gate}] two` });
      await until(() => said(now()).at(-1) === "one");
      await open(gate);
      await done;
      await until(() => now().events.some((event) => event.params.data.event === "completed"));
      await until(() => now().watched.map((message) => message.text).join() === "one two ");
    });

    test("a page whose connections break in the middle of a message gets the rest, nothing twice", async (t) => {
      const line = await Line.begin();
      t.after(() => line.end());
      const { now } = page({ apiUrl: line.url, ...quickly });
      const [half, last] = [newGate(), newGate()];
      const done = now().submit(human(`one two [gate:${half}] three [gate:${last}] four`));
      await until(() => shown(now()).at(-1)?.[1] === "one two");
      assert.ok(line.cut() > 0);
      await open(half);
      await until(() => shown(now()).at(-1)[1] === "one two three");
      assert.ok(line.cut() > 0);
      await open(last);
      await done;
      await until(() => shown(now()).at(-1)[1] === "one two three four");
      assert.equal(now().messages.length, 2);
      assert.equal(now().error, undefined);
    });
  });
}
