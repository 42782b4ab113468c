// React's `useStream` where people decide: answers to questions, runs that are replaced, other ways taken.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { useMessageMetadata } from "@langchain/react";
import { client, until } from "./hub.js";
import { human, pageOf, said, settled, shown, TRANSPORTS } from "./page_of.js";

for (const transport of TRANSPORTS) {
  describe(transport, () => {
    const page = (options, more) => pageOf({ transport, ...options }, more);

    for (const [multitaskStrategy, left] of [["interrupt", ["success", "interrupted"]], ["rollback", ["success"]]]) {
      test(`a submission may take the place of a run (${multitaskStrategy})`, async () => {
        const { now } = page();
        now().submit(human("one [gate:never]"));
        await until(() => shown(now()).at(-1)?.[1] === "one");
        await now().submit(human("two"), { multitaskStrategy });
        await until(() => said(now()).includes("two") && !now().isLoading);
        await until(async () => {
          const runs = await client().runs.list(now().threadId);
          assert.deepEqual(runs.map(({ status }) => status), left);
          return true;
        });
      });
    }

    test("a run that asks a person waits, and goes on with the answer", async () => {
      const { now } = page({ assistantId: "confirm" });
      await now().submit({ text: "one" });
      await until(() => now().interrupt && !now().isLoading);
      assert.deepEqual(now().interrupt.value.choices, ["yes", "no"]);
      await until(() => now().values.proposal === "one ");
      await now().respond("yes");
      await until(() => now().values.decision === "gone" && !now().isLoading);
      assert.deepEqual(now().interrupts, []);
      assert.equal(now().error, undefined);
    });

    test("a wrong answer is an error, and the question stays", async () => {
      const { now } = page({ assistantId: "confirm" });
      await now().submit({ text: "one" });
      await until(() => now().interrupt);
      await assert.rejects(now().respond("perhaps"), /perhaps|yes/);
      assert.equal((await client().threads.get(now().threadId)).status, "interrupted");
      await now().respond("no", { interruptId: now().interrupt.id });
      await until(() => now().values.decision === "stayed");
    });

    test("a page that opens a waiting thread is shown the question, and of two answers one wins", async () => {
      const { thread_id: threadId } = await client().threads.create();
      await client().runs.wait(threadId, "confirm", { input: { text: "one" } });
      const pages = [1, 2].map(() => page({ threadId, assistantId: "confirm" }));
      for (const { now } of pages) await until(() => now().interrupt?.value.show.proposal === "one ");
      const answer = ({ now }, index) => now().respond(["yes", "no"][index], { interruptId: now().interrupt.id });
      const outcomes = await Promise.allSettled(pages.map(answer));
      assert.deepEqual(outcomes.map(({ status }) => status).sort(), ["fulfilled", "rejected"]);
      const decision = outcomes[0].status === "fulfilled" ? "gone" : "stayed";
      for (const { now } of pages) await until(() => now().values.decision === decision && !now().isLoading);
    });

    test("a conversation may be taken up again from before a message", async () => {
      const { now } = page({ assistantId: "echo" }, (stream) => ({
        about: useMessageMetadata(stream, stream.messages.findLast((message) => message.getType() === "human")?.id),
      }));
      for (const word of ["one", "two"]) {
        await now().submit(human(word));
        await until(() => said(now()).at(-1) === word && !now().isLoading);
        await settled();
      }
      const forkFrom = await until(() => now().about?.parentCheckpointId);
      await now().submit(human("three"), { forkFrom });
      await until(() => said(now()).at(-1) === "three" && !now().isLoading);
      await until(async () => {
        const { values } = await client().threads.getState(now().threadId);
        return values.messages.map(({ content }) => content.trim()).join() === "one,one,three,three";
      });
      await until(() => shown(now()).map(([, text]) => text).join() === "one,one,three,three");
    });
  });
}
