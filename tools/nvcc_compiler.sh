#!/usr/bin/env bash
# nvcc compiler: the C++ compiler that nvcc takes for its host side, where it may be that it takes no new one.
#
#   tools/nvcc_compiler.sh CXX NVCC [FLAG...]   prints CXX, or else a g++ or clang++ that is here and works; exits 1 where none does
#
# It tries: a compiler whose version nvcc knows may still fail on the C library's headers.
set -eu
cxx=$1
shift
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
printf '#include <cstdint>\nextern "C" __global__ void nothing() {}\n' > "$work/nothing.cu"
for compiler in "$cxx" g++ g++-{16..11} clang++ clang++-{22..14}; do
    command -v "$compiler" > /dev/null || continue
    if "$@" -ccbin "$compiler" -std=c++20 -fatbin -o "$work/nothing" "$work/nothing.cu" 2>> "$work/said" > /dev/null; then
        echo "$compiler"
        exit 0
    fi
done
{
    echo "nvcc_compiler: $1 takes no C++ compiler that is here: $(grep -m 1 -i error "$work/said" || head -n 1 "$work/said")"
    echo "nvcc_compiler: the build goes on without device kernels (parity, digests); for these install an older g++ (g++-13)," \
        "or set NVCC_CCBIN= or NVCC="
} >&2
exit 1
