#!/usr/bin/env bash
# GPU run: everything that must be shown on a machine with a GPU, from a bundle or a build, in one script.
#
#   tests/gpu/run.sh [--simulate] [PHASE...]        phases, in order; all of them where none is named:
#
#     doctor        the IMEX channel's device (made, when root and missing), then what the machine can do
#     conformance   the driver suite on the real driver
#     allocate      truncate to 1 GiB, the two attributes, memory back after unlink and after unmount
#     context       device memory of a mount without files, with parity and without; beside that of BEFORE
#     client        the test client: parent and child, and each by itself; libgmemfs from C and C++
#     peers         Python peers: cuda.bindings alone, and a CuPy array
#     copy          8 GiB of random data in and out by cp and by gmemfs cp, checksums
#     digest        user.gmemfs.digest of 8 GiB, how fast, and that of 1 GiB against Python's hashlib
#     parallel      8 processes writing and reading 1 GiB each at once, checksums
#     selftest      gmemfs test: 1 GiB of memory and its parity, errors made and repaired
#     parity        the parity kernels against the reference on a million random codewords, and their rates
#     pack          the pack kernels against the reference, and the rates of packing and waking 8 GiB of weights; by nvCOMP's ANS
#                   beside nvCOMP by itself
#     batch         batches of pages: nvCOMP and the processors read each other's streams; gmemfs bench --pack, 10,000 pages
#     damage        --ecc=on: bits flipped by a peer and by gmemfs inject, repaired by reads; EIO for what is beyond repair
#     ecc_cost      writes and reads with parity on, with reads verified, and without, in turn
#     frameworks    PyTorch, CuPy and JAX on one file; a model of 16 GiB put in by gmemfs cp and opened by four processes
#     pool          gmemfs run: a program by each way to the driver; PyTorch (and its multiprocessing), CuPy, JAX and numba; rates by the driver's
#     pool_torch    frameworks compute the same in a pool as without: PyTorch with each of its allocators, graphs and
#                   MemPool, Triton, NCCL, CuPy, numba, JAX; du of a program's files beside NVML's figure;
#                   gmemfs.torch: a MemPool in files, a model in a file
#     pool_bench    a training step, a decode loop, starts and memory in a pool beside the same without; fragmentation;
#                   calls beside 60,000 blocks
#     cold          a model of 16 GiB packed, woken, to host memory and back, loaded by PyTorch; beside gmemfs cp and load_file
#     weights       real weights, those of the .safetensors file WEIGHTS: how much they shrink, by type and codec
#     tight         a file of 64 GiB packed with less than 1 GiB of the device beside it
#     devices       copies between two GPUs of a mount, beside cuMemcpyPeer; loads of 16 GiB by one bus and by
#                   both; kernels and NCCL on files of both
#     hosts         gmemfs pull between two mounts of one device: by fabric handles beside a copy on the device, by a pipe
#                   beside cat; a pulled model's first tensor
#     models        200 models of 1 GiB opened, read, written and mapped at random, with --make-room=host (MODELS, MINUTES)
#     snapshot      a file of 16 GiB of weights saved and restored, plain and packed, beside the disk's own rates
#     survive       SIGKILL to server and keeper in the middle of a cp and of a peer's kernels, 200 rounds of the kill loop
#                   either way, recovery times, gmemfs save and restore of 32 GiB beside dd and pinned DMA
#     block         a file as a disk by its socket: rates beside nbdkit's, and its blocks checked while what
#                   serves it is killed; the same of a thin disk, and its memory taken and given back
#     bench         figures beside an empty FUSE server, tmpfs and the copy engines (tests/bench/run.py)
#
#   BUILD   where the programs are: a build folder; else the bundle that this script lies in, else ./build
#   OUT     where run.log, summary.txt, doctor.json and bench.json go (./gpu-results)
#   WEIGHTS a .safetensors file of F32, for the phase weights
#   BEFORE  an earlier version's build folder or bundle, for the phase context
#   PYTHON  a Python with numpy and cuda.bindings (python3)
#
# --simulate runs the same on the simulator with small sizes, to try the script where there is no GPU. Exit status:
# 0 all passed, 1 something failed. All phases together take more than ten minutes on an H200: name those that are wanted.
set -uo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

if [ -z "${BUILD:-}" ]; then
    BUILD=$here/../../build
    for folder in "$here/.." "$here/../.." "$here/../../.."; do
        [ -x "$folder/bin/gmemfs" ] && BUILD=$folder
    done
fi
BUILD=$(cd "$BUILD" && pwd) || exit 1
export BUILD
OUT=${OUT:-$PWD/gpu-results}
PYTHON=${PYTHON:-python3}
SIMULATE=""
[ "${1:-}" = --simulate ] && { SIMULATE=1; shift; }
PHASES=("$@")
[ $# -gt 0 ] || PHASES=(doctor conformance allocate context client peers copy digest parallel selftest parity pack batch
    damage ecc_cost frameworks pool pool_torch pool_bench cold weights tight devices hosts models snapshot survive block bench)

mkdir -p "$OUT"
LOG=$OUT/run.log
: > "$LOG"
# Sources and targets of copies lie on a tmpfs of our own: /dev/shm holds half of the memory that the machine had when it
# started, which in a virtual machine may be little.
WORK=$(mktemp -d /dev/shm/gmemfs-run.XXXXXX)
OWN_TMPFS=""
[ "$(id -u)" = 0 ] && mount -t tmpfs -o size=48g gmemfs-run "$WORK" 2> /dev/null && OWN_TMPFS=1
MOUNT=$WORK/mount
mkdir "$MOUNT"

# Sizes in MiB. What the driver counts as used moves by a little: what a context loads when it is first needed.
GIGABYTE=1024 COPY=8192 SLACK=128 SAVED=32768 ROUNDS=200 RECOVERY_OPTIONS=(--rounds 3)
MODELS=${MODELS:-200} MINUTES=${MINUTES:-5} MOUNT_OPTIONS=() DRIVER=libcuda.so.1 BENCH_OPTIONS=()

program() {
    local name=$1 folder
    for folder in "$BUILD" "$BUILD/bin" "$BUILD/bench" "$BUILD/bin/bench" "$BUILD/client"; do
        [ -x "$folder/$name" ] && { echo "$folder/$name"; return; }
    done
    echo "/no/$name/under/$BUILD"
}
GMEMFS=$(program gmemfs)
PATH=$PATH:$BUILD/bin # getfattr, where the machine has none

if [ -n "$SIMULATE" ]; then
    GIGABYTE=64 COPY=512 SLACK=0 SAVED=256 ROUNDS=3 RECOVERY_OPTIONS=(--simulate --rounds 1 --files 1000 --size 67108864)
    export GMEMFS_SIM_MACHINE=run$$ # that no other mount shares
    MOUNT_OPTIONS=(--simulate=2G) BENCH_OPTIONS=(--simulate --rounds 2 --size 8388608)
    for DRIVER in "$BUILD"/{sim,bin/sim,lib/gmemfs/sim}/libcuda.so.1; do
        [ -e "$DRIVER" ] && break
    done
fi

