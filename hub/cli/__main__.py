"""`python -m hub.cli` is `hubbub`."""

from hub.cli import main

main()
