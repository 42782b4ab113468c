// The hub that pytest has started, and how the tests talk to it.
import assert from "node:assert/strict";
import net from "node:net";
import { Client } from "@langchain/langgraph-sdk";
import WebSocket from "ws";

export const url = process.env.HUBBUB_URL;
if (!url) throw new Error("HUBBUB_URL is not set; pytest tests/clients starts a hub and sets it.");

globalThis.WebSocket ??= WebSocket; // Node has one of its own from version 22 on

/** Return the SDK's client, unchanged. */
export const client = (options = {}) => new Client({ apiUrl: url, ...options });

/** Let a storyteller go on that waits at `[gate:NAME]`. */
export const open = (gate) => client().runs.wait(null, "open", { input: { gate } });

let gates = 0;
/** Return a gate that nobody has used. */
export const newGate = () => `${process.pid}-${(gates += 1)}`;

/** Wait until `check` returns something; an assertion that fails is tried again. */
export async function until(check, what = check.toString(), seconds = 20) {
  const end = Date.now() + seconds * 1000;
  for (;;) {
    let found, failure;
    try {
      found = await check();
    } catch (error) {
      if (!(error instanceof assert.AssertionError)) throw error;
      failure = error;
    }
    if (found) return found;
    if (Date.now() > end) throw failure ?? new Error(`It never happened: ${what}`);
    await pause(10);
  }
}

/** Do nothing for a while. */
export const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** Collect what an asynchronous iterable gives. */
export async function collect(iterable) {
  const found = [];
  for await (const each of iterable) found.push(each);
  return found;
}

/** A line to the hub that can be cut; `cut` returns how many connections it broke. */
export class Line {
  #open = new Set();

  static async begin() {
    const line = new Line();
    const { hostname, port } = new URL(url);
    line.server = net.createServer((near) => {
      const far = net.connect(Number(port), hostname);
      near.pipe(far);
      far.pipe(near);
      for (const [one, other] of [[near, far], [far, near]]) {
        line.#open.add(one);
        one.on("error", () => {});
        one.on("close", () => {
          line.#open.delete(one);
          other.destroy();
        });
      }
    });
    await new Promise((resolve) => line.server.listen(0, "127.0.0.1", resolve));
    line.url = `http://127.0.0.1:${line.server.address().port}`;
    return line;
  }

  cut() {
    const broken = [...this.#open];
    for (const socket of broken) socket.destroy();
    return broken.length / 2;
  }

  end() {
    this.cut();
    this.server.close();
  }
}
