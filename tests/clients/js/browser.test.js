// `useStream` in a real browser: other origins, keys, cookies and sockets as browsers have them.
import assert from "node:assert/strict";
import http from "node:http";
import { after, before, describe, test } from "node:test";
import { build } from "esbuild";
import { chromium } from "./chromium.js";
import { newGate } from "./hub.js";
import { Hub } from "./own_hub.js";

/** Serve an empty page at an origin of its own. */
async function origin() {
  const server = http.createServer((_, answer) => answer.writeHead(200, { "content-type": "text/html" }).end("<p>"));
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { server, url: `http://127.0.0.1:${server.address().port}` };
}

describe("a page in a browser", () => {
  const closing = [];
  let hub, key, listed, other, open;

  before(async () => {
    const later = { after: (close) => closing.unshift(close) };
    [listed, other] = [await origin(), await origin()];
    for (const { server } of [listed, other]) later.after(() => server.close());
    hub = await Hub.begin(later, `\n[auth]\nmode = "keys"\n\n[hub]\norigins = ["${listed.url}"]\n`);
    key = await hub.key();
    const entryPoints = [new URL("page.js", import.meta.url).pathname];
    const bundle = await build({ entryPoints, bundle: true, write: false, logLevel: "error" });
    open = await chromium(later, bundle.outputFiles[0].text);
  });

  after(async () => {
    for (const close of closing) await close();
  });

  async function converse(page, options) {
    const gate = newGate();
    const told = { apiUrl: hub.url, text: `one [gate:${gate}] two`, gate, ...options };
    return page.run(`converse(${JSON.stringify(told)})`);
  }

  const whole = { shown: ["one", "one two"] };

  test("of a listed origin streams with a key, over HTTP and a socket", async () => {
    const page = await open(listed.url);
    for (const transport of ["sse", "websocket"]) {
      assert.match((await converse(page, { transport, key: "hk_wrong" })).error, /not known|WebSocket/);
      assert.deepEqual(await converse(page, { transport, key }), whole);
    }
  });

  test("of the hub itself streams with a cookie, over HTTP and a socket", async () => {
    const page = await open(`${hub.url}/ok`);
    assert.match((await converse(page, {})).error, /401/);
    const session = (init) => page.run(`fetch("/auth/session", ${JSON.stringify(init)}).then(({ status }) => status)`);
    assert.equal(await session({ method: "POST", headers: { authorization: `Bearer ${key}` } }), 200);
    assert.equal(await page.run("document.cookie"), "");
    for (const transport of ["sse", "websocket"]) assert.deepEqual(await converse(page, { transport }), whole);
    assert.equal(await session({ method: "DELETE" }), 204);
    assert.match((await converse(page, {})).error, /401/);
  });

  test("of an origin that is not listed gets nothing, also with a key", async () => {
    const page = await open(other.url);
    for (const transport of ["sse", "websocket"]) assert.ok((await converse(page, { transport, key })).error);
  });
});
