"""The examples of docs/ run as they stand, on the simulator."""
import json
import os
import pathlib
import subprocess
import sys

import pytest
from preloaded import PATIENCE_S, preload

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = (ROOT / os.environ.get("BUILD", "build")).resolve()
SIMULATED = {**os.environ, "GMEMFS_SIM_MACHINE": f"examples{os.getpid()}"}
PEER = {**SIMULATED, "LD_LIBRARY_PATH": str(BUILD / "sim"), "GMEMFS_LIBRARY": str(BUILD / "libgmemfs.so"),
        "PYTHONPATH": str(ROOT / "client/python"), **preload()}


@pytest.mark.parametrize("example", ["four_workers.py", "ring_buffer.py"])
def test_example(tmp_path, example):
    if not os.access("/dev/fuse", os.R_OK | os.W_OK):
        pytest.skip("no /dev/fuse that this user may open")
    mount = tmp_path / "mount"
    mount.mkdir()
    subprocess.run([BUILD / "gmemfs", "mount", mount, "--simulate=256M"], env=SIMULATED, check=True, timeout=30)
    try:
        done = subprocess.run([sys.executable, ROOT / "docs/examples" / example, mount], env=PEER, timeout=PATIENCE_S,
                              capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        stats = json.loads(os.getxattr(mount, "user.gmemfs.stats"))
        assert (stats["peers"], stats["leases"]) == (0, 0), "nothing is left of the processes"
    finally:
        subprocess.run([BUILD / "gmemfs", "umount", mount], check=True, timeout=30)
