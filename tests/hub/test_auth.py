"""Who is asking: keys, sessions, and what becomes of wrong ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from hub.auth import SESSION_SECONDS, Attempts, Keyring, Principal
from runtime.errors import NotFound, Overloaded
from runtime.records import ApiKey

NOW = 1_000.0


class Shelf:
    """Keeps keys."""

    def __init__(self) -> None:
        self.stored: dict[str, ApiKey] = {}

    async def keys(self) -> Sequence[ApiKey]:
        """Give all of them."""
        return list(self.stored.values())

    async def put_key(self, key: ApiKey) -> None:
        """Keep one."""
        self.stored[key.id] = key


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


@pytest.fixture
def keyring(shelf: Shelf) -> Keyring:
    return Keyring(shelf, "boot", "keys")


# --------------------------------------------------------------------------- keys


async def test_a_key_opens_its_tenant_until_it_is_revoked(keyring: Keyring) -> None:
    key, text = await keyring.create("app", "acme")
    assert keyring.principal(text) == Principal("acme", key.id)
    await keyring.revoke(key.id)
    assert keyring.principal(text) is None
    with pytest.raises(NotFound, match="key list"):
        await keyring.revoke("none")


async def test_only_the_hash_of_a_key_is_kept_and_a_new_start_knows_it(
    keyring: Keyring, shelf: Shelf
) -> None:
    key, text = await keyring.create("app", "acme")
    secret = text.removeprefix(f"hk_{key.id}_")
    assert secret not in repr(shelf.stored)
    again = Keyring(shelf, "another boot", "keys")
    await again.load()
    assert again.principal(text) == Principal("acme", key.id)


async def test_whatever_is_no_key_opens_nothing(keyring: Keyring) -> None:
    key, text = await keyring.create("app", "acme")
    for token in (
        None,
        "",
        "hk",
        "hk__",
        f"hk_{key.id}_",
        text[:-1],
        text + "x",
        f"xx{text}",
        "hk_\udcff_\udcfe",
    ):
        assert keyring.principal(token) is None


async def test_the_boot_token_is_the_owner_in_both_modes(shelf: Shelf) -> None:
    for mode in ("open", "keys"):
        assert Keyring(shelf, "boot", mode).principal("boot").owner  # type: ignore[union-attr]
    assert Keyring(shelf, "boot", "open").principal("any") == Principal("default", None)


# --------------------------------------------------------------------------- sessions


async def test_a_session_is_its_keys_until_it_ends_or_the_key_is_revoked(keyring: Keyring) -> None:
    key, _ = await keyring.create("app", "acme")
    cookie = keyring.session(Principal("acme", key.id), NOW)
    assert keyring.of_session(cookie, NOW + SESSION_SECONDS - 1) == Principal("acme", key.id)
    assert keyring.of_session(cookie, NOW + SESSION_SECONDS) is None
    await keyring.revoke(key.id)
    assert keyring.of_session(cookie, NOW) is None


async def test_a_session_that_we_did_not_sign_is_none(keyring: Keyring, shelf: Shelf) -> None:
    key, _ = await keyring.create("app", "acme")
    cookie = keyring.session(Principal("acme", key.id), NOW)
    other = Keyring(shelf, "another start", "keys").session(Principal("acme", key.id), NOW)
    forged = cookie.replace(key.id, "boot")
    for sent in ("", ".", "a.b.c", other, forged, cookie[:-1], "a\udcff.b.c", "a.b.\udcff"):
        assert keyring.of_session(sent, NOW) is None


# --------------------------------------------------------------------------- over HTTP


async def test_no_key_and_a_wrong_one_are_told_apart(guarded: Any) -> None:
    status, answer = await guarded.ask("POST", "/threads/search", {})
    assert (status, answer["code"]) == (401, "unauthenticated")
    assert "Authorization: Bearer" in answer["detail"]
    for headers in (
        {"Authorization": "Bearer hk_1_2"},
        {"X-Api-Key": "nope"},
        {"Cookie": "hubbub_session=a.1.b"},
    ):
        status, answer = await guarded.ask("POST", "/threads/search", {}, headers=headers)
        assert (status, "not known" in answer["detail"]) == (401, True)


async def test_too_many_wrong_keys_are_slowed_down_and_a_right_one_is_not(guarded: Any) -> None:
    wrong = {"Authorization": "Bearer hk_1_2"}
    statuses = [(await guarded.ask("POST", "/threads/search", {}, headers=wrong))[0] for _ in range(12)]
    assert statuses[:10] == [401] * 10
    assert 429 in statuses[10:]
    assert await guarded.ask("POST", "/threads/search", {}, headers=guarded.owner) == (200, [])


def test_a_wrong_key_a_second_is_never_too_many() -> None:
    now = [0.0]
    attempts = Attempts(lambda: now[0])
    for _ in range(100):
        now[0] += 1.0
        attempts.failed("1.2.3.4")
    for _ in range(9):
        attempts.failed("1.2.3.4")
    with pytest.raises(Overloaded):
        attempts.failed("1.2.3.4")
    attempts.failed("5.6.7.8")


async def test_what_a_tenant_made_another_does_not_see(guarded: Any) -> None:
    made = {}
    for tenant in ("acme", "initech"):
        status, key = await guarded.ask(
            "POST", "/admin/keys", {"name": "app", "tenant": tenant}, headers=guarded.owner
        )
        assert status == 201
        made[tenant] = {"X-Api-Key": key["key"]}
    _, thread = await guarded.ask("POST", "/threads", {}, headers=made["acme"])
    path = f"/threads/{thread['thread_id']}"
    assert (await guarded.ask("GET", path, headers=made["acme"]))[0] == 200
    assert (await guarded.ask("GET", path, headers=made["initech"]))[0] == 404
    assert (await guarded.ask("POST", "/threads/search", {}, headers=made["initech"])) == (200, [])