# ---- reporting -------------------------------------------------------------------------------------------------------
failures=0
say() { printf '%s\n' "$*" | tee -a "$LOG"; }
report() { # report PASS|FAIL|SKIP what seconds [more]
    printf '%-4s %-66s %8.2f s  %s\n' "$1" "$2" "$3" "${4:-}" | tee -a "$LOG" "$OUT/summary.txt"
    [ "$1" != FAIL ] || failures=$((failures + 1))
}
now() { date +%s.%N; }
since() { echo "$(now) $1" | awk '{ printf "%.3f", $1 - $2 }'; }
# check WHAT COMMAND...: runs it, its output into the log and, when it fails, its end onto the screen.
check() {
    local what=$1 start output status
    shift
    start=$(now)
    output=$(mktemp "$WORK/output.XXXXXX")
    "$@" > "$output" 2>&1 < /dev/null
    status=$?
    { echo "--- $what: $*"; cat "$output"; } >> "$LOG"
    if [ $status -eq 0 ]; then
        report PASS "$what" "$(since "$start")"
    else
        tail -n 15 "$output"
        report FAIL "$what" "$(since "$start")" "exit status $status"
    fi
    rm -f "$output"
    return $status
}
rate() { echo "$1 $2" | awk '{ printf "%.2f GB/s", $1 * 1048576 / 1e9 / $2 }'; } # MiB, seconds

# ---- mounting and measuring ------------------------------------------------------------------------------------------
mounted() { grep -q " $MOUNT fuse.gmemfs " /proc/mounts; }
mount_it() { mounted || check "mount ${MOUNT_OPTIONS[*]}" "$GMEMFS" mount "$MOUNT" "${MOUNT_OPTIONS[@]}"; }
unmount_it() { ! mounted || check "unmount" "$GMEMFS" umount "$MOUNT"; }
clean_up() {
    mounted && "$GMEMFS" umount --lazy "$MOUNT"
    [ -z "$OWN_TMPFS" ] || umount --lazy "$WORK"
    rm -rf "$WORK"
}
trap clean_up EXIT

# MiB of device memory in use by everybody. Simulated: by the mount, and nothing where there is none.
used_memory() {
    if [ -z "$SIMULATE" ] && ! command -v nvidia-smi > /dev/null; then
        "$PYTHON" -c '
from cuda.bindings import driver
driver.cuInit(0)
driver.cuCtxSetCurrent(driver.cuDevicePrimaryCtxRetain(driver.cuDeviceGet(0)[1])[1])
_, free, total = driver.cuMemGetInfo()
print((total - free) >> 20)'
    elif [ -z "$SIMULATE" ]; then
        nvidia-smi --query-gpu=memory.used --format=csv,noheader,nounits | awk '{ sum += $1 } END { print sum }'
    elif mounted; then
        df --block-size=1M --output=used "$MOUNT" | tail -n 1
    else
        echo 0
    fi
}
back_to() { # back_to MIB: the memory in use is what it was, give or take SLACK
    local used
    used=$(used_memory)
    echo "in use: $used MiB, before: $1 MiB"
    [ "$((used - $1))" -le "$SLACK" ] && [ "$(($1 - used))" -le "$SLACK" ]
}

# ---- phases ----------------------------------------------------------------------------------------------------------
make_channel() {
    local major
    major=$(awk '$2 == "nvidia-caps-imex-channels" { print $1 }' /proc/devices)
    [ -e /dev/nvidia-caps-imex-channels/channel0 ] && return 0
    [ -n "$major" ] && [ "$(id -u)" = 0 ] || return 0
    mkdir -p /dev/nvidia-caps-imex-channels
    mknod -m 666 /dev/nvidia-caps-imex-channels/channel0 c "$major" 0
}

phase_doctor() {
    [ -n "$SIMULATE" ] || check "make the IMEX channel's device if it is missing" make_channel
    check "doctor" "$GMEMFS" doctor ${SIMULATE:+--simulate}
    "$GMEMFS" doctor --json ${SIMULATE:+--simulate} > "$OUT/doctor.json"
    "$GMEMFS" doctor ${SIMULATE:+--simulate} | tee -a "$LOG"
}

phase_conformance() {
    check "conformance suite on $DRIVER" "$(program conformance-tests)" --driver "$DRIVER"
    sed -n '/^--- conformance/,$p' "$LOG" | grep -E '^\[  (PASSED|SKIPPED) ] [0-9]+ test|^\[  FAILED|measured' | sort -u |
        tee -a "$OUT/summary.txt"
}

attributes_fit() { # attributes_fit FILE MIB
    "$PYTHON" -c '
import os, sys
path, size = sys.argv[1], int(sys.argv[2]) << 20
handle, allocated = os.getxattr(path, "user.fabric_handle"), int(os.getxattr(path, "user.allocation_size"))
print(f"fabric handle: {len(handle)} bytes, {handle[:16].hex()}...; allocation size {allocated}")
sys.exit(len(handle) != 64 or allocated < size)' "$1" "$2"
}

phase_allocate() {
    local before mounted_use
    before=$(used_memory)
    mount_it || return
    mounted_use=$(used_memory)
    check "truncate -s ${GIGABYTE}M" truncate -s "${GIGABYTE}M" "$MOUNT/buffer"
    if command -v getfattr > /dev/null; then
        check "getfattr -n user.fabric_handle" getfattr -n user.fabric_handle "$MOUNT/buffer"
    fi
    check "the two attributes by getxattr" attributes_fit "$MOUNT/buffer" "$GIGABYTE"
    check "gmemfs stat" "$GMEMFS" stat "$MOUNT/buffer"
    check "new memory reads as zeros" cmp -n $((GIGABYTE * 1048576)) "$MOUNT/buffer" /dev/zero
    rm "$MOUNT/buffer"
    check "memory is back after unlink" back_to "$mounted_use"
    check "truncate -s $((4 * GIGABYTE))M" truncate -s "$((4 * GIGABYTE))M" "$MOUNT/buffer"
    check "gmemfs df" "$GMEMFS" df "$MOUNT"
    unmount_it
    check "memory is back after unmount" back_to "$before"
}

