// A hub that is killed in the middle of a message, and the pages that look at it.
import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import { useStream } from "@langchain/react";
import { cleanup, renderHook } from "./dom.js";
import { client, until } from "./hub.js";
import { Hub } from "./own_hub.js";

const quickly = { maxReconnectAttempts: 1000, reconnectDelayMs: () => 50 };

afterEach(cleanup);

test("pages go on with their runs after the hub was killed, and keep what they were shown", async (t) => {
  const hub = await Hub.begin(t);
  const transports = ["sse", "websocket"];
  const texts = (page) => page.current.messages.map((message) => message.text.trim());
  const pages = (assistantId) =>
    transports.map((transport) => {
      const options = { apiUrl: hub.url, assistantId, transport, ...quickly };
      return renderHook(() => useStream(options)).result;
    });
  const seen = (page) => JSON.stringify([texts(page), page.current.isLoading, page.current.error?.message]);
  const all = (which, check) =>
    until(() => which.every(check), check.toString(), 60).catch((error) => {
      throw new Error(`${error.message} (${which.map(seen).join(" and ")})`);
    });
  const [talking, finished] = [pages("chat"), pages("relay")];
  for (const page of finished) page.current.submit({ text: "a b" });
  for (const page of talking) page.current.submit({ messages: [{ type: "human", content: "before" }] });
  await all(finished, (page) => texts(page).join() === "first a b,second a b" && !page.current.isLoading);
  await all(talking, (page) => texts(page).join() === "before,before" && !page.current.isLoading);
  for (const page of talking) {
    page.current.submit({ messages: [{ type: "human", content: "one two [gate:a] three" }] });
  }
  await all(talking, (page) => texts(page).at(-1) === "one two");
  await hub.kill();
  await hub.start();
  await client({ apiUrl: hub.url }).runs.wait(null, "open", { input: { gate: "a" } });
  await all(talking, (page) => texts(page).join() === "before,before,one two [gate:a] three,one two three");
  await all(talking, (page) => !page.current.isLoading && !page.current.error);
  for (const page of talking) {
    const { values } = await client({ apiUrl: hub.url }).threads.getState(page.current.threadId);
    assert.deepEqual(page.current.messages.map(({ id }) => id), values.messages.map(({ id }) => id));
  }
  for (const page of finished) {
    assert.deepEqual(texts(page), ["first a b", "second a b"]);
    await page.current.submit({ text: "c" });
  }
  await all(finished, (page) => texts(page).join() === "first a b,second a b,first c,second c");
});
