// A hub of a test's own, for what a hub that others use cannot be put through.
import { execFile, spawn } from "node:child_process";
import { appendFile, cp, mkdtemp, rm } from "node:fs/promises";
import net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { until } from "./hub.js";

const { HUBBUB_PYTHON, HUBBUB_WORKSPACE } = process.env;

/** Return a port that nobody has. */
async function freePort() {
  const probe = net.createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => probe.on("listening", resolve));
  const { port } = probe.address();
  await new Promise((resolve) => probe.close(resolve));
  return port;
}

/** It always serves at the same address; `settings` are added to its config.toml. */
export class Hub {
  static async begin(t, settings = "") {
    const hub = new Hub();
    hub.folder = await mkdtemp(join(tmpdir(), "hub-"));
    await cp(HUBBUB_WORKSPACE, hub.folder, { recursive: true, filter: (path) => !path.endsWith("/var") });
    await appendFile(join(hub.folder, "config.toml"), settings);
    hub.port = await freePort();
    hub.url = `http://127.0.0.1:${hub.port}`;
    t.after(async () => {
      await hub.kill();
      await rm(hub.folder, { recursive: true });
    });
    await hub.start();
    return hub;
  }

  async start() {
    this.process = spawn(HUBBUB_PYTHON, this.#program("serve", "--port", String(this.port)), { stdio: "ignore" });
    await until(() => fetch(`${this.url}/readyz`).then((answer) => answer.ok, () => false), "the hub serves", 60);
  }

  async kill() {
    this.process.kill("SIGKILL");
    await new Promise((resolve) => (this.process.signalCode === null ? this.process.on("exit", resolve) : resolve()));
  }

  /** Return a new key. */
  async key() {
    const { stdout } = await promisify(execFile)(HUBBUB_PYTHON, this.#program("key", "new", "page"));
    return /hk_\S+/.exec(stdout)[0];
  }

  #program(...verb) {
    return ["-m", "hub.cli", "--workspace", this.folder, ...verb];
  }
}
