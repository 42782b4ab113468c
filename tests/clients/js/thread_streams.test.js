// `client.threads.stream` of `@langchain/langgraph-sdk`, on both transports.
import assert from "node:assert/strict";
import { afterEach, describe, test } from "node:test";
import { client, collect, Line, newGate, open, pause, until } from "./hub.js";

/** Collect the text of each message as it comes, all at once: they may be open at the same time. */
async function texts(thread) {
  const reading = [];
  for await (const message of thread.messages) {
    reading.push(collect(message.text).then((pieces) => ({ message, pieces })));
  }
  return Promise.all(reading);
}

const said = (found) => found.map(({ pieces }) => pieces.join("").trim());
const quickly = { maxReconnectAttempts: 50, reconnectDelayMs: () => 20 };

for (const transport of ["websocket", "sse"]) {
  describe(transport, () => {
    const opened = [];
    afterEach(() => Promise.all(opened.splice(0).map((thread) => thread.close())));

    function stream(assistantId, { threadId, apiUrl, ...options } = {}) {
      const threads = client(apiUrl ? { apiUrl } : {}).threads;
      const thread = threads.stream(threadId ?? crypto.randomUUID(), { assistantId, transport, ...options });
      opened.push(thread);
      return thread;
    }

    test("a message streams in pieces, then values and output are the state", async () => {
      const thread = stream("tell");
      const reading = texts(thread);
      const gate = newGate();
      const { run_id: run } = await thread.run.start({ input: { text: `one two [gate:${gate}] three` } });
      assert.ok(run);
      await until(() => thread.ordering.lastSeenSeq > 4, "the first words");
      await open(gate);
      const [{ message, pieces }] = await reading;
      assert.equal(pieces.join(""), "one two three ");
      assert.ok(pieces.length > 1);
      assert.equal(message.node, "say");
      assert.equal((await thread.output).answer, "one two three ");
      assert.equal((await collect(thread.values)).at(-1).answer, "one two three ");
      assert.equal((await message.usage).output_tokens, 4);
      assert.equal((await client().threads.getState(thread.threadId)).values.answer, "one two three ");
    });

    test("each message of a run is one of its own", async () => {
      const thread = stream("relay");
      const reading = texts(thread);
      await thread.run.start({ input: { text: "a b" } });
      const found = await reading;
      assert.deepEqual(said(found), ["first a b", "second a b"]);
      assert.deepEqual(found.map(({ message }) => message.node), ["first", "second"]);
    });

    test("two messages at once do not mix", async () => {
      const thread = stream("duet");
      const reading = texts(thread);
      await thread.run.start({ input: { messages: [{ type: "human", content: "sing" }] } });
      const voice = (name) => Array.from({ length: 20 }, (_, number) => `${name}${number}`).join(" ");
      assert.deepEqual(said(await reading).sort(), [voice("left"), voice("right")]);
    });

    test("a message may ask for a tool", async () => {
      const thread = stream("tell");
      const found = [];
      const reading = (async () => {
        for await (const message of thread.messages) found.push(message);
      })();
      await thread.run.start({ input: { text: "look [call:look] there" } });
      await reading;
      const [call] = await found[0].toolCalls;
      assert.deepEqual([call.name, call.args], ["look", { place: "pier" }]);
      const whole = await found[0].output;
      assert.deepEqual(whole.tool_calls.map(({ name, args, id }) => ({ name, args, id })), [
        { name: "look", args: { place: "pier" }, id: "call-1" },
      ]);
      assert.equal(whole.text, "look there ");
    });

    test("a thread that nobody has made is refused, and made by its first run", async () => {
      const kinds = [];
      const onConnected = ({ kind }) => kinds.push(kind);
      const thread = stream("tell", { maxReconnectAttempts: 3, reconnectDelayMs: () => 10, onConnected });
      await assert.rejects(thread.subscribe(["lifecycle"]), /There is no thread/);
      if (transport === "websocket") await until(() => kinds.includes("reconnected"));
      const reading = texts(thread);
      await thread.run.start({ input: { text: "one" } });
      assert.deepEqual(said(await reading), ["one"]);
    });

    test("a second run on the same stream goes on", async () => {
      const thread = stream("tell");
      await thread.run.start({ input: { text: "one" } });
      assert.equal((await thread.output).answer, "one ");
      const events = await thread.subscribe({ channels: ["values", "lifecycle"] });
      await thread.run.start({ input: { text: "two" } });
      let answer;
      for await (const event of events) if (event.method === "values") answer = event.params.data.answer ?? answer;
      assert.equal(answer, "two ");
    });

    test("a failed run ends the stream and says why", async () => {
      const thread = stream("tell");
      await thread.run.start({ input: { text: "one [fail]" } });
      const events = await thread.subscribe(["lifecycle"]);
      const failed = (await collect(events)).map((event) => event.params.data).find((data) => data.event === "failed");
      assert.match(failed.error, /lost its voice/);
    });

    test("a refused run is the protocol's error", async () => {
      const thread = stream("tel");
      await assert.rejects(thread.run.start({ input: { text: "one" } }), /not_found|did you mean tell/);
    });

    test("the state can be asked for on the stream", async () => {
      const thread = stream("tell");
      await thread.run.start({ input: { text: "one" } });
      await thread.output;
      const state = await thread.state.get({ namespace: [] });
      assert.equal(state.values.answer, "one ");
    });

    test("several viewers of a thread see the same, also one that comes later", async () => {
      const first = stream("tell");
      const gate = newGate();
      const reading = [texts(first)];
      await first.run.start({ input: { text: `one two [gate:${gate}] three` } });
      const others = [1, 2].map(() => stream("tell", { threadId: first.threadId }));
      reading.push(...others.map(texts));
      await pause(100);
      await open(gate);
      for (const found of await Promise.all(reading)) assert.deepEqual(said(found), ["one two three"]);
    });

    test("a subscription in the middle of a message gets all of it, and one after the run its end", async () => {
      const thread = stream("tell");
      const gate = newGate();
      await thread.run.start({ input: { text: `one two [gate:${gate}] three` } });
      const early = await thread.subscribe({ channels: ["messages"] });
      await until(() => thread.ordering.lastSeenSeq > 4, "the first words");
      await pause(100); // words that follow each other come together, a little later
      const late = await thread.subscribe({ channels: ["messages", "values"] });
      await open(gate);
      assert.equal((await thread.output).answer, "one two three ");
      for (const events of [early, late]) {
        const messages = (await collect(events)).filter((event) => event.method === "messages");
        assert.equal(messages[0].params.data.event, "message-start");
        assert.equal(messages.at(-1).params.data.event, "message-finish");
      }
      assert.equal(await thread.extensions.nothing, undefined);
    });

    test("a broken connection is taken up where it broke, nothing twice and nothing lost", async (t) => {
      const line = await Line.begin();
      t.after(() => line.end());
      const thread = stream("tell", { apiUrl: line.url, ...quickly });
      const [half, rest] = [newGate(), newGate()];
      const reading = texts(thread);
      const { run_id: run } = await thread.run.start({
        input: { text: `one two [gate:${half}] three four [gate:${rest}] five` },
      });
      await until(() => thread.ordering.lastSeenSeq > 4, "the first words");
      assert.ok(line.cut() > 0);
      await open(half);
      await pause(200);
      assert.ok(line.cut() > 0);
      await open(rest);
      await client().runs.join(thread.threadId, run);
      assert.deepEqual(said(await reading), ["one two three four five"]);
      assert.equal((await thread.output).answer, "one two three four five ");
    });
  });
}
