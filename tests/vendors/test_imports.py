"""A hub that asks no vendor pays for none."""

import subprocess
import sys


def test_neither_the_hub_nor_the_plugins_import_a_vendors_sdk() -> None:
    program = (
        "import sys, hub.app, hub.cli, runtime.engine\n"
        "import plugins.openai, plugins.openai_responses, plugins.anthropic, plugins.ollama\n"
        "print(*{'openai', 'anthropic', 'ollama', 'httpx', 'httpx2', 'genai_prices'} & set(sys.modules))"
    )
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert told.stdout.split() == []
