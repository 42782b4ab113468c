// A hub that is killed in the middle of a message, and the pages that look at it.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { cp, mkdtemp, rm } from "node:fs/promises";
import net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, test } from "node:test";
import { useStream } from "@langchain/react";
import { cleanup, renderHook } from "./dom.js";
import { client, until } from "./hub.js";

const quickly = { maxReconnectAttempts: 1000, reconnectDelayMs: () => 50 };

/** A hub of the test's own, always at the same address. */
class Hub {
  static async begin(t) {
    const hub = new Hub();
    hub.folder = await mkdtemp(join(tmpdir(), "hub-"));
    await cp(process.env.HUBBUB_WORKSPACE, hub.folder, { recursive: true, filter: (path) => !path.endsWith("/var") });
    const probe = net.createServer().listen(0, "127.0.0.1");
    await new Promise((resolve) => probe.on("listening", resolve));
    hub.port = probe.address().port;
    await new Promise((resolve) => probe.close(resolve));
    hub.url = `http://127.0.0.1:${hub.port}`;
    t.after(async () => {
      await hub.kill();
      await rm(hub.folder, { recursive: true });
    });
    await hub.start();
    return hub;
  }

  async start() {
    const options = ["-m", "hub.cli", "--workspace", this.folder, "serve", "--port", String(this.port)];
    this.process = spawn(process.env.HUBBUB_PYTHON, options, { stdio: "ignore" });
    await until(() => fetch(`${this.url}/readyz`).then((answer) => answer.ok, () => false), "the hub serves", 60);
  }

  async kill() {
    this.process.kill("SIGKILL");
    await new Promise((resolve) => (this.process.signalCode === null ? this.process.on("exit", resolve) : resolve()));
  }
}

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
  const all = (which, check) => until(() => which.every(check), check.toString(), 60);
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
