"""Standard tests for caches."""

from __future__ import annotations

import asyncio
import time

from hubbub.testing.case import StandardTests
from hubbub.testing.loop import left_running
from hubbub.testing.subject import Subject
from hubbub.testing.values import shown

_LONG = 3600.0
_SHORT = 0.2
_KEYS = "key", "KEY", "key:", "key:1", "clé 🦉", "a b\n", "k" * 2000, "key%", "key*", "../key", "key_", "kez"
"""Keys that careless caches take for one another."""
_VALUES = b"", b"\x00", b"value", bytes(range(256)), b"x" * 1_000_000


class CacheTests(StandardTests):
    """A cache gives back the bytes it was given, until their time is over or they are deleted."""

    kind = "cache"

    def test_what_is_kept_is_found(self) -> None:
        """Bytes come back as they were, whatever they are."""

        async def ask(subject: Subject) -> None:
            for value in _VALUES:
                await subject.call("set", "key", value, _LONG)
                found = await subject.call("get", "key")
                assert type(found) is bytes and found == value, (  # noqa: PT018
                    f"{shown(value)} was kept and {shown(found)} found; give back the same bytes"
                )

        self.play(ask)

    def test_what_is_unknown_is_none(self) -> None:
        """A key that nobody has set has no value, and forgetting it is no failure."""

        async def ask(subject: Subject) -> None:
            found = await subject.call("get", "nobody set this")
            assert found is None, f"an unknown key gave {shown(found)}; return None"
            await subject.call("delete", "nobody set this")

        self.play(ask)

    def test_keys_are_told_apart(self) -> None:
        """Each key has its own value: also long ones, and such as differ in case or in one sign."""

        async def ask(subject: Subject) -> None:
            for number, key in enumerate(_KEYS):
                await subject.call("set", key, str(number).encode(), _LONG)
            for number, key in enumerate(_KEYS):
                found = await subject.call("get", key)
                assert found == str(number).encode(), (
                    f"the key {shown(key)} gave {shown(found)}, another one's value; use the whole key"
                )

        self.play(ask)

    def test_what_is_deleted_is_gone(self) -> None:
        """A deleted key has no value; others keep theirs."""

        async def ask(subject: Subject) -> None:
            await subject.call("set", "one", b"1", _LONG)
            await subject.call("set", "two", b"2", _LONG)
            await subject.call("delete", "one")
            assert await subject.call("get", "one") is None, "a deleted key still has its value; forget it"
            assert await subject.call("get", "two") == b"2", "deleting one key took another along; forget one"

        self.play(ask)

    def test_the_last_value_counts(self) -> None:
        """A key that is set again has its new value, for its new time."""

        async def ask(subject: Subject) -> None:
            await subject.call("set", "key", b"old", _SHORT)
            await subject.call("set", "key", b"new", _LONG)
            found = await subject.call("get", "key")
            assert found == b"new", f"a key that was set again gave {shown(found)}; keep the last value"
            await asyncio.sleep(2 * _SHORT)
            found = await subject.call("get", "key")
            assert found == b"new", "a key that was set again ended with its first time; keep the last one"

        self.play(ask)

    def test_time_ends_it(self) -> None:
        """A value is gone when its `ttl` is over, fractions of a second included."""

        async def ask(subject: Subject) -> None:
            await subject.call("set", "key", b"value", _SHORT)
            ends = time.monotonic() + self.patience / 5
            while await subject.call("get", "key") is not None:
                assert time.monotonic() < ends, f"a value with a ttl of {_SHORT} s stays; end it in time"
                await asyncio.sleep(_SHORT / 10)

        self.play(ask)

    def test_calls_at_once_do_not_mix(self) -> None:
        """Many callers at the same time get their own values, and leave nothing running."""

        async def one(subject: Subject, number: int) -> None:
            key, value = f"key {number}", str(number).encode()
            await subject.call("set", key, value, _LONG)
            await asyncio.sleep(0)
            found = await subject.call("get", key)
            assert found == value, f"{key} was set to {value!r} and gave {shown(found)}; keep calls apart"

        async def ask(subject: Subject) -> None:
            await asyncio.gather(*(one(subject, number) for number in range(50)))

        left = self.play(ask, left_running)
        assert not left, f"its calls left this running: {', '.join(left)}; end it in aclose"
