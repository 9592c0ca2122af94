"""sqlite3: several processes in one database, in each journal mode, by its locks; killed writers; self-checks."""
import pathlib
import sys

from place import run
from results import need_module

SIZE = "1G"
MODES = ("delete", "truncate", "persist", "wal")
CLIENT = str(pathlib.Path(__file__).with_name("sqlite_client.py"))


def prepare(_):
    need_module("sqlite3", "libpython3-stdlib")


def suite(place, results, _):
    for mode in MODES:
        for what in ("counters", "readers", "killed", "vacuum"):
            done = run([sys.executable, CLIENT, what, mode, place.path / f"{what}-{mode}.db"], 180, cwd=place.path)
            results.of(f"{what}, journal_mode={mode}", done)
