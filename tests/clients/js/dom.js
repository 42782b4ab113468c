// A page without a browser for React: happy-dom's document, Node's own fetch and sockets.
import { Window } from "happy-dom";
import { url } from "./hub.js";

const window = new Window({ url });
globalThis.window = window;
for (const name of ["document", "navigator", "HTMLElement", "HTMLIFrameElement", "Node", "MutationObserver"]) {
  Object.defineProperty(globalThis, name, { value: window[name], configurable: true });
}

// React looks for the document when it is loaded.
export const { cleanup, fireEvent, render, renderHook } = await import("@testing-library/react");
