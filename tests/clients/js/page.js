// What a browser is shown: a conversation with `useStream`, which says what it saw.
import { Client } from "@langchain/langgraph-sdk";
import { useStream } from "@langchain/react";
import { createElement } from "react";
import { createRoot } from "react-dom/client";

const until = async (check) => {
  while (!check()) await new Promise((resolve) => setTimeout(resolve, 10));
};

const once = { maxRetries: 0 };

/** How a page that has a key shows it: in a header, and where there is none, as a subprotocol of the socket. */
const withKey = (key, transport) =>
  transport === "websocket"
    ? {
        callerOptions: {
          ...once,
          fetch: (url, init) => fetch(url, { ...init, headers: { ...init?.headers, "x-api-key": key } }),
        },
        webSocketFactory: (url) => new WebSocket(url, [`bearer.${key}`]),
      }
    : { apiKey: key };

/** Say `text`, open the gate in it when its first word is there, and return the texts that were shown. */
globalThis.converse = async ({ text, gate, key, apiUrl, transport }) => {
  const shown = new Set();
  let stream;
  const chat = { assistantId: "chat", apiUrl, transport, callerOptions: once, ...(key && withKey(key, transport)) };
  const Chat = () => {
    stream = useStream(chat);
    const said = stream.messages.filter((message) => message.getType() === "ai").map((message) => message.text.trim());
    for (const each of said.filter(Boolean)) shown.add(each);
    return createElement("p", null, said.join());
  };
  const root = createRoot(document.body.appendChild(document.createElement("div")));
  root.render(createElement(Chat));
  await until(() => stream);
  const done = stream.submit({ messages: [{ type: "human", content: text }] });
  await until(() => stream.error || shown.has("one"));
  if (!stream.error) await new Client({ apiUrl, apiKey: key }).runs.wait(null, "open", { input: { gate } });
  await done;
  await until(() => stream.error || shown.has("one two"));
  root.unmount();
  return { shown: [...shown], error: stream.error?.message };
};
