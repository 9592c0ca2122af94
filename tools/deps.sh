#!/usr/bin/env bash
# deps: what gmemfs is built and tested with, by the names of Debian (12, 13, sid) and Ubuntu 24.04.
#
#   tools/deps.sh install-programs  installs what is missing to build and show the programs (`make demo`), nothing else
#   tools/deps.sh install           what the tests need, too; both are quick, and without the network, when nothing is missing
#   tools/deps.sh install-suites    what tests/suites needs besides
#   tools/deps.sh install-nvcomp    nvCOMP, by which a GPU packs batches of pages, into .nvcomp/; nothing needs it
#   tools/deps.sh install-nixl      NIXL, by which files travel between hosts past ssh, into .nixl/; nothing needs it
#   tools/deps.sh check             says what is missing
#   tools/deps.sh check-build       says what is missing to compile, and exits 1 for what is needed
#
# Packages come from apt-get (as root, or by sudo). CUDA's headers and compiler come from a toolkit that is installed
# ($CUDA_HOME, $NVCC: the Makefile looks for them), else from NVIDIA's wheels on PyPI, into .cuda/. Python's test
# packages go into .venv/, because Debian's own Python is managed by apt (PEP 668). Before anything is installed one line
# says all that will be.
set -eu
cd "$(dirname "$0")/.."

BUILD_PACKAGES="g++ make pkg-config libfuse3-dev libglib2.0-dev nlohmann-json3-dev zlib1g-dev libssl-dev liburing-dev
                liblz4-dev libzstd-dev"
SHOW_PACKAGES="fuse3 attr"
# Every command that a test starts is in one of these, or in what debootstrap calls minbase: tests/fresh/run.sh looks.
TEST_PACKAGES="libgtest-dev libbenchmark-dev openssl procps acl e2fsprogs util-linux-extra fio git python3 python3-venv
               meson ninja-build dpkg-dev"
# For developers, and for some tests. Where one can't be had, the checks that need it are skipped, and say so. Another clang-format formats
# otherwise (19 would change 21 lines), so for a check no other is installed.
OPTIONAL_PACKAGES="clang-format-14 valgrind patchelf lz4 zstd nbdkit nbdkit-plugin-dev libnbd-bin python3-libnbd
                   qemu-system-x86 binutils"
SUITES_PACKAGES="git fio stress-ng dbench sqlite3 autoconf automake libtool-bin m4 libacl1-dev libattr1-dev
                 libaio-dev libcap-dev uuid-dev xfslibs-dev"
CUDA_WHEELS="nvidia-cuda-runtime==13.0.* nvidia-cuda-nvcc==13.0.* nvidia-nvvm==13.0.* nvidia-cuda-crt==13.0.*
             nvidia-cuda-cccl==13.0.*"
NVCOMP_WHEEL="nvidia-libnvcomp-cu13==6.0.0.12"
NIXL_WHEEL="nixl-cu13==1.5.1"
PYTHON_PACKAGES="pytest numpy cuda-bindings==13.0.* reedsolo safetensors==0.8.0 ml_dtypes"
TOOLKIT="CUDA 12.3 or later (https://developer.nvidia.com/cuda-downloads: cuda-cudart-dev and cuda-nvcc), and set CUDA_HOME"
CUDA_HOME=${CUDA_HOME:-}
NVCC=${NVCC:-}

say() { printf 'deps: %s\n' "$*" >&2; }

