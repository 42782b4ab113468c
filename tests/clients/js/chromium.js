// A real browser without a window, driven over its debugging socket.
import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import WebSocket from "ws";
import { pause } from "./hub.js";

/** Start Chromium; returns what opens an address and runs a script there. */
export async function chromium(t, script) {
  const profile = await mkdtemp(join(tmpdir(), "chromium-"));
  const options = ["--headless=new", "--no-sandbox", "--remote-debugging-port=0", `--user-data-dir=${profile}`];
  const browser = spawn(process.env.HUBBUB_CHROMIUM, options, { stdio: ["ignore", "ignore", "pipe"] });
  t.after(async () => {
    browser.kill();
    await new Promise((resolve) => browser.on("exit", resolve));
    await rm(profile, { recursive: true, maxRetries: 5 });
  });
  let said = "";
  const port = await new Promise((resolve, reject) => {
    browser.stderr.on("data", (data) => {
      said += data;
      const found = /ws:\/\/127\.0\.0\.1:(\d+)\//.exec(said);
      if (found) resolve(found[1]);
    });
    browser.on("exit", () => reject(new Error(said)));
  });
  return async function open(address) {
    const made = await fetch(`http://127.0.0.1:${port}/json/new?${encodeURIComponent(address)}`, { method: "PUT" });
    const page = new Page(new WebSocket((await made.json()).webSocketDebuggerUrl));
    await page.begin();
    await page.run(script);
    return page;
  };
}

class Page {
  #asked = new Map();

  constructor(socket) {
    this.socket = socket;
    socket.on("message", (data) => {
      const { id, result, error } = JSON.parse(data);
      if (id !== undefined) this.#asked.get(id)(error ? { error } : result);
    });
  }

  async begin() {
    await new Promise((resolve) => this.socket.on("open", resolve));
    while ((await this.run("document.readyState")) !== "complete") await pause(20);
  }

  /** Run a script in the page and return what it gives; a promise is waited for. */
  async run(expression) {
    const id = this.#asked.size + 1;
    const params = { expression, awaitPromise: true, returnByValue: true };
    const found = await new Promise((resolve) => {
      this.#asked.set(id, resolve);
      this.socket.send(JSON.stringify({ id, method: "Runtime.evaluate", params }));
    });
    if (found.exceptionDetails) throw new Error(found.exceptionDetails.exception?.description ?? "the script failed");
    return found.result?.value;
  }
}
