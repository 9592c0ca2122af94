# Many threads at once, on one device and on two: no two have the same memory, and nothing is left; with ThreadSanitizer, too.
# mount: none
# timeout: 120
[ "${SANITIZE:-}" = thread ] || needs_plain_pool
export GMEMFS_SIM_DEVICES=2G,2G
"$GMEMFS" mount "$MNT" --simulate --device all
threads() { "$GMEMFS" run --pool "$MNT/work" "$BUILD/pool/threads" libcuda.so.1 "$1" 8 150 "$1"; }
# The linker has no room for a sanitizer's runtime beside an audit library: the pool's library is opened by its path.
if [ -n "${SANITIZE:-}" ]; then
    mkdir "$MNT/work" library
    ln -s "$BUILD/sim/libcuda.so.1" library/libgmemfs-driver.so
    threads() {
        LD_LIBRARY_PATH=$PWD/library GMEMFS_POOL_DIR=$MNT/work GMEMFS_POOL_DRIVER=$PWD/library/libgmemfs-driver.so \
            "$BUILD/pool/threads" "$BUILD/libgmemfs-pool.so" "$1" 8 60 "$1"
    }
fi
for devices in 1 2; do says "8 threads, $devices devices" threads "$devices"; done
soon rmdir "$MNT/work"
is "$("$GMEMFS" stat --json "$MNT" | json 'd["used"]')" 0
"$GMEMFS" umount "$MNT"