missing_packages() {
    command -v dpkg-query >/dev/null || return 0
    local package
    for package in "$@"; do
        [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || printf '%s ' "$package"
    done
}

cuda_version() { awk '/^.define CUDA_VERSION/ { print $3; exit }' "$1/include/cuda.h" 2>/dev/null || true; }
has_cuda_header() { [ -n "$CUDA_HOME" ] && [ "$(cuda_version "$CUDA_HOME")" -ge 12030 ] 2>/dev/null; }
has_python_packages() { .venv/bin/python -c 'import pytest, numpy, cuda.bindings.driver, reedsolo, safetensors, ml_dtypes' 2>/dev/null; }

# announce PACKAGES FROM_PYPI: one line for both, and none where neither is missing.
announce() {
    local packages
    packages=$(missing_packages $1)
    [ -z "$packages$2" ] || say "about to install ${packages:+$packages(apt-get)${2:+, }}$2"
}
missing_cuda() {
    has_cuda_header || [ -n "$CUDA_HOME" ] || echo "CUDA's headers and nvcc (PyPI, into .cuda/:" $CUDA_WHEELS")"
}
missing_python() { has_python_packages || echo "$PYTHON_PACKAGES (PyPI, into .venv/)"; }
both() { echo "$1${2:+${1:+, }$2}"; }

say_packages() {
    if command -v apt-get >/dev/null; then
        say "missing packages: $*"
        say "install them with: apt-get install $*   (or run 'make deps' as root)"
    else
        say "this is neither Debian nor Ubuntu: install what these packages hold: $BUILD_PACKAGES $SHOW_PACKAGES $TEST_PACKAGES"
    fi
}

# Python's own tests: a package a version.
python_tests_package() { /usr/bin/python3 -c 'import sys; print("libpython%d.%d-testsuite" % sys.version_info[:2])'; }

can_be_root() { [ "$(id -u)" = 0 ] || { command -v sudo >/dev/null && sudo -n true 2>/dev/null; }; }
as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }
apt_install() { as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@"; }

install_packages() {
    local missing
    missing=$(missing_packages "$@")
    [ -n "$missing" ] || return 0
    if ! command -v apt-get >/dev/null || ! can_be_root; then
        say_packages $missing
        return 1
    fi
    as_root apt-get update -qq || say "apt-get update failed; trying with the lists that are here"
    apt_install $missing
}

# Once in a clone, and when the list has changed: what can't be had by name isn't asked for again each time.
OPTIONAL_ASKED=build/optional-packages
asked_before() { [ "$(cat "$OPTIONAL_ASKED" 2>/dev/null)" = "$OPTIONAL_PACKAGES" ]; }
install_optional() {
    local name missing
    can_be_root && ! asked_before || return 0
    mkdir -p "${OPTIONAL_ASKED%/*}" && printf '%s\n' "$OPTIONAL_PACKAGES" > "$OPTIONAL_ASKED"
    missing=$(missing_packages $OPTIONAL_PACKAGES)
    [ -n "$missing" ] || return 0
    as_root apt-get update -qq > /dev/null 2>&1 || true
    for name in $missing; do
        { apt-cache show "$name" && apt_install "$name"; } > /dev/null 2>&1 || say "no package $name: what needs it is skipped"
    done
}

install_test_packages() {
    install_packages $TEST_PACKAGES && install_optional
}

make_venv() {
    [ -x .venv/bin/pip ] || { install_packages python3 python3-venv && python3 -m venv .venv; }
}

install_cuda() {
    has_cuda_header && return 0
    if [ -n "$CUDA_HOME" ]; then
        say "CUDA_HOME=$CUDA_HOME has no include/cuda.h of CUDA 12.3 or later; unset it, or install $TOOLKIT"
        return 1
    fi
    if ! { make_venv && .venv/bin/pip install -q --no-deps --upgrade --target .cuda $CUDA_WHEELS; }; then
        say "PyPI can't be reached, so the driver API's header is missing. Install $TOOLKIT"
        return 1
    fi
    chmod +x .cuda/nvidia/cu13/bin/* .cuda/nvidia/cu13/nvvm/bin/* 2>/dev/null || true
}

install_python() {
    has_python_packages && return 0
    if ! { make_venv && .venv/bin/pip install -q $PYTHON_PACKAGES; }; then
        say "PyPI can't be reached: the Python tests will fail. Put into .venv/: $PYTHON_PACKAGES"
    fi
}

check_build() {
    local status=0 pair
    for pair in fuse3:libfuse3-dev glib-2.0:libglib2.0-dev gio-unix-2.0:libglib2.0-dev zlib:zlib1g-dev liburing:liburing-dev \
        libcrypto:libssl-dev liblz4:liblz4-dev libzstd:libzstd-dev; do
        if ! command -v pkg-config >/dev/null; then
            say "pkg-config is missing: install the package pkg-config, or run 'make deps'"
            status=1
            break
        fi
        pkg-config --exists "${pair%%:*}" && continue
        say "pkg-config doesn't know ${pair%%:*}: install the package ${pair##*:}, or run 'make deps'"
        status=1
    done
    if ! has_cuda_header; then
        say "no cuda.h of CUDA 12.3 or later${CUDA_HOME:+ in CUDA_HOME=$CUDA_HOME}: run 'make deps', or install $TOOLKIT"
        status=1
    elif [ -z "$NVCC" ]; then
        say "no nvcc beside $CUDA_HOME/include/cuda.h: device kernels are left out (a GPU can't run them);"
        say "the filesystem, the simulator and the tests are built all the same. It comes with the toolkit's package cuda-nvcc."
    fi
    return $status
}

check() {
    local missing status=0
    missing=$(missing_packages $BUILD_PACKAGES $SHOW_PACKAGES $TEST_PACKAGES)
    if [ -n "$missing" ]; then
        say_packages $missing
        status=1
    fi
    has_python_packages || say "no Python packages for the tests in .venv/ ($PYTHON_PACKAGES): run 'make deps'"
    check_build || status=1
    [ $status = 0 ] && say "nothing that the build needs is missing"
    return $status
}

install_nixl() { make_venv && .venv/bin/pip install -q --no-deps --upgrade --target .nixl $NIXL_WHEEL; }

install_programs() { install_packages $BUILD_PACKAGES $SHOW_PACKAGES && install_cuda; }

case "${1:-}" in
install-programs)
    cuda=$(missing_cuda)
    announce "$BUILD_PACKAGES $SHOW_PACKAGES ${cuda:+python3 python3-venv}" "$cuda"
    install_programs
    ;;
install)
    asked_before && optional="" || optional=$OPTIONAL_PACKAGES
    announce "$BUILD_PACKAGES $SHOW_PACKAGES $TEST_PACKAGES $optional" "$(both "$(missing_cuda)" "$(missing_python)")"
    install_programs && install_test_packages && install_python
    [ -e .nixl ] || install_nixl || say "no $NIXL_WHEEL: what needs it is skipped"
    ;;
install-suites)
    announce "$SUITES_PACKAGES $(python_tests_package)" ""
    install_packages $SUITES_PACKAGES "$(python_tests_package)"
    ;;
install-nvcomp)
    announce "python3 python3-venv" "$NVCOMP_WHEEL (PyPI, into .nvcomp/)"
    make_venv && .venv/bin/pip install -q --no-deps --upgrade --target .nvcomp $NVCOMP_WHEEL
    ;;
install-nixl)
    announce "python3 python3-venv" "$NIXL_WHEEL (PyPI, into .nixl/)"
    install_nixl
    ;;
check) check ;;
check-build) check_build ;;
*) say "usage: tools/deps.sh install-programs|install|install-suites|install-nvcomp|install-nixl|check|check-build" && exit 2 ;;
esac
