"""The graphs that a hub serves: which version a new run gets, and every version that a run began with."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Collection, Mapping, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from runtime.errors import GraphError, HubbubError, NotFound
from runtime.graphs.findings import Finding
from runtime.graphs.kept import KeptVersions
from runtime.graphs.library import Draft, GraphLibrary, version_in
from runtime.graphs.publication import digest, published, rolled_back, started, version_for
from runtime.graphs.publishing import Outcome, changes_to, check_share, judged
from runtime.graphs.text_version import GraphVersion
from runtime.graphs.version import Version
from runtime.records import Publication
from runtime.storage import GraphVersions
from runtime.telemetry import get_logger

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class GraphState:
    """How a graph stands: the version that new runs get, and what is wrong with what is written.

    `version` is "" when it cannot be run; `draft` is a version that is written and not published.
    """

    name: str
    version: str = ""
    canary: str = ""
    percent: int = 0
    draft: str = ""
    findings: tuple[Finding, ...] = ()

    @property
    def errors(self) -> list[Finding]:
        """What keeps its file from being taken."""
        return [finding for finding in self.findings if finding.severity == "error"]


@dataclass(frozen=True, slots=True)
class _Seen:
    """What a file said when it was read last: its version, "" with mistakes, and the hash of its text."""

    version: str
    findings: tuple[Finding, ...]
    digest: str


@dataclass(frozen=True, slots=True)
class _Ready:
    """What new runs get without waiting."""

    publication: Publication
    versions: Mapping[str, GraphVersion]


_UNREAD = _Seen("", (), "")


class ServedGraphs:
    """Reads and compiles nothing before somebody asks for it, but for `check`, which works in the background.

    A good edit of a file is what new runs get, unless publishing is `by_hand`; a bad one changes nothing.
    """

    def __init__(self, library: GraphLibrary, store: GraphVersions, *, by_hand: bool) -> None:
        self._library, self._by_hand = library, by_hand
        self._kept = KeptVersions(library, store)
        self.told: Callable[[GraphState], None] = lambda state: None
        """Hears of every graph that was edited or published."""
        self._publications: dict[str, Publication] = {}
        self._ready: dict[str, _Ready] = {}
        self._seen: dict[str, _Seen] = {}
        self._lock = asyncio.Lock()
        self._checked, self._unchecked = asyncio.Event(), asyncio.Event()

    async def open(self) -> None:
        """Read what is published."""
        self._publications = await self._kept.publications()

    # ----------------------------------------------------------------- what runs ask for

    async def get(self, name: str, thread: str = "") -> Version:
        """Return the version that a new run on a thread gets; NotFound, or GraphError when there is none."""
        if python := self._library.python(name):
            return python
        ready = self._ready.get(name)
        if ready is None:
            async with self._lock:
                ready = self._ready.get(name) or await self._load(name)
        chosen = version_for(ready.publication, thread)
        found = ready.versions[chosen]
        return found if chosen == ready.publication.live else replace(found, canary=True)

    async def version(self, name: str, version: str) -> Version:
        """Return the version a run started with; NotFound when it cannot be had any more."""
        if found := self._kept.held(name, version):
            return found
        python = self._library.python(name)
        if python and (python.version == version or python.continues(version)):
            return python
        begun = f"The run started with version {version} of the graph {name}, which cannot be run any more,"
        if python:
            raise NotFound(
                f"{begun} because its steps, edges or state have another shape now; put the old code back "
                "until such runs have ended, or start a new run."
            )
        async with self._lock:
            try:
                restored = await self._kept.restored(name, version)
            except GraphError as error:
                raise NotFound(f"{begun} because of this: {error}; mend that, or start a new run.") from error
        if restored is None or restored.version != version:
            raise NotFound(f"{begun} because the graph or a plugin it uses has changed; start a new run.")
        return restored

    def names(self) -> list[str]:
        """Name the graphs that can be run, as far as their files were read."""
        return [name for name in self._known() if self._offered(name)]

    # ----------------------------------------------------------------- what people ask for

    async def states(self, patience: float = 0.0) -> list[GraphState]:
        """Return how each graph stands; waits so many seconds for files that nobody has read yet."""
        if patience and not self._checked.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(self._checked.wait(), patience)
        return [self.state(name) for name in sorted({*self._known(), *self._library.lacks()})]

    def state(self, name: str) -> GraphState:
        """Return how a graph stands, as far as its file was read."""
        if python := self._library.python(name):
            return GraphState(name, python.version)
        if (lack := self._library.lacks().get(name)) is not None:
            return GraphState(name, findings=(lack,))
        seen, publication = self._seen.get(name, _UNREAD), self._publications.get(name)
        written, findings = seen.version, seen.findings
        if not self._by_hand and not self._library.has_file(name):
            return GraphState(name)
        held = publication is not None and publication.held == seen.digest
        if not self._by_hand and written and name not in self._ready and not held:
            # Nobody has asked for it yet; what is written is what the first one gets.
            return GraphState(name, written, findings=findings)
        if publication is None:
            return GraphState(name, draft=written, findings=findings)
        live, canary = publication.live, publication.canary
        draft = "" if written in (live, canary) else written
        return GraphState(name, live, canary, publication.percent, draft, findings)

    @property
    def unread(self) -> int:
        """How many files nobody has read yet."""
        return sum(name not in self._seen for name in self._library.files())

    # ----------------------------------------------------------------- publishing

    async def publish(self, name: str, percent: int = 100) -> Outcome:
        """Check and test what is written, and let new runs get it, on all threads or on some of them.

        NotFound for a graph that is nowhere, Conflict where no share can be published.  By hand, a graph
        whose file is gone is withdrawn.
        """
        async with self._lock:
            self._library.changed(name)
            before = self._publications.get(name)
            if not self._library.has_file(name):
                return await self._withdraw(name, before)
            check_share(name, before, percent, by_hand=self._by_hand)
            draft, live = await self._read(name), before.live if before else ""
            outcome = Outcome(name, live, live, findings=draft.findings)
            if draft.version is None:
                return replace(outcome, refused=True)
            outcome = await judged(outcome, draft.version, await self._kept.text(name, live))
            if outcome.refused:
                return outcome
            version = draft.version.version
            if before and before.live == version and not (before.canary or before.held):
                return outcome
            after = published(before, name, version, time.time())
            if before and percent < 100 and version != live:
                after = started(before, version, percent)
            await self._switch(after, [draft.version])
        return self._told(outcome)

    async def rollback(self, name: str) -> Outcome:
        """End a canary, or else let new runs get the version that was live earlier; NotFound, Conflict."""
        async with self._lock:
            before = self._publications.get(name)
            if before is None:
                raise self._library.unknown(name, list(self._publications))
            draft = await self._read(name) if self._library.has_file(name) else None
            after = rolled_back(before, draft.text if draft else "")
            version = await self._kept.published(name, after.live)
            left = await self._kept.text(name, before.canary or before.live)
            changes = await changes_to(version, left) if left else []
            await self._switch(replace(after, live=version.version), [version])
        return self._told(Outcome(name, before.canary or before.live, changes=changes))

    async def _switch(self, publication: Publication, versions: Sequence[GraphVersion]) -> None:
        await self._put(publication, versions)
        await self._load(publication.graph)
        await self._load_around(publication.graph)

    async def _withdraw(self, name: str, before: Publication | None) -> Outcome:
        if before is None or not self._by_hand:
            raise self._library.unknown(name, self.names())
        await self._kept.withdraw(name)
        self._ready.pop(name, None)
        del self._publications[name]
        return Outcome(name, before.live)

    def _told(self, outcome: Outcome) -> Outcome:
        """Tell of a graph that was published, and return the outcome with how it stands."""
        self._tell(outcome.graph)
        state = self.state(outcome.graph)
        return replace(outcome, version=state.version, canary=state.canary, percent=state.percent)

    # ----------------------------------------------------------------- edits

    async def follow(self, edits: AsyncGenerator[frozenset[Path]]) -> None:
        """Check what is written, and take edits as they come, until cancelled."""
        async with asyncio.TaskGroup() as tasks, aclosing(edits):
            tasks.create_task(self._keep_checked(), name="check of graphs")
            async for paths in edits:
                await self.edited({path.stem for path in paths})

    async def _keep_checked(self) -> None:
        while True:
            self._unchecked.clear()
            await self.check()
            await self._unchecked.wait()

    async def check(self) -> None:
        """Read the files that nobody has asked for, to know their mistakes; no faster than half the time."""
        for name in self._library.files():
            began = time.monotonic()
            async with self._lock:
                if name not in self._seen:
                    await self._read(name)
            await asyncio.sleep(time.monotonic() - began)
        self._checked.set()
        for state in await self.states():
            if state.errors:
                _warn(state)

    async def edited(self, names: Collection[str]) -> None:
        """Take the edits of some files: added, changed or removed."""
        for name in sorted(names):
            async with self._lock:
                self._library.changed(name)
                self._seen.pop(name, None)
                try:
                    await self._take_edit(name)
                except HubbubError as error:
                    _log.warning("graph cannot be run", graph=name, reason=str(error))
            self._tell(name)

    async def plugins_changed(self) -> None:
        """Check again what is served: a version is also the parameters that its plugins declare."""
        async with self._lock:
            served = list(self._ready)
            self._ready.clear()
            self._kept.forget()
            self._seen.clear()
        await self.edited(served)
        self._unchecked.set()

    async def _take_edit(self, name: str) -> None:
        if not self._library.has_file(name):
            if not self._by_hand:
                self._ready.pop(name, None)
        elif self._by_hand:
            await self._read(name)
        else:
            await self._load(name)
            await self._load_around(name)

    async def _load_around(self, name: str) -> None:
        """Let the graphs that run this one run what is live of it now."""
        for outer, ready in list(self._ready.items()):
            if any(name in each.inside for each in ready.versions.values()):
                await self._load(outer)
                await self._load_around(outer)

    def _tell(self, name: str) -> None:
        state = self.state(name)
        if state.errors:
            _warn(state)
        elif state.version:
            _log.info("graph is live", graph=name, version=state.version, draft=state.draft or None)
        else:
            _log.info("graph is gone", graph=name)
        self.told(state)

    # ----------------------------------------------------------------- loading; the caller holds the lock

    async def _load(self, name: str, within: tuple[str, ...] = ()) -> _Ready:
        """Make the versions ready that new runs get."""
        if not self._by_hand:
            await self._take(name, within)
        publication = self._publications.get(name)
        if publication is None:
            if self._library.has_file(name):
                raise GraphError(f"The graph {name} was never published; run `hubbub graph publish {name}`.")
            raise self._library.unknown(name, self.names())
        wanted = [publication.live, *([publication.canary] if publication.canary else [])]
        found = [await self._kept.published(name, each) for each in wanted]
        current = [each.version for each in found]
        if current != wanted:
            # The text is the same; a plugin declares other parameters than it did.
            live, canary = (*current, "")[:2]
            publication = replace(publication, live=live, canary=canary)
            await self._put(publication, found)
        self._ready[name] = _Ready(publication, {each.version: each for each in found})
        return self._ready[name]

    async def _take(self, name: str, within: tuple[str, ...]) -> None:
        """Let what is written be what new runs get, if it is good and was not rolled back."""
        if not self._library.has_file(name):
            raise self._library.unknown(name, self.names())
        draft, before = await self._read(name, within), self._publications.get(name)
        if before is None:
            version_in(name, draft)
        if draft.version is None or (before and before.held == digest(draft.text)):
            return
        self._kept.hold(draft.version)
        if before is None or before.held or before.canary or before.live != draft.version.version:
            await self._put(published(before, name, draft.version.version, time.time()), [draft.version])

    async def _read(self, name: str, within: tuple[str, ...] = ()) -> Draft:
        """Read and check a file, with what is live of the graphs that it runs."""
        source = await asyncio.to_thread(self._library.source, name)
        within = (*within, name)
        inside = {each: await self._inside(each, within) for each in source.inside}
        draft = await asyncio.to_thread(self._library.draft, source, inside)
        written = draft.version.version if draft.version else ""
        self._seen[name] = _Seen(written, draft.findings, digest(draft.text))
        return draft

    async def _inside(self, name: str, within: tuple[str, ...]) -> GraphVersion | str:
        if refusal := self._library.refusal(name, within):
            return refusal
        if self._by_hand and name not in self._publications:
            return f"the graph {name} was never published; publish it first"
        try:
            ready = self._ready.get(name) or await self._load(name, within)
        except (GraphError, NotFound):
            return f"the graph {name} has mistakes of its own"
        version = ready.versions[ready.publication.live]
        if again := _all_inside(version) & set(within):
            return f"the graph {again.pop()} would contain itself ({' > '.join((*within, name))})"
        return version

    async def _put(self, publication: Publication, versions: Sequence[GraphVersion]) -> None:
        """Publish, on disk before anybody is told."""
        await self._kept.publish(publication, versions)
        self._publications[publication.graph] = publication

    def _known(self) -> list[str]:
        published = [name for name in self._publications if not self._library.has_file(name)]
        return [*self._library.known(), *(published if self._by_hand else ())]

    def _offered(self, name: str) -> bool:
        if self._library.python(name) or name in self._publications:
            return True
        seen = self._seen.get(name)
        return not self._by_hand and (seen is None or bool(seen.version))


def _all_inside(version: GraphVersion) -> set[str]:
    """Name the graphs inside a version, and those inside them."""
    return {*version.inside, *(name for each in version.inside.values() for name in _all_inside(each))}


def _warn(state: GraphState) -> None:
    goes_on = f"version {state.version} goes on" if state.version else "it cannot be run"
    _log.warning("graph has a mistake", graph=state.name, meanwhile=goes_on, reason=str(state.errors[0]))
