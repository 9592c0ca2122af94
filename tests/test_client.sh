#!/usr/bin/env bash
# Test client: mounts (on the GPU where gmemfs can, else on the simulator), and has two processes share a file's memory.
# `make test-client` builds what it needs. Exit status: the test client's.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
BUILD=$(cd "${BUILD:-build}" && pwd)
options=() driver=libcuda.so.1
if ! "$BUILD/gmemfs" doctor > /dev/null 2>&1; then
    options=(--simulate=256M) driver=$BUILD/sim/libcuda.so.1
    export GMEMFS_SIM_MACHINE=test-client$$ # that no other mount shares
    echo "no GPU that gmemfs can use (gmemfs doctor tells why): on the simulator"
fi
mount=$(mktemp -d)
clean_up() {
    grep -q " $mount fuse.gmemfs " /proc/self/mounts && "$BUILD/gmemfs" umount "$mount"
    rmdir "$mount"
}
trap clean_up EXIT
"$BUILD/gmemfs" mount "$mount" "${options[@]}"
"$BUILD/test-client" --driver "$driver" "$mount"
