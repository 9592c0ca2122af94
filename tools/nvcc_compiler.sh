#!/usr/bin/env bash
# nvcc compiler: the C++ compiler that nvcc takes for its host code, which is often older than the machine's own.
#
#   tools/nvcc_compiler.sh NVCC CXX      prints CXX, or else a g++ or clang++ that is here and works; exits 1 where none does
#   tools/nvcc_compiler.sh --newest NVCC prints the number of the newest g++ that NVCC knows
#
# It tries, because a version that nvcc knows may still fail on the C library's headers.
set -eu

[ "$1" != --newest ] || exec awk '/^#if __GNUC__ > [0-9]+/ { print $3; exit }' "$(dirname "$2")/../include/crt/host_config.h"

nvcc=$1 cxx=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
echo 'extern "C" __global__ void nothing() {}' > "$work/nothing.cu"
for compiler in "$cxx" g++ g++-{16..11} clang++ clang++-{22..14}; do
    command -v "${compiler##* }" > /dev/null || continue
    if "$nvcc" -ccbin "$compiler" -std=c++20 -fatbin -o "$work/nothing" "$work/nothing.cu" 2> "$work/said" > /dev/null; then
        echo "$compiler"
        exit 0
    fi
    cat "$work/said" >> "$work/all"
done
{
    echo "nvcc_compiler: $nvcc takes no C++ compiler that is here: $(grep -m 1 -i error "$work/all" || head -n 1 "$work/all")"
    echo "nvcc_compiler: the build goes on without device kernels (parity, digests); for these install" \
        "g++-$("$0" --newest "$nvcc"), or set NVCC_CCBIN="
} >&2
exit 1
