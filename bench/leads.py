"""What a score with reasons costs over a trivial graph: `python -m bench.leads LEADS.csv --label won`.

The model is trained on the file first, as `hubbub train lead` does; then its first rows are scored.
"""

from __future__ import annotations

import argparse
import asyncio
import csv
import subprocess
import sys
import tempfile
from itertools import islice
from pathlib import Path

from bench.beside import beside_trivial, print_beside

SCORED = 1_000


def main() -> None:
    """Train, measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.leads", description=__doc__)
    parser.add_argument("data", type=Path, help="a CSV file in UTF-8")
    parser.add_argument("--label", required=True, help="the column of the outcome")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        train = ("train", "lead", given.data.absolute(), "--label", given.label)
        subprocess.run([sys.executable, "-m", "hub.cli", "--workspace", folder, *train], check=True)
        with given.data.open(newline="", encoding="utf-8-sig") as file:
            dialect = csv.Sniffer().sniff(file.read(4_096))
            file.seek(0)
            leads = list(islice(csv.DictReader(file, dialect=dialect), SCORED))
        inputs = [{"lead": {name: lead[name] for name in lead if name != given.label}} for lead in leads]
        print_beside(asyncio.run(beside_trivial(Path(folder), "score_lead", inputs)))


if __name__ == "__main__":
    main()
