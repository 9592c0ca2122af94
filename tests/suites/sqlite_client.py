"""What sqlite.py runs: a scenario of several processes in one database.

    sqlite_client.py counters|readers|killed|vacuum JOURNAL_MODE DATABASE

counters: no increment is lost. readers: a reader never sees half a transaction. killed: a writer's SIGKILL leaves the
last transaction whole or undone. vacuum: after churn, integrity_check is content.
"""
import os
import signal
import sqlite3
import sys

PROCESSES = 4
ROUNDS = 60


def connect(path, mode):
    database = sqlite3.connect(path, timeout=60, isolation_level=None)
    found = database.execute(f"pragma journal_mode={mode}").fetchone()[0]
    if found != mode:
        raise RuntimeError(f"journal_mode is {found}, not {mode}")
    return database


def in_processes(count, work):
    """Runs work(index) in each; raises where one of them failed."""
    children = []
    for index in range(count):
        child = os.fork()
        if child == 0:
            status = 1
            try:
                work(index)
                status = 0
            except Exception as error:  # the parent tells by the status; the line says why
                print(f"process {index}: {error!r}", flush=True)
            os._exit(status)
        children.append(child)
    statuses = [os.waitpid(child, 0)[1] for child in children]
    if any(statuses):
        raise RuntimeError(f"of the processes, statuses {statuses}")


def check(database):
    found = database.execute("pragma integrity_check").fetchall()
    if found != [("ok",)]:
        raise RuntimeError(f"integrity_check: {found[:3]}")


def counters(path, mode):
    database = connect(path, mode)
    database.execute("create table t(n integer)")
    database.execute("insert into t values(0)")
    database.close()

    def work(_):
        own = connect(path, mode)
        for _ in range(ROUNDS):
            own.execute("begin immediate")
            own.execute("update t set n = n + 1")
            own.execute("commit")

    in_processes(PROCESSES, work)
    database = connect(path, mode)
    found = database.execute("select n from t").fetchone()[0]
    if found != PROCESSES * ROUNDS:
        raise RuntimeError(f"{found} increments of {PROCESSES * ROUNDS}")
    check(database)


def readers(path, mode):
    """Two columns in two tables always have the same sum."""
    database = connect(path, mode)
    database.executescript("create table a(n integer, pad blob); create table b(n integer);")
    database.close()

    def work(index):
        own = connect(path, mode)
        for step in range(ROUNDS):
            if index < 2:
                own.execute("begin immediate")
                own.execute("insert into a values(?, zeroblob(3000))", (step,))
                own.execute("insert into b values(?)", (step,))
                own.execute("commit")
                continue
            own.execute("begin")
            left = own.execute("select count(*), sum(n) from a").fetchone()
            right = own.execute("select count(*), sum(n) from b").fetchone()
            own.execute("commit")
            if left != right:
                raise RuntimeError(f"half a transaction: {left} and {right}")

    in_processes(PROCESSES, work)
    check(connect(path, mode))


def killed(path, mode):
    database = connect(path, mode)
    database.executescript("create table a(n integer, pad blob); create table b(n integer);")
    database.close()
    for round_ in range(8):
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            own = connect(path, mode)
            own.execute("pragma cache_size=5")  # so that pages reach the file before the commit
            while True:
                own.execute("begin immediate")
                own.executemany("insert into a values(?, randomblob(2000))", [(round_,)] * 50)
                os.write(writer, b".")
                own.executemany("insert into b values(?)", [(round_,)] * 50)
                own.execute("commit")
        for _ in range(2 + round_):
            os.read(reader, 1)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(reader)
        os.close(writer)
        database = connect(path, mode)
        counts = [database.execute(f"select count(*) from {table}").fetchone()[0] for table in "ab"]
        if counts[0] != counts[1] or counts[0] % 50:
            raise RuntimeError(f"half a transaction after a kill: {counts}")
        check(database)
        database.close()


def vacuum(path, mode):
    database = connect(path, mode)
    database.execute("create table t(k text primary key, v blob)")
    for step in range(6):
        database.execute("begin")
        database.executemany("insert or replace into t values(?, randomblob(?))",
                             [(f"k{number * 7 % 500}", number % 5000) for number in range(step, 600)])
        database.execute("delete from t where rowid % 3 = 0")
        database.execute("commit")
        database.execute("vacuum")
        check(database)


if __name__ == "__main__":
    SCENARIO, MODE, DATABASE = sys.argv[1:]
    {"counters": counters, "readers": readers, "killed": killed, "vacuum": vacuum}[SCENARIO](DATABASE, MODE)
