#!/usr/bin/env bash
# demo: the main job, step by step: files that are GPU memory, and what a peer sees of them.
#
# On the GPU where gmemfs can mount on one, else on the simulator. Cleans up whatever happens; exits with 1 where a step
# fails. `make demo` builds what it needs.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
BUILD=$(cd "${BUILD:-build}" && pwd)
gmemfs=$BUILD/gmemfs
bold="" plain="" green=""
if [ -t 1 ]; then bold=$'\e[1m' plain=$'\e[0m' green=$'\e[32m'; fi

work=$(mktemp -d)
mount=$work/gpu
mkdir "$mount"
clean_up() {
    local status=$?
    if grep -q " $mount fuse.gmemfs " /proc/self/mounts; then "$gmemfs" umount "$mount" || true; fi
    rm -rf "$work"
    [ "$status" = 0 ] || echo "demo: a step failed (status $status)" >&2
}
trap clean_up EXIT

step() { printf '\n%s# %s%s\n' "$bold" "$1" "$plain"; }
show() { printf '%s$ %s%s\n' "$green" "$*" "$plain"; "$@"; }

if "$gmemfs" doctor > "$work/doctor" 2>&1; then
    size=1G copy=256 driver=libcuda.so.1
    options=()
    step "This machine has a GPU that gmemfs can use:"
    grep '^ok  *device' "$work/doctor"
else
    size=64M copy=64 driver=$BUILD/sim/libcuda.so.1
    options=(--simulate=1G)
    export GMEMFS_SIM_MACHINE=demo$$
    step "No GPU here that gmemfs can use (gmemfs doctor tells why), so this is the simulator:"
    echo "the same programs, over host memory; its speed says nothing about a GPU"
fi

step "Mount. The command returns when the mount answers."
show "$gmemfs" mount "${options[@]}" "$mount"
show "$gmemfs" df "$mount"

step "Allocate $size of device memory by truncate; it reads as zeros."
show truncate -s "$size" "$mount/buffer"
show "$gmemfs" stat "$mount/buffer"
show cmp -n "$(stat -c %s "$mount/buffer")" "$mount/buffer" /dev/zero

step "The handle that another process imports: 64 bytes, and how much it maps."
if show getfattr --absolute-names -n user.fabric_handle -e hex "$mount/buffer"; then has_fabric=yes; else has_fabric=""; fi
show getfattr --absolute-names --only-values -n user.allocation_size "$mount/buffer"
echo

step "What a peer sees: one process writes with a kernel, another checks it with a kernel, and back. No copy."
if [ "$driver" = libcuda.so.1 ] && [ ! -s "$BUILD/nvcc-compiler" ]; then
    echo "skipped: this build has no device kernels, for want of nvcc: \`make check-deps\` tells"
elif [ -n "$has_fabric" ]; then
    show "$BUILD/test-client" --driver "$driver" "$mount"
else
    echo "skipped: this machine has no fabric handles; gmemfs doctor names the command that makes them possible"
fi

step "Copy in and out, as on any disk."
head -c "${copy}M" /dev/urandom > "$work/data"
show cp "$work/data" "$mount/data"
show cp "$mount/data" "$work/back"
show cmp "$work/data" "$work/back"

step "Remove and unmount: the memory is free again."
show rm "$mount/buffer" "$mount/data"
show "$gmemfs" df "$mount"
show "$gmemfs" umount "$mount"
printf '\n%sdemo: all steps passed%s\n' "$bold" "$plain"
