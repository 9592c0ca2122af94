# With --limit NVML says of memory what cuMemGetInfo says, whichever is asked first, and by either form; without it, what it says
# itself. Nothing else of NVML is changed.
# size: 512M
needs_plain_pool
cat > program.py <<'END'
import ctypes, sys


class Memory(ctypes.Structure):
    _fields_ = [(name, ctypes.c_ulonglong) for name in ("total", "free", "used")]


class Memory2(ctypes.Structure):
    _fields_ = [("version", ctypes.c_uint), *[(name, ctypes.c_ulonglong) for name in ("total", "reserved", "free", "used")]]


nvml = ctypes.CDLL(sys.argv[1])
device, count, name = ctypes.c_void_p(), ctypes.c_uint(), ctypes.create_string_buffer(96)
assert nvml.nvmlInit_v2() == 0 and nvml.nvmlDeviceGetHandleByIndex_v2(0, ctypes.byref(device)) == 0
assert nvml.nvmlDeviceGetCount_v2(ctypes.byref(count)) == 0 and count.value == 1
assert nvml.nvmlDeviceGetUUID(device, name, 96) == 0 and name.value.startswith(b"GPU-")


def told():
    one, two = Memory(), Memory2(version=ctypes.sizeof(Memory2) | 2 << 24)
    assert nvml.nvmlDeviceGetMemoryInfo(device, ctypes.byref(one)) == 0
    assert nvml.nvmlDeviceGetMemoryInfo_v2(device, ctypes.byref(two)) == 0
    assert nvml.nvmlDeviceGetMemoryInfo_v2(device, ctypes.byref(Memory2())) == 25  # ARGUMENT_VERSION_MISMATCH
    assert (one.total, one.free, one.used) == (two.total, two.free, two.used) and one.total == one.free + one.used
    return one.free, one.total


print(*told())
driver = ctypes.CDLL("libcuda.so.1")
context, address, free, total = ctypes.c_void_p(), ctypes.c_uint64(), ctypes.c_size_t(), ctypes.c_size_t()
assert driver.cuInit(0) == 0 and driver.cuDevicePrimaryCtxRetain(ctypes.byref(context), 0) == 0
assert driver.cuCtxSetCurrent(context) == 0
for size in (1000, 40000000, 3000):
    assert driver.cuMemAlloc_v2(ctypes.byref(address), ctypes.c_size_t(size)) == 0
    assert driver.cuMemGetInfo_v2(ctypes.byref(free), ctypes.byref(total)) == 0
    if sys.argv[2] == "limited":
        assert told() == (free.value, total.value), (told(), free.value, total.value)
assert driver.cuMemFree_v2(address) == 0
assert driver.cuMemGetInfo_v2(ctypes.byref(free), ctypes.byref(total)) == 0
print(total.value, told()[1])
END
run() { "$GMEMFS" run --pool "$MNT/work" "$@"; }
for name in libnvidia-ml.so.1 libnvidia-ml.so "$BUILD/sim/libnvidia-ml.so.1"; do
    is "$(run --limit 200M python3 program.py "$name" limited | tr '\n' ' ')" "209715200 209715200 209715200 209715200 "
done
soon rmdir "$MNT/work" # what the others had has gone back
is "$(run python3 program.py "$BUILD/sim/libnvidia-ml.so.1" free | tr '\n' ' ')" "536870912 536870912 536870912 536870912 "
soon rmdir "$MNT/work"
# A limit within a limit: the inner one's libraries are the same, and without one they go.
run --limit 200M "$GMEMFS" run --pool "$MNT/work" python3 program.py "$BUILD/sim/libnvidia-ml.so.1" free > said
is "$(tr '\n' ' ' < said)" "536870912 536870912 536870912 536870912 "