# MiB that a mount without files takes of the devices: as others see it, and as the server tells of it itself.
context_use() { # context_use GMEMFS [OPTION...]
    local command=$1 before outside inside
    shift
    before=$(used_memory)
    "$command" mount "$MOUNT" "${MOUNT_OPTIONS[@]}" "$@" > /dev/null || return
    outside=$(($(used_memory) - before))
    inside=$("$command" stat --json "$MOUNT" | "$PYTHON" -c '
import json, sys
print(sum(device["total"] - device["free"] for device in json.load(sys.stdin)["devices"]) >> 20)') || return
    "$command" umount "$MOUNT" || return
    echo "$outside $((inside - before))"
}
context_is_small() { # context_is_small RATIO [OPTION...]: at most 400 MiB, and RATIO of BEFORE's; medians of three
    local ratio=$1 now=() earlier=() use old=""
    shift
    [ -z "$SIMULATE" ] || ratio=1 # there a context costs nothing
    [ -z "${BEFORE:-}" ] || old=$(BUILD=$BEFORE program gmemfs)
    for _ in 1 2 3; do
        use=$(context_use "$GMEMFS" "$@") || return
        now+=("$use")
        [ -n "$old" ] || continue
        use=$(context_use "$old" "$@") || return
        earlier+=("$use")
    done
    "$PYTHON" -c '
import statistics, sys
now, earlier = ([list(map(int, line.split())) for line in text.split(",") if line] for text in sys.argv[2:])
median = lambda rounds: [statistics.median(values) for values in zip(*rounds)]
now, earlier = median(now), median(earlier)
print("FIGURE device memory of a mount, MiB:", *now, "(as others see it, by gmemfs stat)")
good = all(value <= 400 for value in now)
for value, old in zip(now, earlier):
    print(f"FIGURE {value:.0f} MiB now, {old:.0f} before" + (f": {value / old:.2f}" if old else ""))
    good = good and value <= float(sys.argv[1]) * old
sys.exit(not good)' "$ratio" "$(IFS=,; echo "${now[*]}")" "$(IFS=,; echo "${earlier[*]}")"
}
phase_context() {
    unmount_it
    check "device memory of a mount" context_is_small 0.55
    check "the same with --ecc=on" context_is_small 0.6 --ecc=on
    grep -a '^FIGURE device memory\|^FIGURE .* MiB now' "$LOG" | tail -6 >> "$OUT/summary.txt"
}

client_in_two_terminals() {
    local path=$MOUNT/two-terminals status
    mkfifo "$WORK/enter"
    "$(program test-client)" --driver "$DRIVER" --parent "$path" < "$WORK/enter" > "$WORK/parent" 2>&1 &
    local parent=$!
    exec 9> "$WORK/enter"
    for _ in $(seq 200); do
        grep -q 'press Enter' "$WORK/parent" && break
        kill -0 $parent 2> /dev/null || break
        sleep 0.1
    done
    "$(program test-client)" --driver "$DRIVER" --child "$path"
    status=$?
    echo >&9
    exec 9>&-
    wait $parent || status=1
    cat "$WORK/parent"
    rm -f "$path" "$WORK/enter"
    return $status
}

phase_client() {
    mount_it || return
    check "test client: parent and child" "$(program test-client)" --driver "$DRIVER" "$MOUNT"
    check "test client: --parent and --child, each by itself" client_in_two_terminals
    check "libgmemfs: the C interface" env GMEMFS_DRIVER="$DRIVER" "$(program c_test)" "$MOUNT"
    check "libgmemfs: the C++ interface, every kind of handle" env GMEMFS_DRIVER="$DRIVER" "$(program cpp_test)" "$MOUNT"
    for how in static atexit thread fork; do
        check "libgmemfs: unmapped late: $how" env GMEMFS_DRIVER="$DRIVER" "$(program endings)" "$how" "$MOUNT"
    done
    rm -rf "$MOUNT"/*
}

random_file() { # random_file PATH MIB: a stream cipher's output; /dev/urandom is ten times slower
    if command -v openssl > /dev/null; then
        head -c "$(($2 * 1048576))" /dev/zero |
            openssl enc -aes-128-ctr -nosalt -K 00112233445566778899aabbccddeeff -iv "$(printf %032x $RANDOM)" > "$1"
    else
        head -c "$(($2 * 1048576))" /dev/urandom > "$1"
    fi
}
sum_of() {
    if command -v openssl > /dev/null; then openssl dgst -sha256 -r; else sha256sum; fi | cut -d ' ' -f 1
}

bindings_peer() { # the peer sees the file's bytes, and the file holds the bytes that the peer wrote
    local path=$MOUNT/peer told
    random_file "$WORK/peer" 64
    cp "$WORK/peer" "$path"
    told=$("$PYTHON" "$here/peer_bindings.py" "$path" --sha256 "$(sum_of < "$WORK/peer")" --write 7) || return
    echo "$told"
    [[ $told == *"$(sum_of < "$path")\"}" ]]
}
cupy_peer() {
    head -c 64M "$WORK/peer" > "$MOUNT/cupy"
    "$PYTHON" "$here/peer_cupy.py" "$MOUNT/cupy"
}
phase_peers() {
    mount_it || return
    [ -z "$SIMULATE" ] || export LD_LIBRARY_PATH=${DRIVER%/*}
    if ! "$PYTHON" -c 'import numpy, cuda.bindings.driver' 2> /dev/null; then
        report SKIP "peer with cuda.bindings" 0 "$PYTHON has no numpy and cuda.bindings"
    else
        check "peer with cuda.bindings alone" bindings_peer
        if [ -n "$SIMULATE" ] || ! "$PYTHON" -c 'import cupy' 2> /dev/null; then
            report SKIP "peer with CuPy" 0 "no CuPy, or no GPU"
        else
            check "peer with a CuPy array" cupy_peer
        fi
    fi
    unset LD_LIBRARY_PATH
    rm -f "$MOUNT/peer" "$MOUNT/cupy" "$WORK/peer"
}

phase_copy() {
    local start took want got
    mount_it || return
    random_file "$WORK/source" "$COPY"
    start=$(now)
    check "cp of $COPY MiB in" cp "$WORK/source" "$MOUNT/copy"
    took=$(since "$start")
    say "     in: $(rate "$COPY" "$took")"
    start=$(now)
    check "cp of $COPY MiB out" cp "$MOUNT/copy" "$WORK/target"
    took=$(since "$start")
    say "     out: $(rate "$COPY" "$took")"
    want=$(sum_of < "$WORK/source")
    got=$(sum_of < "$WORK/target")
    say "     sha256 in  $want" && say "     sha256 out $got"
    check "checksums are equal" test "$want" = "$got"
    check "the file's memory is one extent" one_extent "$MOUNT/copy"
    rm -f "$WORK/target" "$MOUNT/copy"
    start=$(now)
    check "gmemfs cp of $COPY MiB in, past FUSE" "$GMEMFS" cp "$WORK/source" "$MOUNT/copy"
    say "     in: $(rate "$COPY" "$(since "$start")"), the program's start included"
    start=$(now)
    check "gmemfs cp of $COPY MiB out" "$GMEMFS" cp "$MOUNT/copy" "$WORK/target"
    say "     out: $(rate "$COPY" "$(since "$start")"), the program's start included"
    check "its checksums are equal" test "$want" = "$(sum_of < "$WORK/target")"
    start=$(now)
    check "gmemfs cp --verify of $COPY MiB in, by digests" verified_by_digests "$WORK/source" "$MOUNT/copy"
    say "     in and verified: $(rate "$COPY" "$(since "$start")"), the program's start included"
    rm -f "$WORK/target"
    start=$(now)
    check "gmemfs cp --verify of $COPY MiB out, by digests" verified_by_digests "$MOUNT/copy" "$WORK/target"
    say "     out and verified: $(rate "$COPY" "$(since "$start")"), the program's start included"
    rm -f "$WORK/source" "$WORK/target" "$MOUNT/copy"
}
verified_by_digests() {
    "$GMEMFS" cp --verify --json "$1" "$2" | "$PYTHON" -c '
import json, sys
told = json.load(sys.stdin)
print(told)
sys.exit(told["files_verified_by_digests"] != 1)'
}
one_extent() {
    "$GMEMFS" stat --json "$1" | "$PYTHON" -c 'import json, sys; sys.exit(len(json.load(sys.stdin)["extents"]) != 1)'
}

python_digest() { # as docs/formats.md has it
    "$PYTHON" -c '
import hashlib, sys
data = open(sys.argv[1], "rb").read()
level = data
while True:
    level = b"".join(hashlib.sha256(level[at:at + 4096]).digest() for at in range(0, len(level), 4096))
    if len(level) <= 32: break
print("sha256-tree-4k:" + hashlib.sha256(b"gmemfs-digest-1\n" + len(data).to_bytes(8, "little") + level).hexdigest())' "$1"
}
digest_of() { getfattr --only-values --absolute-names -n user.gmemfs.digest "$1"; }
phase_digest() {
    local start
    mount_it || return
    random_file "$WORK/source" "$GIGABYTE"
    cp "$WORK/source" "$MOUNT/digest"
    check "the digest is hashlib's" test "$(digest_of "$MOUNT/digest")" = "$(python_digest "$WORK/source")"
    truncate -s "${COPY}M" "$MOUNT/digest"
    start=$(now)
    check "digest of $COPY MiB" digest_of "$MOUNT/digest"
    say "     $(rate "$COPY" "$(since "$start")"), getfattr's start included"
    check "and again, as it is known" digest_of "$MOUNT/digest"
    rm -f "$WORK/source" "$MOUNT/digest"
}

at_once() { # at_once COMMAND: COMMAND 0 .. COMMAND 7 at the same time; fails if one does
    local pids=() pid job
    for job in 0 1 2 3 4 5 6 7; do
        "$1" $job &
        pids+=($!)
    done
    for pid in "${pids[@]}"; do wait "$pid" || return 1; done
}
part_in() { dd if="$WORK/source" of="$MOUNT/part$1" bs=1M skip=$((COPY / 8 * $1)) count=$((COPY / 8)) status=none; }
part_out() { dd if="$MOUNT/part$1" of=/dev/null bs=1M status=none; }
part_equal() {
    local want got
    want=$(dd if="$WORK/source" bs=1M skip=$((COPY / 8 * $1)) count=$((COPY / 8)) status=none | sum_of)
    got=$(sum_of < "$MOUNT/part$1")
    echo "part $1: $want $got"
    [ "$want" = "$got" ]
}
phase_parallel() {
    local start
    mount_it || return
    random_file "$WORK/source" "$COPY"
    start=$(now)
    check "8 processes write $((COPY / 8)) MiB each" at_once part_in
    say "     $(rate "$COPY" "$(since "$start")")"
    start=$(now)
    check "8 processes read $((COPY / 8)) MiB each" at_once part_out
    say "     $(rate "$COPY" "$(since "$start")")"
    check "checksums are equal" at_once part_equal
    rm -f "$WORK/source" "$MOUNT"/part*
}

phase_selftest() {
    local before
    unmount_it
    before=$(used_memory)
    check "gmemfs test of ${GIGABYTE} MiB, with parity" "$GMEMFS" test --size "${GIGABYTE}M" --ecc ${SIMULATE:+--simulate=2G}
    sed -n '/^--- gmemfs test/,$p' "$LOG" | grep -E '^(ok|fail|parity:|plain|        found) ' | tee -a "$OUT/summary.txt"
    check "memory is back after it" back_to "$before"
}

phase_parity() {
    unmount_it
    local codewords=1000000 size=8G
    [ -z "$SIMULATE" ] || { codewords=50000 size=64M; export GMEMFS_SIM_DEVICES=512M; }
    check "parity kernels against the reference" \
        "$(program parity-tests)" --gtest_brief=1 --driver "$DRIVER" --codewords $codewords
    "$(program parity)" --driver "$DRIVER" --size $size > "$OUT/parity.txt" 2>> "$LOG"
    check "rates of the parity kernels" grep -q '"cases"' "$OUT/parity.txt"
    grep -v '^{' "$OUT/parity.txt" | tee -a "$LOG" "$OUT/summary.txt"
    unset GMEMFS_SIM_DEVICES
}

# nvCOMP's library: the named one, the bundle's, or one that lies in some Python's packages. Nothing where there is none.
find_nvcomp() {
    local bundled=$BUILD/lib/libnvcomp.so.6
    if [ -n "${GMEMFS_NVCOMP:-}" ]; then
        echo "$GMEMFS_NVCOMP"
    elif [ -n "$SIMULATE" ]; then
        ls "${DRIVER%/*}/libnvcomp.so.6" 2> /dev/null
    elif [ -e "$bundled" ]; then
        echo "$bundled"
    else
        find / -xdev -name 'libnvcomp.so.6*' -type f 2> /dev/null | head -n 1
    fi
}
phase_batch() {
    unmount_it
    local pages=10000 rounds=5 nvcomp cache=$WORK/cache
    [ -z "$SIMULATE" ] || { pages=300 rounds=1; export GMEMFS_SIM_DEVICES=512M; }
    nvcomp=$(find_nvcomp)
    if [ -z "$nvcomp" ]; then
        report SKIP "batches of pages on the GPU" 0 "no libnvcomp.so.6: run 'make deps-nvcomp' before 'make bundle'"
        return
    fi
    check "nvCOMP and processors read each other's streams" \
        "$(program batch-tests)" --driver "$DRIVER" --nvcomp "$nvcomp" --pages $pages
    grep -a '^auto: ' "$LOG" | tail -2 >> "$OUT/summary.txt"
    check "gmemfs bench --pack" env GMEMFS_NVCOMP="$nvcomp" XDG_CACHE_HOME="$cache" \
        "$GMEMFS" bench --pack ${SIMULATE:+--simulate=512M} --pages $pages --rounds $rounds
    sed -n '/^--- gmemfs bench --pack/,/^PASS\|^FAIL/p' "$LOG" | grep -v '^---\|^PASS\|^FAIL' | tee -a "$OUT/summary.txt"
    env GMEMFS_NVCOMP="$nvcomp" XDG_CACHE_HOME="$cache" "$GMEMFS" bench --pack --json ${SIMULATE:+--simulate=512M} \
        --pages $pages --rounds $rounds > "$OUT/batch.json" 2>> "$LOG"
    check "a model was kept, and each batch of both back ends was timed" "$PYTHON" -c '
import json, os, sys
told = json.load(open(sys.argv[1]))
print("FIGURE batches:", told["error"])
sys.exit(not os.path.exists(told["model"]) or not all(case["gpu"]["compute_ns"] for case in told["cases"]))' "$OUT/batch.json"
    unset GMEMFS_SIM_DEVICES
}
phase_pack() {
    unmount_it
    local chunks=16 size=8G rounds=9 ans_rounds=5 nvcomp
    [ -z "$SIMULATE" ] || { chunks=1 size=4M rounds=1 ans_rounds=1; export GMEMFS_SIM_DEVICES=512M; }
    nvcomp=$(find_nvcomp)
    check "pack kernels against the reference" \
        "$(program pack-tests)" --gtest_brief=1 --driver "$DRIVER" --chunks $chunks ${nvcomp:+--nvcomp "$nvcomp"}
    "$(program pack)" --driver "$DRIVER" --size $size --rounds $rounds > "$OUT/pack.txt" 2>> "$LOG"
    check "rates of packing and waking" test "$(grep -c '"cases"' "$OUT/pack.txt")" = 3
    grep -v '^{' "$OUT/pack.txt" | tee -a "$LOG" "$OUT/summary.txt"
    if [ -z "$nvcomp" ]; then
        report SKIP "files packed by nvCOMP" 0 "no libnvcomp.so.6: run 'make deps-nvcomp' before 'make bundle'"
    else
        "$(program pack_ans)" --driver "$DRIVER" --nvcomp "$nvcomp" --size $size --rounds $ans_rounds \
            > "$OUT/pack_ans.txt" 2>> "$LOG"
        check "packing and waking by ANS, beside nvCOMP by itself" grep -q '"cases"' "$OUT/pack_ans.txt"
        grep -v '^{' "$OUT/pack_ans.txt" | tee -a "$LOG" "$OUT/summary.txt"
    fi
    unset GMEMFS_SIM_DEVICES
}

repaired() { "$GMEMFS" stat --json "$MOUNT" | "$PYTHON" -c 'import json, sys; print(json.load(sys.stdin)["parity"]["blocks_repaired"])'; }
state_is() { [ "$(getfattr --only-values --absolute-names -n user.gmemfs.ecc "$1")" = "$2" ]; }
equal_but() { # equal_but BLOCK: the file is the source but for that block of 128 KiB, which can't be read
    cmp -n $(($1 << 17)) "$WORK/source" "$MOUNT/damaged" && cmp -i $((($1 + 1) << 17)) "$WORK/source" "$MOUNT/damaged" &&
        ! dd if="$MOUNT/damaged" of=/dev/null bs=128K skip="$1" count=1
}
phase_damage() {
    local before
    unmount_it
    MOUNT_OPTIONS+=(--ecc=on --verify-reads --allow-inject)
    mount_it || return
    random_file "$WORK/source" "$GIGABYTE"
    check "parity on: cp of $GIGABYTE MiB in" cp "$WORK/source" "$MOUNT/damaged"
    check "what is used is 17/16 of the file" test \
        "$(df -B1 --output=used "$MOUNT" | tail -n 1)" -eq $((GIGABYTE * 1048576 / 16 * 17))
    sync "$MOUNT/damaged"
    check "gmemfs verify finds nothing" "$GMEMFS" verify "$MOUNT/damaged"
    [ -z "$SIMULATE" ] || export LD_LIBRARY_PATH=${DRIVER%/*}
    if ! "$PYTHON" -c 'import numpy, cuda.bindings.driver' 2> /dev/null; then
        report SKIP "bits flipped by a peer" 0 "$PYTHON has no numpy and cuda.bindings"
    else
        before=$(repaired)
        check "4 symbols of a codeword flipped by a peer" "$PYTHON" "$here/peer_flips.py" "$MOUNT/damaged" 656360 4
        check "reads give the right bytes" cmp "$WORK/source" "$MOUNT/damaged"
        check "one repair was counted" test "$(repaired)" -eq $((before + 1))
        check "60 symbols flipped by a peer" "$PYTHON" "$here/peer_flips.py" "$MOUNT/damaged" 1310720 60
        check "EIO on that block alone" equal_but 10
        check "the file is damaged" state_is "$MOUNT/damaged" damaged
        check "the block written anew" dd if="$WORK/source" of="$MOUNT/damaged" bs=128K skip=10 seek=10 count=1 conv=notrunc
        check "it is current again" state_is "$MOUNT/damaged" current
    fi
    unset LD_LIBRARY_PATH
    sync "$MOUNT/damaged"
    before=$(repaired)
    check "2000 bits turned all over the file" "$GMEMFS" inject "$MOUNT/damaged" --bits 2000
    check "reads give the right bytes" cmp "$WORK/source" "$MOUNT/damaged"
    say "     $(($(repaired) - before)) blocks repaired by them"
    check "gmemfs verify finds nothing" "$GMEMFS" verify "$MOUNT/damaged"
    check "random operations, every read verified" "$PYTHON" "$here/../mount/fsx.py" "$MOUNT/fsx" --seed 7 --seconds 10
    check "gmemfs verify finds nothing" "$GMEMFS" verify "$MOUNT"
    rm -f "$WORK/source" "$MOUNT"/*
    unmount_it
    MOUNT_OPTIONS=("${MOUNT_OPTIONS[@]:0:${#MOUNT_OPTIONS[@]}-3}")
}

phase_ecc_cost() {
    unmount_it
    check "what parity costs (tests/bench/run.py parity)" "$PYTHON" "$here/../bench/run.py" parity --json "$OUT/ecc.json" \
        --tmpfs "$WORK" "${BENCH_OPTIONS[@]}"
    sed -n '/^--- what parity/,$p' "$LOG" | grep -v '^---\|^PASS\|^FAIL' >> "$OUT/summary.txt"
}

as_peer() { # as_peer COMMAND...: with the package and the library of this bundle, or of this source tree
    local package library
    for package in "$BUILD/python" "$here/../../client/python"; do [ -d "$package" ] && break; done
    for library in "$BUILD/lib/libgmemfs.so" "$BUILD/libgmemfs.so"; do [ -e "$library" ] && break; done
    PYTHONPATH=$package GMEMFS_LIBRARY=$library GMEMFS_DRIVER=$DRIVER GMEMFS=$GMEMFS "$@"
}
frameworks() { python_peer frameworks.py "$@"; }
python_peer() {
    XLA_PYTHON_CLIENT_PREALLOCATE=false TF_CPP_MIN_LOG_LEVEL=2 as_peer "$PYTHON" "$here/$1" "${@:2}"
}
phase_frameworks() {
    if [ -n "$SIMULATE" ] || ! "$PYTHON" -c 'import torch, cupy, jax, safetensors' 2> /dev/null; then
        report SKIP "frameworks" 0 "no GPU, or $PYTHON has not all of torch, cupy, jax and safetensors"
        return
    fi
    mount_it || return
    check "PyTorch, CuPy and JAX share a file" frameworks share "$MOUNT"
    check "a model of 16 GiB, four processes" frameworks model "$MOUNT" "$WORK"
    check "PyTorch: unmapping under work and graph captures; two GPUs" python_peer lifetimes.py "$MOUNT"
    check "PyTorch in the tensors of a planned arena" python_peer session.py "$MOUNT"
    check "tensors of PyTorch, CuPy and JAX, saved and loaded" frameworks tensors "$MOUNT"
    unmount_it
    MOUNT_OPTIONS+=(--handles=fd)
    mount_it || return
    check "by descriptors: PyTorch, CuPy and JAX share a file" frameworks share "$MOUNT"
    check "by descriptors: a model of 2 GiB, four processes" frameworks model "$MOUNT" "$WORK" --gib 2
    unmount_it
    unset 'MOUNT_OPTIONS[-1]'
    grep '^{"' "$LOG" >> "$OUT/summary.txt"
}

# ---- the server's death ----------------------------------------------------------------------------------------------
server_pid() { "$GMEMFS" stat --json "$MOUNT" | "$PYTHON" -c 'import json, sys; print(json.load(sys.stdin)["server_pid"])'; }
keeper_pid() { pgrep -f "^gmemfs keeper .* $MOUNT\$"; }
wait_for_size() { # wait_for_size FILE MIB: until it is larger (20 s at the most)
    for _ in $(seq 4000); do
        [ "$(stat -c %s "$1" 2> /dev/null || echo 0)" -gt $(($2 << 20)) ] && return
        sleep 0.005
    done
    return 1
}
cp_through_a_kill() { # the supervisor's way: cp notices nothing, and its bytes are all there
    local copying server
    rm -f "$MOUNT/copy"
    cp "$WORK/source" "$MOUNT/copy" &
    copying=$!
    wait_for_size "$MOUNT/copy" $((COPY / 8)) || return
    server=$(server_pid)
    kill -0 "$copying" && kill -KILL "$server" || return
    echo "killed at $(stat -c %s "$MOUNT/copy") of $((COPY << 20)) bytes"
    wait "$copying" && [ "$(server_pid)" != "$server" ] && cmp "$WORK/source" "$MOUNT/copy"
}
cp_through_the_keepers_death() { # cp is told, what it had written stays, and nothing hangs
    local copying there
    rm -f "$MOUNT/copy"
    cp "$WORK/source" "$MOUNT/copy" &
    copying=$!
    wait_for_size "$MOUNT/copy" $((COPY / 8)) || return
    kill -KILL "$(keeper_pid)" || return
    if wait "$copying"; then echo "cp didn't notice"; return 1; fi
    there=$(stat -c %s "$MOUNT/copy")
    echo "$there of $((COPY << 20)) bytes had been written"
    cmp -n "$there" "$WORK/source" "$MOUNT/copy"
}
peer_through_a_kill() { # peer_through_a_kill [keeper]
    local options=()
    rm -f "$MOUNT/peer"
    truncate -s "${GIGABYTE}M" "$MOUNT/peer" || return
    getfattr -n user.fabric_handle --absolute-names "$MOUNT/peer" > /dev/null || return # settles its memory
    [ "${1:-}" = keeper ] && options=(--keeper "$(keeper_pid)")
    "$PYTHON" "$here/peer_keeps_writing.py" "$MOUNT/peer" "$(server_pid)" "${options[@]}"
}
four_blocks() { cat "$WORK/block" "$WORK/block" "$WORK/block" "$WORK/block"; }
save_and_restore() { # save_and_restore FOLDER: GB/s of gmemfs save and restore, and of dd to the same place
    local folder=$1 start
    rm -rf "$MOUNT/restored"
    mkdir "$MOUNT/restored"
    start=$(now)
    four_blocks | dd of="$folder/dd" bs=4M iflag=fullblock conv=fdatasync status=none || return
    echo "FIGURE $folder: dd with fdatasync of $SAVED MiB: $(rate "$SAVED" "$(since "$start")")"
    start=$(now)
    if four_blocks | dd of="$folder/dd" bs=4M iflag=fullblock oflag=direct conv=fdatasync status=none 2> /dev/null; then
        echo "FIGURE $folder: dd with O_DIRECT and fdatasync: $(rate "$SAVED" "$(since "$start")")"
    fi
    rm -f "$folder/dd"
    start=$(now)
    "$GMEMFS" save --quiet "$MOUNT/saved" "$folder/snapshot" || return
    echo "FIGURE $folder: gmemfs save: $(rate "$SAVED" "$(since "$start")"), the sync to disk included"
    start=$(now)
    "$GMEMFS" restore --quiet "$folder/snapshot" "$MOUNT/restored" || return
    echo "FIGURE $folder: gmemfs restore: $(rate "$SAVED" "$(since "$start")")"
    rm -f "$folder/snapshot"
    diff -r "$MOUNT/saved" "$MOUNT/restored"
}
kill_loop_with_peers() { # their writes go through the driver; what they wrote is never undone, and nothing is given twice
    as_peer "$PYTHON" "$here/../mount/survive/kill_loop.py" --rounds $(((ROUNDS + 1) / 2)) --peers 3 --processes 1 \
        --gmemfs "$GMEMFS" "--options=${MOUNT_OPTIONS[*]:---capacity=16G}" "$@"
}
# A file with parity goes to host memory, as it is and packed; damage there is found and mended, and the bytes come back.
host_parity() {
    local file=$MOUNT/with-parity way
    touch "$file"
    "$PYTHON" -c 'import os, sys; os.setxattr(sys.argv[1], "user.gmemfs.ecc", b"on")' "$file" || return 1
    head -c 600000000 /dev/urandom > "$WORK/noise" && truncate -s 300000000 "$WORK/noise" && truncate -s 700000000 "$WORK/noise"
    "$GMEMFS" cp "$WORK/noise" "$file" || return 1
    for way in --as-is ""; do
        "$GMEMFS" pack --host $way "$file" && "$GMEMFS" verify "$file" && "$GMEMFS" scrub "$file" || return 1
        cmp "$WORK/noise" "$file" && "$GMEMFS" unpack "$file" && "$GMEMFS" verify "$file" && cmp "$WORK/noise" "$file" || return 1
    done
    rm "$file" "$WORK/noise"
}
phase_cold() {
    if [ -n "$SIMULATE" ] || ! "$PYTHON" -c 'import torch, safetensors' 2> /dev/null; then
        report SKIP "cold files" 0 "no GPU, or $PYTHON has not torch and safetensors"
        return
    fi
    mount_it || return
    check "parity of files in host memory" host_parity
    check "a model of 16 GiB packed, woken, loaded" python_peer cold.py "$MOUNT" "$WORK"
    unmount_it
    grep -E '^\{"(gib|bus_to_host_gb_s)"' "$LOG" | tail -2 >> "$OUT/summary.txt"
}
phase_weights() {
    if [ -n "$SIMULATE" ] || [ -z "${WEIGHTS:-}" ] || ! "$PYTHON" -c 'import torch, safetensors' 2> /dev/null; then
        report SKIP "real weights" 0 "no GPU, no WEIGHTS=FILE, or $PYTHON has not torch and safetensors"
        return
    fi
    mount_it || return
    check "$WEIGHTS packed by type and codec" python_peer weights.py "$MOUNT" "$WEIGHTS"
    unmount_it
    grep '^{"weights_mib"' "$LOG" | tail -1 >> "$OUT/summary.txt"
}
phase_tight() {
    if [ -n "$SIMULATE" ] || ! "$PYTHON" -c 'import torch' 2> /dev/null; then
        report SKIP "packing with little room" 0 "no GPU, or $PYTHON has no torch"
        return
    fi
    unmount_it
    MOUNT_OPTIONS+=(--host-limit=60G)
    mount_it || return
    check "64 GiB packed with 1 GiB of the device beside it" python_peer pack_tight.py "$MOUNT"
    unmount_it
    MOUNT_OPTIONS=("${MOUNT_OPTIONS[@]:0:${#MOUNT_OPTIONS[@]}-1}")
    grep '^{"tight_gib"' "$LOG" | tail -1 >> "$OUT/summary.txt"
}
phase_devices() {
    local small=()
    unmount_it
    [ -z "$SIMULATE" ] || {
        export LD_LIBRARY_PATH=${DRIVER%/*} GMEMFS_SIM_DEVICES=2x1G GMEMFS_SIM_MACHINE=run$$-two
        MOUNT_OPTIONS=(--simulate) small=(--mib 64 --rounds 1)
    }
    MOUNT_OPTIONS+=(--device all)
    mount_it || return
    check "copies between devices" python_peer devices.py "$MOUNT" "${small[@]}"
    grep '^FIGURE devices: ' "$LOG" | tail -7 >> "$OUT/summary.txt"
    check "loads by the buses of both devices" python_peer loads.py "$MOUNT" "$WORK" "${small[@]}"
    grep '^FIGURE loads: ' "$LOG" | tail -9 >> "$OUT/summary.txt"
    check "copies of a file on other devices" python_peer devices_replicas.py "$MOUNT" "${small[@]}"
    grep -E '^FIGURE devices: (replica|device 1)' "$LOG" | tail -5 >> "$OUT/summary.txt"
    if [ -z "$SIMULATE" ] && "$PYTHON" -c 'import torch' 2> /dev/null; then
        check "kernels over the seams of files on both devices" python_peer devices_seam.py "$MOUNT"
        check "all-reduce by NCCL beside torch's own memory" python_peer devices_nccl.py "$MOUNT"
        grep -E '^FIGURE devices: (seams|all-reduce)' "$LOG" | tail -23 >> "$OUT/summary.txt"
    else
        report SKIP "kernels and all-reduce over two devices" 0 "no GPU, or $PYTHON has no torch"
    fi
    unmount_it
    MOUNT_OPTIONS=("${MOUNT_OPTIONS[@]:0:${#MOUNT_OPTIONS[@]}-2}")
    [ -z "$SIMULATE" ] || { unset LD_LIBRARY_PATH GMEMFS_SIM_DEVICES; MOUNT_OPTIONS=(--simulate=2G) GMEMFS_SIM_MACHINE=run$$; }
}

phase_hosts() {
    local small=()
    unmount_it
    mkdir -p "$WORK/there"
    [ -z "$SIMULATE" ] || { export LD_LIBRARY_PATH=${DRIVER%/*}; small=(--mib 64 --rounds 1 --simulate); }
    mount_it || return
    "$GMEMFS" mount "$WORK/there" "${MOUNT_OPTIONS[@]}" || return
    check "pull between two mounts" python_peer hosts.py "$MOUNT" "$WORK/there" "$GMEMFS" "$WORK" "${small[@]}"
    grep '^FIGURE hosts: ' "$LOG" | tail -5 >> "$OUT/summary.txt"
    "$GMEMFS" umount "$WORK/there"
    unmount_it
    [ -z "$SIMULATE" ] || unset LD_LIBRARY_PATH
}

# More models than the device holds. Each is 1 GiB; memory of the device, 1/1.4 of them packed in host memory.
phase_models() {
    if [ -n "$SIMULATE" ] || ! "$PYTHON" -c 'import torch' 2> /dev/null; then
        report SKIP "many models" 0 "no GPU, or $PYTHON has no torch"
        return
    fi
    unmount_it
    MOUNT_OPTIONS+=(--make-room=host --host-limit=90G)
    mount_it || return
    check "$MODELS models of 1 GiB on one device" python_peer many_models.py "$MOUNT" --models "$MODELS" --minutes "$MINUTES"
    unmount_it
    MOUNT_OPTIONS=("${MOUNT_OPTIONS[@]:0:${#MOUNT_OPTIONS[@]}-2}")
    grep '^{"models"' "$LOG" | tail -1 >> "$OUT/summary.txt"
}

phase_snapshot() { # on $OUT's disk
    local options=()
    [ -z "$SIMULATE" ] || options=(--gib 0.25 --rounds 1)
    if ! "$PYTHON" -c 'import numpy' 2> /dev/null; then
        report SKIP "packed snapshots" 0 "$PYTHON has no numpy"
        return
    fi
    if [ -z "$SIMULATE" ] && [ "$(df --output=avail -m "$OUT" | tail -1)" -lt 40960 ]; then
        report SKIP "packed snapshots" 0 "$OUT has less than 40 GiB"
        return
    fi
    mount_it || return
    GMEMFS=$GMEMFS check "16 GiB saved and restored, plain and packed ($(stat -f -c %T "$OUT"))" \
        "$PYTHON" "$here/snapshot.py" "$MOUNT" "$OUT" "${options[@]}"
    unmount_it
    grep '^{"snapshot_gib"' "$LOG" | tail -1 >> "$OUT/summary.txt"
}

phase_survive() {
    local way
    export GMEMFS_RUNTIME_DIR=$WORK/runtime
    mkdir -p -m 700 "$GMEMFS_RUNTIME_DIR"
    unmount_it
    for way in mount supervisor; do
        check "kill loop: $ROUNDS rounds, way: $way" "$PYTHON" "$here/../mount/survive/kill_loop.py" --rounds "$ROUNDS" \
            --way $way --gmemfs "$GMEMFS" "--options=${MOUNT_OPTIONS[*]:---capacity=16G}"
        grep '^kill_loop:' "$LOG" | tail -1 | tee -a "$OUT/summary.txt"
        check "kill loop with peers: $(((ROUNDS + 1) / 2)) rounds, way: $way" kill_loop_with_peers --way $way
        grep '^kill_loop:' "$LOG" | tail -2 | tee -a "$OUT/summary.txt"
    done
    mount_it || return
    random_file "$WORK/source" "$COPY"
    check "SIGKILL to the server in the middle of a cp of $COPY MiB" cp_through_a_kill
    [ -z "$SIMULATE" ] || export LD_LIBRARY_PATH=${DRIVER%/*}
    if "$PYTHON" -c 'import numpy, cuda.bindings.driver' 2> /dev/null; then
        check "SIGKILL to the server while a peer's kernels write" peer_through_a_kill
    else
        report SKIP "SIGKILL while a peer's kernels write" 0 "$PYTHON has no numpy and cuda.bindings"
    fi
    unset LD_LIBRARY_PATH
    check "SIGKILL to the keeper in the middle of a cp" cp_through_the_keepers_death
    rm -f "$WORK/source"
    unmount_it
    mount_it || return
    mkdir "$MOUNT/saved"
    random_file "$WORK/block" $((SAVED / 4)) # four files of it
    for part in 0 1 2 3; do cp "$WORK/block" "$MOUNT/saved/$part"; done
    for way in "$WORK" "$OUT"; do
        mkdir -p "$way"
        if [ "$(df --output=avail -m "$way" | tail -1)" -lt $((SAVED + SAVED / 8)) ]; then
            report SKIP "save and restore of $SAVED MiB in $way" 0 "too little room"
            continue
        fi
        check "save and restore of $SAVED MiB in $way ($(stat -f -c %T "$way"))" save_and_restore "$way"
    done
    unmount_it
    check "recovery times (tests/bench/run.py recovery)" "$PYTHON" "$here/../bench/run.py" recovery dma \
        --json "$OUT/recovery.json" "${RECOVERY_OPTIONS[@]}"
    grep -a '^FIGURE\|: answered after\| a second: \|^journal over\|pinned' "$LOG" | tail -40 >> "$OUT/summary.txt"
    unset GMEMFS_RUNTIME_DIR
}

# The socket door: neither fio nor a driver of the kernel's is needed.
phase_block() {
    local rounds=5 kills=40 servers=4 parts=64
    [ -z "$SIMULATE" ] || rounds=1 kills=5 servers=1 parts=6
    unmount_it
    check "a disk's rates (tests/bench/run.py block)" "$PYTHON" "$here/../bench/run.py" block --json "$OUT/block.json" \
        --tmpfs "$WORK" "${BENCH_OPTIONS[@]}" --rounds $rounds
    check "batches of small copies" "$(program small_copies)" --driver "$DRIVER" --seconds 0.2
    [ -n "$SIMULATE" ] || check "the same beside another process's kernels" "$(program small_copies)" --seconds 0.2 --beside-work
    mount_it || return
    check "$kills SIGKILLs to a disk's worker, every block checked" "$PYTHON" "$here/block_kills.py" "$MOUNT" \
        --rounds $kills --servers $servers --gmemfs "$GMEMFS" --load "$(program nbd_load)"
    check "the same of a thin disk" "$PYTHON" "$here/block_kills.py" "$MOUNT" --thin --size $((192 << 20)) \
        --rounds $((kills / 4 + 1)) --servers 1 --gmemfs "$GMEMFS" --load "$(program nbd_load)"
    check "a thin disk takes and gives back $((rounds * parts)) parts" "$PYTHON" "$here/block_thin.py" "$MOUNT" \
        --parts $parts --rounds $rounds --gmemfs "$GMEMFS"
    unmount_it
    grep -a '^block, \|^small copies\|^{"blocks_written"\|^{"thin_parts"' "$LOG" | tee -a "$OUT/summary.txt"
}

pool_route() { # pool_route ROUTE: blocks of each kind, whose bytes are right, and a file for each
    "$GMEMFS" run --pool "$MOUNT/pool" "$(program pool/program)" "$1" alloc=1000000 write=7 range attributes info read=7 \
        async=4096 write=8 create=0x4000000 write=9 read=9 alloc=40000000 write=5 read=5 free free free-async read=7 free twice=500
}
pool_share() { # a block of one process in another one, by its legacy handle
    local handle
    coproc FIRST { exec "$GMEMFS" run --pool "$MOUNT/pool" "$(program pool/program)" needed alloc=3000 write=7 share wait read=8; }
    local first=$FIRST_PID
    read -r -t 60 handle <&"${FIRST[0]}" || return
    echo "$handle" | "$GMEMFS" run --pool "$MOUNT/pool" "$(program pool/program)" needed import read=7 write=8 close | tee /dev/stderr |
        grep -q '^imported 3000$' || return
    echo >&"${FIRST[1]}"
    wait "$first"
}
phase_pool() {
    local route name
    mount_it || return
    for route in needed unversioned namespace address-12000 address-thread address-11030; do
        check "gmemfs run, the driver by: $route" pool_route $route
    done
    check "gmemfs run: a block in another process" pool_share
    check "gmemfs run: NVML with --limit" "$PYTHON" "$here/pool.py" "$GMEMFS" "$MOUNT/pool" limit
    for name in torch torch-shared cupy jax numba; do
        if [ -n "$SIMULATE" ] || ! "$PYTHON" -c "import ${name%-*}" 2> /dev/null; then
            report SKIP "gmemfs run: $name" 0 "no GPU, or $PYTHON has no $name"
        else
            check "gmemfs run: $name" "$PYTHON" "$here/pool.py" "$GMEMFS" "$MOUNT/pool" $name
        fi
    done
    if [ -n "$SIMULATE" ] || ! "$PYTHON" -c "import torch" 2> /dev/null; then
        report SKIP "gmemfs run --keep: a tensor of a killed program" 0 "no GPU, or $PYTHON has no torch"
    else
        check "gmemfs run --keep: a tensor of a killed program" python_peer pool_kept.py "$GMEMFS" "$MOUNT/kept"
    fi
    grep '^{"framework"\|^{"pool_kept"\|^microseconds' "$LOG" >> "$OUT/summary.txt"
    unmount_it
    check "what gmemfs run costs (tests/bench/run.py pool)" "$PYTHON" "$here/../bench/run.py" pool "${BENCH_OPTIONS[@]}"
    grep '^/bin/true\|^an extent\|^cuMemAlloc\|blocks: a place' "$LOG" | tail -11 >> "$OUT/summary.txt"
}
pool_check() { # pool_check WHAT SCRIPT ARGUMENT...: its figures go into the summary
    local what=$1 told status
    shift
    told=$(wc -l < "$LOG")
    as_peer check "$what" "$PYTHON" "$here/$1" "${@:2}"
    status=$?
    tail -n +$((told + 1)) "$LOG" | grep -E '^(FIGURE|CASE|SKIP [^ ]|GiB, peaks|(native|expandable segments|no cache)[ ,])' |
        tee -a "$OUT/summary.txt"
    return $status
}
pool_calls() { # pool_calls ARGUMENT...: the whole of each call, as a program sees it
    "$GMEMFS" run --pool "$MOUNT/calls" "$(program pool_calls)" "$@" > "$WORK/calls" && "$PYTHON" - "$WORK/calls" << 'END'
import json, sys
told = json.load(open(sys.argv[1]))
for call in ("allocate", "free"):
    for share in ("median", "99", "99.9", "most"):
        asked = ["<= 1", "PASS" if told[call][share] <= 1000 else "MISS"] if (call, share) == ("allocate", "99.9") else []
        name = f"{told['blocks']:,} blocks, {call}, {share}" + ("" if share in ("median", "most") else " %")
        print(f"FIGURE {name:<58} {told[call][share] / 1000:>14,.4f} us    ", *asked)
    print(f"FIGURE {call + ', share of calls under 1 us':<58} {told[call]['under_us']:>14,.6f}")
END
}
phase_pool_torch() {
    mount_it || return
    [ -z "$SIMULATE" ] || export LD_LIBRARY_PATH=${DRIVER%/*}
    pool_check "gmemfs run: the same results, nothing left" pool_cases.py "$MOUNT/cases" ${SIMULATE:+bindings}
    pool_check "gmemfs run: du beside NVML's figure" pool_du.py "$MOUNT/du"
    if [ -n "$SIMULATE" ] || ! "$PYTHON" -c 'import torch' 2> /dev/null; then
        report SKIP "gmemfs.torch: a pool in files, a model in a file" 0 "no GPU, or $PYTHON has no torch"
    else
        rm -rf "$MOUNT"/*
        pool_check "gmemfs.torch: a pool in files, a model in a file" torch_modules.py "$MOUNT"
    fi
    unset LD_LIBRARY_PATH
    unmount_it
}
phase_pool_bench() {
    local calls=() rounds=5
    [ -z "$SIMULATE" ] || { export LD_LIBRARY_PATH=${DRIVER%/*}; calls=(60000 0x4000 100000) rounds=0; }
    mount_it || return
    check "calls beside 60,000 blocks" pool_calls "${calls[@]}"
    grep '^FIGURE .* blocks, \|^FIGURE .*share of calls' "$LOG" | tail -10 | tee -a "$OUT/summary.txt"
    pool_check "gmemfs run: training, decoding, starts, memory" pool_rates.py "$MOUNT/rates" --rounds $rounds \
        --program "$(program pool/program)"
    if [ -n "$SIMULATE" ] || ! "$PYTHON" -c 'import torch' 2> /dev/null; then
        report SKIP "gmemfs run: fragmentation" 0 "no GPU, or $PYTHON has no torch"
    else
        pool_check "gmemfs run: fragmentation" pool_fragments.py "$MOUNT/fragments"
    fi
    unset LD_LIBRARY_PATH
    unmount_it
}

phase_bench() {
    unmount_it
    check "figures (tests/bench/run.py)" "$PYTHON" "$here/../bench/run.py" --json "$OUT/bench.json" \
        --tmpfs "$WORK" "${BENCH_OPTIONS[@]}"
    sed -n '/^--- figures/,$p' "$LOG" | grep -v '^---\|^PASS\|^FAIL' >> "$OUT/summary.txt"
}

: > "$OUT/summary.txt"
began=$(now)
for phase in "${PHASES[@]}"; do
    say "== $phase"
    if ! declare -F "phase_$phase" > /dev/null; then
        report FAIL "no phase '$phase'" 0
        continue
    fi
    "phase_$phase"
done
unmount_it
printf '\n==== summary\n'
cat "$OUT/summary.txt"
say "$(grep -c ^PASS "$OUT/summary.txt") passed, $failures failed, $(grep -c ^SKIP "$OUT/summary.txt") skipped," \
    "$(since "$began") s; log: $LOG"
[ "$failures" = 0 ]
