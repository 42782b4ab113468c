"""The guardrail pii takes out what names a person, and leaves alone what only looks like it."""

import pytest

from hubbub.testing import FakeContext, GuardrailTests
from plugins.pii import Pii, Settings


class TestPii(GuardrailTests):
    rewritten = (
        "ann@example.com",
        "Call +44 20 7031 3000 now",
        "4111-1111-1111-1111",
        "my ssn is 536-90-4399",
    )
    allowed = ("Order 12345678", "It is 2024-01-02 10:30:00", "Version 1.2.3.4", "0000 0000 0000 0000", "a@b")

    def make(self) -> Pii:
        return Pii(Settings())


def checked(text: str, settings: Settings | None = None) -> str | None:
    return Pii(settings or Settings()).check(text, FakeContext()).text


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("Write to Ann.Lee+x@mail.example.co.uk, please.", "Write to [email], please."),
        ("<a@b.com>;c@d.org", "<[email]>;[email]"),
        ("call (650) 253-0000 or +49 30 901820", "call [phone] or [phone]"),
        ("pay with 5500 0000 0000 0004!", "pay with [card]!"),
        ("to GB82 WEST 1234 5698 7654 32 today", "to [iban] today"),
        ("to DE89370400440532013000 AND MORE", "to [iban] AND MORE"),
        ("ssn 536-90-4399.", "ssn [ssn]."),
        ("line one\na@b.com\nline +16502530000", "line one\n[email]\nline [phone]"),
    ],
)
def test_what_names_a_person_is_taken_out(text: str, clean: str) -> None:
    assert checked(text) == clean


@pytest.mark.parametrize(
    "text",
    ["4111111111111112", "GB82 WEST 1234 5698 7654 33", "000-00-0000", "room 12, 10:30", "v 10.0.0.1"],
)
def test_what_fails_its_checksum_stays(text: str) -> None:
    assert checked(text) is None


def test_settings_say_what_is_looked_for_and_what_becomes_of_it() -> None:
    assert checked("10.0.0.1 and a@b.com", Settings(find=("ip",))) == "[ip] and a@b.com"
    verdict = Pii(Settings(action="block")).check("a@b.com", FakeContext())
    assert (verdict.action, verdict.reason) == ("block", "It holds email.")


def test_numbers_without_a_country_are_those_of_the_region() -> None:
    assert checked("Ruf 030 901820 an", Settings(region="DE")) == "Ruf [phone] an"
