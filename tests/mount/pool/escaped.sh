# gmemfs pool stat tells whose memory it is, and what of a process is in no file: by kind, as asked for, and in all, as NVML
# charges less the pool and the context. What isn't known is unknown, and never 0.
# size: 512M
needs_plain_pool
told() { "$GMEMFS" pool stat --json "${@:2}" "$MNT/work" | json "$1"; } # told EXPRESSION [OPTION...]
LIBRARIES='[(one["name"], one["used"]) for one in d[0]["libraries"]]'
ALL='d[0]["charged"], d[0]["context"], d[0]["escaped"], d[0]["unknown"]'

start_run "$BUILD/pool/program" needed alloc=3000000 managed=3000000 array=5000000 own-pool=1000000 create=0x200000 wait \
    free free-async free free free wait
said ready
is "$(told "$LIBRARIES")" "[('program', 5097152)]"
KINDS='{name: (kind["count"], kind["bytes"]) for name, kind in d[0]["kinds"].items()}'
is "$(told "$KINDS")" "{'arrays': (1, 5000000), 'created': (0, 0), 'graph_nodes': (0, None), \
'managed': (1, 3000000), 'modules': (None, None), 'native': (0, 0), 'pools': (1, 1000000)}"
# In the simulator memory comes in 2 MiB, and a context takes none.
is "$(told "$ALL" --context)" "($((78 << 20)), 0, $((12 << 20)), None)"
is "$(told "$ALL")" "($((78 << 20)), None, None, \"what a context takes isn't measured: --context\")"
says "escaped: unknown; NVML charges 78 MiB, a context takes unknown: what a context" "$GMEMFS" pool stat "$MNT/work"
says "escaped: 12 MiB; NVML charges 78 MiB, a context takes 0 B; asked of the driver: managed 2.86 MiB in 1, arrays" \
    "$GMEMFS" pool stat --context "$MNT/work"
go_on
said ready
is "$(told 'd[0]["libraries"], sum(kind["bytes"] or 0 for kind in d[0]["kinds"].values())')" "([], 0)"
is "$(told "$ALL" --context)" "($((64 << 20)), 0, 0, None)"
end_run
# A library has its own name, whatever the program is called.
cat > library.c <<'END'
#include <dlfcn.h>
int allocate(unsigned long long *address) {
    void *driver = dlopen("libcuda.so.1", RTLD_NOW);
    return ((int (*)(unsigned long long *, unsigned long))dlsym(driver, "cuMemAlloc_v2"))(address, 123456);
}
END
command -v cc > /dev/null || skip "no compiler"
cc -shared -fPIC -o libmine.so library.c
cat > program.py <<'END'
import ctypes, sys
driver = ctypes.CDLL("libcuda.so.1")
context = ctypes.c_void_p()
address = ctypes.c_uint64()
assert driver.cuInit(0) == 0 and driver.cuDevicePrimaryCtxRetain(ctypes.byref(context), 0) == 0
assert driver.cuCtxSetCurrent(context) == 0
for _ in range(3):
    assert ctypes.CDLL("./libmine.so").allocate(ctypes.byref(address)) == 0
print("ready", flush=True)
sys.stdin.readline()
END
start_run python3 program.py
said ready
is "$(told "$LIBRARIES")" "[('libmine.so', 370368)]"
end_run
# Without NVML.
mkdir -p other/sim other/mnt
cp "$GMEMFS" "$BUILD"/libgmemfs-*.so other
cp "$BUILD/sim/libcuda.so.1" other/sim
GMEMFS=$PWD/other/gmemfs MNT=$PWD/other/mnt
"$GMEMFS" mount "$MNT" --simulate
start_run "$BUILD/pool/program" needed alloc=3000000 wait
said ready
is "$(told 'd[0]["charged"], d[0]["escaped"], "libnvidia-ml.so.1: it isn" in d[0]["unknown"]' --context)" "(None, None, True)"
end_run
"$GMEMFS" umount "$MNT"
