"""A plugin's own process: loads one file and answers the hub's calls of it.

Started as `python -m runtime.extensions.process SOCKET` by `runtime.extensions.child`.  When the hub is
gone, so is this process.
"""

from __future__ import annotations

import asyncio
import inspect
import os
import pickle
import signal
import socket
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, ValidationError

from runtime.errors import HubbubError, InvalidInput, PluginError
from runtime.extensions import guard
from runtime.extensions.catalog import Registered
from runtime.extensions.crossing import LENGTH, Hello, pack, tagged, told, unpack, untagged
from runtime.extensions.deadline import GRACE
from runtime.extensions.description import ATTRIBUTES, describe_model
from runtime.extensions.failures import in_words
from runtime.extensions.lending import Lent
from runtime.extensions.lifecycle import close_plugin, start_plugin
from runtime.extensions.loader import Loaded, load_file
from runtime.extensions.shapes import KINDS, Kind
from runtime.settings import PluginBreaker, PluginHost, Settings

WINDOW = 64
"""Pieces of a stream that may be on their way."""
_OPTIONAL = ("score_many", "explain", "check")
_IN_PROCESS = ("graph", "command", "embedder")
"""Kinds that the hub or its search process needs at hand."""
_LONG = 365 * 86400.0


def main() -> None:
    """Load, describe, and answer until the hub closes its end."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the hub is told, and ends this process in order
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    with socket.socket(fileno=int(sys.argv[1])) as connection:
        hello: Hello = pickle.loads(_receive(connection))  # noqa: S301 - what the hub itself has sent
        _limit_memory(hello.memory)
        loaded = load_file(hello.file, _unbounded(hello), None, [])
        connection.sendall(pack(_described(loaded, hello)))
        if loaded.registered:
            connection.setblocking(False)
            asyncio.run(_serve(connection, loaded, hello.settings))


def _end_with(hub: int) -> None:
    while os.getppid() == hub:
        time.sleep(1.0)
    os._exit(0)


def _receive(connection: socket.socket) -> bytes:
    with connection.makefile("rb") as stream:
        (size,) = LENGTH.unpack(stream.read(LENGTH.size))
        return stream.read(size)


def _limit_memory(size: int) -> None:
    """Let an allocation over the limit fail, where the system can do that."""
    import resource

    resource.setrlimit(resource.RLIMIT_DATA, (size, size))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _unbounded(hello: Hello) -> Settings:
    """Return the settings under which the plugin runs here: the hub itself counts and limits its calls."""
    bounds = PluginHost(
        deadline=_LONG, concurrency=100_000, breaker=PluginBreaker(failures=1_000_000, rest=1.0)
    )
    plugins = hello.settings.plugins.model_copy(update={"hosts": {hello.file.name: bounds}})
    return hello.settings.model_copy(update={"plugins": plugins})


# --------------------------------------------------------------------------- what it supplies


def _described(loaded: Loaded, hello: Hello) -> dict[str, Any]:
    info = loaded.info
    if loaded.registered and loaded.digest != hello.digest:
        return {"error": f"{info.file}: it has changed while it was loaded; save it again"}
    if misfit := next((found for found in loaded.registered if found.kind in _IN_PROCESS), None):
        return {
            "error": f"{info.file}: a {misfit.kind} cannot have a process of its own; take "
            f'run = "process" out of [plugins.{info.name}.host]'
        }
    if not loaded.registered:
        return {"error": info.error}
    return {
        "version": info.version,
        "error": info.error,
        "missing": told(info.missing_secret) if info.missing_secret else None,
        "warnings": list(loaded.warnings),
        "objects": [_object(found) for found in loaded.registered],
    }


def _object(found: Registered) -> dict[str, Any]:
    kind = next(kind for kind in KINDS.values() if kind.name == found.kind)
    value, args = found.value, getattr(found.value, "Args", None)
    return {
        "kind": found.kind,
        "name": found.name,
        "methods": {method: method == "stream" for method in _methods(kind, value)},
        "attributes": {name: getattr(value, name) for name in ATTRIBUTES if hasattr(value, name)},
        "Params": describe_model(found.Params) if found.Params else None,
        "Args": describe_model(args) if args else None,
    }


def _methods(kind: Kind, value: Any) -> list[str]:
    members = vars(kind.protocol).items()
    wanted = [name for name, each in members if inspect.isfunction(each) and not name.startswith("_")]
    return [name for name in dict.fromkeys((*wanted, *_OPTIONAL)) if callable(getattr(value, name, None))]


# --------------------------------------------------------------------------- calls


async def _serve(connection: socket.socket, loaded: Loaded, settings: Settings) -> None:
    reader, writer = await asyncio.open_connection(sock=connection)
    server = _Server(loaded, writer, Lent(settings, writer))
    try:
        while True:
            (size,) = LENGTH.unpack(await reader.readexactly(LENGTH.size))
            server.take(unpack(await reader.readexactly(size)))
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        await server.aclose()


@dataclass(slots=True)
class _Server:
    """Answers frames, each call in a task of its own."""

    loaded: Loaded
    writer: asyncio.StreamWriter
    lent: Lent
    tasks: dict[int, asyncio.Task[None]] = field(default_factory=dict)
    windows: dict[int, asyncio.Semaphore] = field(default_factory=dict)

    def take(self, frame: dict[str, Any]) -> None:
        """Take one frame of the hub."""
        match frame["op"]:
            case "call":
                call = self._answer(frame)
                self.tasks[frame["id"]] = asyncio.create_task(call, name=f"call {frame['id']}")
            case "cancel":
                self._send({"id": frame["id"], "heard": True})
                if task := self.tasks.get(frame["id"]):
                    task.cancel()
            case "more" if window := self.windows.get(frame["id"]):
                for _ in range(frame["count"]):
                    window.release()
            case "reply":
                self.lent.take(frame)

    def _send(self, frame: dict[str, Any]) -> None:
        self.writer.write(pack(frame))

    async def _answer(self, frame: dict[str, Any]) -> None:
        id = frame["id"]
        try:
            end = {"result": await self._result(frame)}
            self._send({"id": id, **end})
        except asyncio.CancelledError:
            self._send({"id": id, "error": told(PluginError("it was given up"))})
            if self._abandoned():
                asyncio.get_running_loop().call_later(GRACE, self._say_stuck)
        except HubbubError as error:
            self._send({"id": id, "error": told(error)})
        except BaseException as error:
            words = f"what it gave cannot leave its process ({in_words(error)}); mend it."
            words = f"{self.loaded.info.file}: {words}"
            self._send({"id": id, "error": told(PluginError(words))})
        finally:
            self.tasks.pop(id, None)
            self.windows.pop(id, None)

    async def _result(self, frame: dict[str, Any]) -> Any:
        if frame["method"] == "start":
            if reason := await start_plugin(self.loaded.info, self.loaded.registered):
                raise PluginError(reason)
            return None
        found, method = self.loaded.registered[frame["object"]], frame["method"]
        args, deadline = self._arguments(found, frame), frame["deadline"] + GRACE
        if method != "stream":
            return tagged(await guard.call(found, method, *args, deadline=deadline))
        window = self.windows[frame["id"]] = asyncio.Semaphore(WINDOW)
        async with aclosing(guard.stream(found, method, *args, deadline=deadline)) as pieces:
            async for piece in pieces:
                await window.acquire()
                self._send({"id": frame["id"], "piece": tagged(piece)})
        return None

    def _arguments(self, found: Registered, frame: dict[str, Any]) -> Sequence[Any]:
        args = [untagged(each) for each in frame["args"]]
        if frame["method"] == "run":
            at, model = (0, found.value.Args) if found.kind == "tool" else (1, found.Params)
            args[at] = _validated(model, args[at], found)
        if (about := frame["ctx"]) is not None:
            params = about.pop("params")
            validated = (
                None if params is None or found.Params is None else _validated(found.Params, params, found)
            )
            args.append(self.lent.context(frame["id"], about, validated))
        elif frame["bare"]:
            args.append(None)
        return args

    def _abandoned(self) -> bool:
        return self.loaded.registered[0].host.threads.abandoned > 0

    def _say_stuck(self) -> None:
        if self._abandoned():
            self._send({"id": 0, "stuck": True})

    async def aclose(self) -> None:
        """Close the plugin."""
        for task in list(self.tasks.values()):
            task.cancel()
        await close_plugin(self.loaded.info, self.loaded.registered)
        await self.lent.aclose()


def _validated(model: type[BaseModel] | None, given: Any, found: Registered) -> Any:
    if model is None or given is None:
        return given
    try:
        return model.model_validate(given)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "a parameter"
        words = first["msg"][:1].lower() + first["msg"][1:]
        raise InvalidInput(
            f"{where} of {found.kind}.{found.name} is wrong ({words}); mend the step or its input"
        ) from None


if __name__ == "__main__":
    main()
