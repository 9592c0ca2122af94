#!/usr/bin/env bash
# bundle: build/bundle, to run on a GPU machine that has only a driver: programs, tests, and the libraries they need; and
# the same as build/bundle.tar.xz, to carry there (`tar xf`, or Python's tarfile where there is no xz).
#
#     bin/        gmemfs, gmemfs-block, unit-tests, conformance-tests, test-client, sim/, bench/, getfattr, setfattr, nbdkit
#     lib/        shared libraries that such a machine lacks, found by a relative rpath; libgmemfs.so
#     python/     the package gmemfs, for pip install or PYTHONPATH
#     tests/      gpu/run.sh (start here), bench/run.py, the Python peers
#
# What belongs to the system's C and C++ runtime and to the driver is left out: another one's would not work.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
BUILD=${BUILD:-build}
out=$BUILD/bundle
readonly LEFT_OUT='^(ld-linux.*|libc|libm|libdl|libpthread|librt|libresolv|libutil|libstdc\+\+|libgcc_s|libcuda)\.so'
readonly LARGEST_MIB=60

command -v patchelf > /dev/null || { echo "bundle: patchelf is missing: make deps, or apt-get install patchelf" >&2; exit 1; }
rm -rf "$out"
mkdir -p "$out"/bin/sim "$out"/bin/bench "$out"/lib "$out"/tests

for program in gmemfs gmemfs-block nbdkit-gmemfs-plugin.so unit-tests conformance-tests test-client parity-tests pack-tests batch-tests \
    client/c_test client/cpp_test client/endings; do
    if [ -x "$BUILD/$program" ]; then cp "$BUILD/$program" "$out/bin/"; fi
done
cp "$BUILD/sim/libcuda.so.1" "$BUILD/sim/libnvidia-ml.so.1" "$out/bin/sim/"
cp -P "$BUILD"/libgmemfs.so* "$out/lib/"
cp "$BUILD"/libgmemfs-{pool,nvml,door}.so "$out/bin/" # beside gmemfs, which looks for them there
mkdir -p "$out/bin/pool" "$out/python"
cp "$BUILD/pool/program" "$out/bin/pool/"
cp -r client/python/gmemfs client/python/backend client/python/pyproject.toml "$out/python/"
for program in "$BUILD"/bench/*; do
    case $program in *.d | *'*') continue ;; esac
    cp "$program" "$out/bin/bench/"
done
for program in getfattr setfattr nbdkit; do
    path=$(command -v $program) && cp "$path" "$out/bin/"
done
# What block devices are measured beside; nbdkit takes a plugin by its path.
plugins=$(nbdkit --dump-config 2> /dev/null | sed -n 's/^plugindir=//p')
[ -z "$plugins" ] || cp "$plugins/nbdkit-memory-plugin.so" "$out/bin/"
for folder in gpu bench; do
    if [ -d tests/$folder ]; then cp -r tests/$folder "$out/tests/"; fi
done
mkdir -p "$out/tests/mount/survive"
cp tests/mount/fsx.py "$out/tests/mount/"
cp tests/mount/survive/kill_loop.py "$out/tests/mount/survive/"
mkdir -p "$out/tests/mount/cold"
cp tests/mount/cold/control.py "$out/tests/mount/cold/"
mkdir -p "$out/tests/mount/hosts"
cp tests/mount/hosts/start_sshd.py "$out/tests/mount/hosts/"
mkdir -p "$out/tests/mount/peers"
cp tests/mount/peers/lives.py "$out/tests/mount/peers/"
rm -f "$out"/tests/bench/*.cpp

libraries() { # the files that a program needs, less those of every system
    ldd "$1" | awk '$2 == "=>" && $3 ~ /^\// { print $3 }' | while read -r library; do
        [[ $(basename "$library") =~ $LEFT_OUT ]] || echo "$library"
    done
}
for program in "$out"/bin/* "$out"/bin/bench/*; do
    if [ -f "$program" ]; then libraries "$program"; fi
done | sort -u | while read -r library; do cp -L "$library" "$out/lib/"; done

for program in "$out"/bin/*; do if [ -f "$program" ]; then patchelf --set-rpath '$ORIGIN/../lib' "$program"; fi; done
for program in "$out"/bin/bench/*; do if [ -f "$program" ]; then patchelf --set-rpath '$ORIGIN/../../lib' "$program"; fi; done
for library in "$out"/lib/*; do patchelf --set-rpath '$ORIGIN' "$library"; done
find "$out/bin" "$out/lib" -type f -exec strip --strip-unneeded {} +

# nvCOMP, where `make deps-nvcomp` has fetched it: for batches and packing by it.
nvcomp=.nvcomp/nvidia/libnvcomp/lib64/libnvcomp.so.6
if [ -e "$nvcomp" ]; then cp -L "$nvcomp" "$out/lib/"; fi

archive=$BUILD/bundle.tar.xz
tar --create --file "$archive" --use-compress-program='xz --threads=0' --directory "$BUILD" --exclude=__pycache__ bundle
size=$(du -sm "$archive" | cut -f 1)
echo "bundle: $out, and $archive of $size MiB; on the machine with a GPU: $out/tests/gpu/run.sh"
[ "$size" -le "$LARGEST_MIB" ] || { echo "bundle: the archive is larger than $LARGEST_MIB MiB" >&2; exit 1; }
