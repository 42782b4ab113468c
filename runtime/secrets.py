"""Secrets: named in config and graphs, resolved here alone, never shown."""

from __future__ import annotations

import json
import logging
import os
import re
import stat
from pathlib import Path

from runtime.errors import InvalidInput, MissingSecret

MAX_BYTES = 64 * 1024
SHORTEST_HIDDEN = 6
"""Shorter values are not searched for in logs: they would hide ordinary words."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
_resolved: set[str] = set()


class Secrets:
    """Looks up `secret:NAME` in the environment, then as a file of that name in a folder."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder

    def get(self, reference: str, *, needed_by: str) -> str:
        """Return the secret behind `secret:NAME` (or `NAME`); MissingSecret when it is nowhere."""
        name = reference.removeprefix("secret:")
        if not _NAME.fullmatch(name):
            raise InvalidInput(
                f"{needed_by} names a secret in a way that cannot be looked up; "
                "write secret:NAME with letters, digits and _ only."
            )
        value = os.environ.get(name, "") or self._from_folder(name)
        if not value:
            raise MissingSecret(name, needed_by=needed_by, folder=str(self._folder or ""))
        if len(value) >= SHORTEST_HIDDEN:
            # In JSON lines a secret with quotes or line ends in it looks different.
            _resolved.update((value, json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1]))
        return value

    def _from_folder(self, name: str) -> str:
        if self._folder is None:
            return ""
        path = self._folder / name
        try:
            with path.open("rb") as file:
                if os.fstat(file.fileno()).st_mode & stat.S_IROTH:
                    # Container platforms mount secrets readable by all, so this must not stop the hub.
                    logging.getLogger("hubbub.secrets").warning(
                        "The secret file %s can be read by every user of this machine; run chmod 600 on it.",
                        path,
                    )
                return file.read(MAX_BYTES).decode().rstrip("\r\n")
        except (FileNotFoundError, NotADirectoryError):
            return ""
        except (OSError, UnicodeDecodeError):
            raise InvalidInput(
                f"The secret file {path} cannot be read as text; make it readable for the user of this hub."
            ) from None


def hide_secrets(text: str) -> str:
    """Return the text with every secret that was resolved in this process replaced by `[secret]`."""
    for value in _resolved:
        if value in text:
            text = text.replace(value, "[secret]")
    return text
