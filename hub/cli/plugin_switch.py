"""Writes a plugin's name into `[plugins] disabled`, or takes it out; the rest of the file stays as it is."""

from __future__ import annotations

from pathlib import Path

import tomlkit
from tomlkit.items import Array, Table

from runtime.errors import CannotStart


def switch(config: Path, name: str, *, on: bool) -> str:
    """Change the file and return a sentence about it; comments and order stay."""
    try:
        document = tomlkit.parse(config.read_text()) if config.exists() else tomlkit.document()
    except (OSError, UnicodeDecodeError) as error:
        raise CannotStart(f"{config} cannot be read ({error}); mend that.") from error
    plugins = document.setdefault("plugins", tomlkit.table())
    assert isinstance(plugins, Table)  # the settings were read: it is one
    disabled = plugins.get("disabled")
    if disabled is None:
        disabled = tomlkit.array()
        plugins["disabled"] = disabled
    assert isinstance(disabled, Array)
    if (name not in disabled) == on:
        return f"{name} is {'not disabled' if on else 'disabled already'}; nothing was changed."
    if on:
        disabled.remove(name)
    else:
        disabled.append(name)
    try:
        config.write_text(tomlkit.dumps(document))
    except OSError as error:
        raise CannotStart(f"{config} cannot be written ({error.strerror}); mend that.") from error
    return f"{name} is {'enabled' if on else 'disabled'} in {config}; start a running hub anew."
