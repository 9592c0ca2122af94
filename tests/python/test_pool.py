"""Pool: NVIDIA's own Python bindings, which know nothing of gmemfs, under `gmemfs run`, on the simulator."""
import subprocess
import sys
import textwrap

import test_package
from preloaded import PATIENCE_S, preload
from test_package import BUILD, fixture_mount  # noqa: F401

SIMULATED = {**test_package.SIMULATED, **preload()}

PROGRAM = textwrap.dedent("""
    import os, sys
    from cuda.bindings import driver

    def done(answer):
        assert answer[0] == 0, answer
        return answer[1] if len(answer) == 2 else answer[1:]

    done(driver.cuInit(0))
    device = done(driver.cuDeviceGet(0))
    done(driver.cuCtxSetCurrent(done(driver.cuDevicePrimaryCtxRetain(device))))
    first = done(driver.cuMemAlloc(1000))
    done(driver.cuMemsetD8(first, 7, 1000))
    second = done(driver.cuMemAllocAsync(3 << 20, 0))
    large = done(driver.cuMemAlloc(40 << 20))
    seen = bytearray(1000)
    done(driver.cuMemcpyDtoH(seen, first, 1000))
    assert seen == bytes([7]) * 1000
    base, size = done(driver.cuMemGetAddressRange(int(second) + 5))
    assert (int(base), size) == (int(second), 3 << 20), (base, size)
    folder, = (entry.path for entry in os.scandir(sys.argv[1]))
    files = {entry.name: entry.stat().st_size for entry in os.scandir(folder)}
    assert files == {"arena-0": 64 << 20, "alloc-000000-40MiB": 40 << 20}, files
    assert open(folder + "/arena-0", "rb").read(1000) == seen
    free, total = done(driver.cuMemGetInfo())
    done(driver.cuMemFree(large))
    done(driver.cuMemFreeAsync(second, 0))
    done(driver.cuMemFree(first))
    more = done(driver.cuMemGetInfo())[0] - free
    assert 0 <= (43 << 20) + 1024 - more <= 2 << 20, more  # waiting for a context leaves a byte of its own there
    print("all of it")
""")


def test_memory_of_nvidias_bindings_is_files(mount):
    work = mount / "work"
    done = subprocess.run([BUILD / "gmemfs", "run", "--pool", work, sys.executable, "-c", PROGRAM, work],
                          env=SIMULATED, timeout=PATIENCE_S, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "all of it\n"), done.stderr
