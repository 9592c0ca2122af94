#!/usr/bin/env bash
# build: gmemfs once more, against the libfuse of another suite of Debian, unpacked beside this system's and never into it.
#
#   tests/libfuse/build.sh SUITE    trixie (3.17), sid (3.18 and later): $BUILD/libfuse/SUITE/gmemfs
#
# Debian's source package, by the mirror that this machine's apt uses, with lists and cache of its own; built here,
# because a newer suite's binary wants a newer glibc; with meson's defaults, as Debian does: so from 3.18.3 on without
# custom I/O. What doesn't include libfuse isn't compiled again, but linked from $BUILD, which `make` has filled.
# What is there already is kept. Exit 77: it can't be had here, with a line that says why.
set -eu
cd "$(dirname "$0")/../.."

suite=$1
build=${BUILD:-build}
place=$PWD/$build/libfuse/$suite
prefix=$place/prefix
log=$place/log

skip() { echo "skip: libfuse of $suite: $*"; exit 77; }
quietly() { "$@" >> "$log" 2>&1 || { tail -n 20 "$log"; echo "failed: $*"; exit 1; }; }

fetch() {
    local mirror keys=/usr/share/keyrings/debian-archive-keyring.gpg program
    for program in apt-get dpkg-source meson ninja; do
        command -v "$program" > /dev/null || skip "no $program here"
    done
    mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Label: Debian' | head -n 1)
    [ -n "$mirror" ] || skip "apt knows no mirror of Debian here"
    [ -e "$keys" ] || skip "no $keys"
    mkdir -p "$place/apt/lists/partial" "$place/apt/cache/archives/partial"
    echo "deb-src [signed-by=$keys] $mirror $suite main" > "$place/apt/sources.list"
    local apt=(apt-get -q -o Dir::Etc::sourcelist="$place/apt/sources.list" -o Dir::Etc::sourceparts=-
               -o Dir::State::lists="$place/apt/lists" -o Dir::Cache="$place/apt/cache" -o APT::Sandbox::User="$(id -un)")
    "${apt[@]}" update >> "$log" 2>&1 || skip "its list of packages can't be had from $mirror"
    (cd "$place" && "${apt[@]}" --download-only source fuse3 >> "$log" 2>&1) || skip "fuse3 can't be had from $mirror"
    rm -rf "$place/apt" "$place/source"
    quietly dpkg-source --no-check -x "$place"/fuse3_*.dsc "$place/source"
}

mkdir -p "$place"
if [ ! -e "$prefix/done" ]; then
    : > "$log"
    fetch
    rm -rf "$place/meson"
    quietly meson setup "$place/meson" "$place/source" --prefix="$prefix" --libdir=lib --buildtype=debugoptimized \
        -Ddefault_library=shared -Dutils=false -Dexamples=false -Dtests=false -Duseroot=false
    quietly meson install -C "$place/meson"
    rm -rf "$place/obj" "$place/meson" "$place/source"
    touch "$prefix/done"
fi

# Objects are linked where the compiler has seen no header of libfuse.
(cd "$build/obj" && find vmm ecc client fuse tools -name '*.o') | while read -r object; do
    mkdir -p "$place/obj/$(dirname "$object")"
    dependencies=$build/obj/${object%.o}.d
    if [ -e "$dependencies" ] && grep -q '/fuse_lowlevel\.h' "$dependencies"; then
        [ ! -L "$place/obj/$object" ] || rm "$place/obj/$object"
        continue
    fi
    ln -sf "$PWD/$build/obj/$object" "$place/obj/$object"
done
mkdir -p "$place/sim"
ln -sf "$PWD/$build/sim/libcuda.so.1" "$place/sim/libcuda.so.1"
for file in "$build"/checked "$build"/lib{vmm,core}.a; do ln -sf "$PWD/$file" "$place/"; done
export PKG_CONFIG_PATH=$prefix/lib/pkgconfig${PKG_CONFIG_PATH:+:$PKG_CONFIG_PATH} LDFLAGS=-Wl,-rpath,$prefix/lib
quietly make -j"$(nproc)" --no-print-directory BUILD="$build/libfuse/$suite" OPTIMIZE=-O0 "$build/libfuse/$suite/gmemfs"
"$place/gmemfs" version | grep libfuse
