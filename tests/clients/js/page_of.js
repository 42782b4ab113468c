// A page that shows a conversation with `useStream` of `@langchain/react`.
import { afterEach } from "node:test";
import { useStream } from "@langchain/react";
import { cleanup, renderHook } from "./dom.js";
import { pause, url } from "./hub.js";

export const TRANSPORTS = ["sse", "websocket"];

/** What somebody types. */
export const human = (content) => ({ messages: [{ type: "human", content }] });

/** The messages of a page: who says what. */
export const shown = (stream) => stream.messages.map((message) => [message.getType(), message.text.trim()]);

/** The texts of the graph's own messages. */
export const said = (stream) => shown(stream).filter(([type]) => type === "ai").map(([, text]) => text);

/** The SDK reads the end of a run on two connections; let the slower one come before the next run begins. */
export const settled = () => pause(200);

/** Show a page with the hook and with `more` that uses it; `now()` is what it sees. */
export function pageOf(options, more = () => ({})) {
  const hook = (props) => {
    const stream = useStream({ apiUrl: url, assistantId: "chat", ...options, ...props });
    return { ...stream, ...more(stream) };
  };
  const { result, rerender, unmount } = renderHook(hook, { initialProps: {} });
  return { now: () => result.current, show: rerender, close: unmount };
}

afterEach(cleanup);
