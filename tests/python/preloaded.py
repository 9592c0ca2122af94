"""Preloaded: what the interpreter, which isn't instrumented, needs to load libraries that are (SANITIZE)."""
import os
import subprocess

PATIENCE_S = 360 if os.environ.get("SANITIZE") else 60  # with a process of a test
_RUNTIMES = {"address": "libasan.so", "thread": "libtsan.so"}


def preload():
    """Environment of such a process: the sanitizer's runtime comes first. What Python itself leaks isn't looked at."""
    name = _RUNTIMES.get(os.environ.get("SANITIZE", "").split(",")[0])
    if name is None:
        return {}
    found = subprocess.run([os.environ.get("CXX", "g++"), f"-print-file-name={name}"], check=True, capture_output=True,
                           text=True).stdout.strip()
    return {"LD_PRELOAD": os.path.realpath(found),
            "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":detect_leaks=0"}
