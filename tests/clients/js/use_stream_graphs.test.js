// React's `useStream` and graphs written in Python: LangChain messages, steps at once, graphs inside, questions.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { useChannel, useMessages } from "@langchain/react";
import { client, newGate, open, until } from "./hub.js";
import { human, pageOf, said, settled, shown, TRANSPORTS } from "./page_of.js";

for (const transport of TRANSPORTS) {
  describe(transport, () => {
    const page = (options, more) => pageOf({ transport, ...options }, more);

    test("LangChain's messages stream word by word, and are those of the state", async () => {
      const { now } = page({ assistantId: "echo" });
      const gate = newGate();
      const done = now().submit(human(`one [gate:${gate}] two`));
      await until(() => now().isLoading && said(now()).at(-1) === "one");
      await open(gate);
      await done;
      await until(() => said(now()).at(-1) === "one two");
      const { values } = await client().threads.getState(now().threadId);
      await until(() => now().messages.map(({ id }) => id).join() === values.messages.map(({ id }) => id).join());
    });

    test("two steps that speak at once do not mix", async () => {
      const { now } = page({ assistantId: "duet" });
      await now().submit(human("sing"));
      const voice = (name) => Array.from({ length: 20 }, (_, number) => `${name}${number}`).join(" ");
      await until(() => said(now()).toSorted().join() === [voice("left"), voice("right")].join());
      assert.equal(now().messages.length, 3);
    });

    test("a graph inside another one is found, and its messages are shown", async () => {
      const { now } = page({ assistantId: "nested" }, (stream) => ({
        inside: useMessages(stream, stream.subgraphsByNode.get("within")?.[0] ?? ["within"]),
      }));
      await now().submit(human("one two"));
      await until(() => now().subgraphsByNode.get("within")?.[0].status === "complete");
      await until(() => now().inside.at(-1)?.text.trim() === "one two" && said(now()).join() === "one two");
    });

    test("what a step sends is seen, its question is answered, and the answer is said", async () => {
      const { now } = page({ assistantId: "question" }, (stream) => ({ custom: useChannel(stream, ["custom"]) }));
      await now().submit(human("one"));
      await until(() => now().interrupt?.value.question === "Go on?" && now().custom.length > 0);
      assert.deepEqual(now().custom[0].params.data.payload, { done: 0.5 });
      await settled();
      await now().respond("yes");
      await until(() => said(now()).at(-1) === "decided yes" && !now().isLoading);
      assert.equal(shown(now()).length, 2);
      assert.equal(now().interrupt, undefined);
    });
  });
}
