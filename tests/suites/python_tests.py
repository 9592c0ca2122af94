"""Python: the standard library's own tests of files, run with all their files in the mounted folder."""
import pathlib
import xml.etree.ElementTree

from place import run
from results import Missing

SIZE = "12G"
MODULES = ["test_os", "test_shutil", "test_tempfile", "test_mmap", "test_posix", "test_fcntl", "test_pathlib",
           "test_glob", "test_io", "test_fileio", "test_file", "test_largefile", "test_zipfile", "test_tarfile",
           "test_dbm", "test_sqlite3", "test_mailbox", "test_stat", "test_genericpath", "test_posixpath",
           "test_filecmp"]
PYTHONS = ["/usr/bin/python3", "python3"]  # Debian's first: its tests come as a package


def prepare(_):
    for program in PYTHONS:
        if run([program, "-c", "import test.test_os, test.test_shutil"]).status == 0:
            return program
    raise Missing("no tests of Python's library: install the package libpython3-testsuite, on Debian 12 "
                  "libpython3.11-testsuite (`make deps-suites`)")


def suite(place, results, program):
    for module in MODULES:
        report = pathlib.Path(place.work, f"{module}.xml")
        folder = place.path / module
        folder.mkdir(mode=0o777)
        done = run([program, "-m", "test", "-u", "largefile", "--tempdir", folder, "--junit-xml", report, module], 400,
                   cwd=folder, env={"TMPDIR": str(folder)})
        if not report.exists():
            results.failed(module, f"no report, status {done.status}: {done.tail()}")
            continue
        for case in xml.etree.ElementTree.parse(report).iter("testcase"):
            count_case(results, case)


def count_case(results, case):
    name = case.get("name")
    wrong = case.find("failure") if case.find("failure") is not None else case.find("error")
    if wrong is not None:
        results.failed(name, (wrong.text or "").strip().splitlines()[-1] if wrong.text else "error")
    elif case.find("skipped") is not None or case.get("result") == "skipped":
        results.skipped(name, "as its own test says")
    else:
        results.passed(name)
