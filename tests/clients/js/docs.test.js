// The programs of docs/browsers.md, as they stand there but for the address.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFile, rm, writeFile } from "node:fs/promises";
import { test } from "node:test";
import { promisify } from "node:util";
import { transform } from "esbuild";
import { createElement } from "react";
import { url, until } from "./hub.js";

const page = await readFile(new URL("../../../docs/browsers.md", import.meta.url), "utf8");

/** Return the first program of a language. */
function block(language) {
  const [, code] = new RegExp(`\`\`\`${language}\n([^]*?)\`\`\``).exec(page);
  return code.replaceAll("http://127.0.0.1:8765", url);
}

/** Write a module beside these, where its packages are. */
async function module(t, name, code) {
  const file = new URL(`.docs-${process.pid}-${name}.mjs`, import.meta.url);
  t.after(() => rm(file));
  await writeFile(file, code);
  return file;
}

test("the graph is the one that the pages of these tests talk to", async () => {
  const graph = await readFile(new URL("../workspace/graphs/chat.toml", import.meta.url), "utf8");
  assert.equal(block("toml"), graph);
});

test("the program prints what it was told", async (t) => {
  const file = await module(t, "program", block("js"));
  const { stdout } = await promisify(execFile)(process.execPath, [file.pathname]);
  assert.equal(stdout, "Hello, hub! ");
});

test("the component holds a conversation", async (t) => {
  const { code } = await transform(block("jsx"), { loader: "jsx", jsx: "automatic" });
  const file = await module(t, "component", code);
  const { cleanup, fireEvent, render } = await import("./dom.js");
  t.after(cleanup);
  const { Chat } = await import(file);
  const { container } = render(createElement(Chat));
  container.querySelector("input").value = "Hello, page!";
  fireEvent.submit(container.querySelector("form"));
  const texts = () => [...container.querySelectorAll("p")].map((each) => each.textContent.trim());
  await until(() => texts().join() === "Hello, page!,Hello, page!");
  await until(() => container.querySelector("button").textContent === "Send");
});
