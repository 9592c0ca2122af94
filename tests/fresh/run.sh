#!/usr/bin/env bash
# Fresh machines: both commands of the README in a new minimal Debian or Ubuntu, with nothing but git, make and ca-certificates.
#
#   tests/fresh/run.sh [--suites "unit mount"] [--bare] [--keep] [bookworm|trixie|sid|noble...]
#
# For each (bookworm, trixie and sid where none is named): debootstrap's minbase, a clean clone of what is committed here,
# `make demo`, `make test`, and a line for the table in docs/fresh.md. Exits 1 if anything failed; what was skipped is told.
# --suites chooses suites of `make test`. --bare is the worst place that still is one: no /sys, no /etc/mtab (systemd or
# Docker makes that), / is no mount point, and the tree lies where nobody but root may look. --keep leaves the systems in
# place, and says where.
#
# Needs root and debootstrap. Packages come from the mirror that this machine's apt uses, PyPI's by its pip's configuration
# and certificates; what was downloaded is kept under ${XDG_CACHE_HOME:-~/.cache}/gmemfs-fresh. Logs: build/fresh/NAME.log.
# All runs in name spaces of its own: its mounts and processes end with it, whatever happens.
set -euo pipefail
ROOT=$(cd "$(dirname "$0")/../.." && pwd)
CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/gmemfs-fresh
LOGS=$ROOT/build/fresh

say() { printf 'fresh: %s\n' "$*"; }
give_up() { say "$*" >&2; exit 1; }

if [ "${GMEMFS_FRESH_INSIDE:-}" != yes ]; then
    [ "$(id -u)" = 0 ] || give_up "needs root: debootstrap, chroot and mount do"
    command -v debootstrap > /dev/null || give_up "no debootstrap: install the package debootstrap"
    exec env GMEMFS_FRESH_INSIDE=yes unshare --mount --propagation private --pid --fork --kill-child "$0" "$@"
fi

SUITES="" BARE="" KEEP="" NAMES=()
while [ $# -gt 0 ]; do
    case $1 in
    --suites) SUITES=$2; shift ;;
    --bare) BARE=yes ;;
    --keep) KEEP=yes ;;
    -*) give_up "usage: tests/fresh/run.sh [--suites WORDS] [--bare] [--keep] [bookworm|trixie|sid|noble...]" ;;
    *) NAMES+=("$1") ;;
    esac
    shift
done
[ ${#NAMES[@]} -gt 0 ] || NAMES=(bookworm trixie sid)

work=$(mktemp -d /var/tmp/gmemfs-fresh-XXXXXX)
chmod 755 "$work"
clean_up() {
    [ -n "$KEEP" ] && say "kept: $work" && return
    grep -o " $work/[^ ]*" /proc/self/mounts | sort -r | xargs -r umount -l || true
    rm -rf --one-file-system "$work"
}
trap clean_up EXIT
mkdir -p "$LOGS" "$CACHE/pip"

# mirror LABEL: where this machine's apt gets packages of that label from; nothing where it knows none.
mirror() {
    apt-get indextargets --format '$(LABEL) $(REPO_URI)' 'Created-By: Packages' | awk -v label="$1" '$1 == label { print $2; exit }'
}
label_of() { case $1 in focal | jammy | noble | plucky | questing | resolute) echo Ubuntu ;; *) echo Debian ;; esac; }
# What debootstrap calls a script; an older one knows no newer name, and does all of a kind alike.
script_of() {
    if [ -e "/usr/share/debootstrap/scripts/$1" ]; then echo "$1"; elif [ "$(label_of "$1")" = Ubuntu ]; then echo gutsy; else echo sid; fi
}

# make_system NAME FOLDER: a minimal system, told what this machine knows of the network.
make_system() {
    local name=$1 folder=$2 uri setting
    uri=$(mirror "$(label_of "$name")")
    for setting in http https; do
        eval "$(apt-config shell "${setting}_proxy" "Acquire::$setting::Proxy")"
        export "${setting}_proxy"
    done
    mkdir -p "$CACHE/$name"
    debootstrap --variant=minbase --include=git,make,ca-certificates --cache-dir="$CACHE/$name" \
        "$name" "$folder" "$uri" "$(script_of "$name" | sed 's,^,/usr/share/debootstrap/scripts/,')" || return 1
    apt-config dump | grep -E '^Acquire::(http|https|Check|Retries|ForceIP)[^ ]* ' > "$folder/etc/apt/apt.conf.d/90machine" || true
    cp /etc/resolv.conf /etc/hosts "$folder/etc/"
    cp /etc/ssl/certs/ca-certificates.crt "$folder/etc/ssl/certs/"
    python3 -m pip config list 2> /dev/null |
        sed -nE "s/^global\.([a-z-]+)='(.*)'\$/\1 = \2/p" | sed '1i[global]' > "$folder/etc/pip.conf" || true
    if [ -z "$BARE" ]; then mount --bind "$folder" "$folder"; fi
    mount -t proc proc "$folder/proc"
    mount -t tmpfs -o mode=755 tmpfs "$folder/dev"
    mknod -m 666 "$folder/dev/null" c 1 3
    mknod -m 666 "$folder/dev/zero" c 1 5
    mknod -m 666 "$folder/dev/full" c 1 7
    mknod -m 666 "$folder/dev/random" c 1 8
    mknod -m 666 "$folder/dev/urandom" c 1 9
    mknod -m 666 "$folder/dev/tty" c 5 0
    mknod -m 666 "$folder/dev/fuse" c 10 229
    ln -s /proc/self/fd "$folder/dev/fd"
    ln -s fd/0 "$folder/dev/stdin"
    ln -s fd/1 "$folder/dev/stdout"
    ln -s fd/2 "$folder/dev/stderr"
    ln -s pts/ptmx "$folder/dev/ptmx"
    mkdir "$folder/dev/pts" "$folder/dev/shm" "$folder/root/.cache"
    mount -t devpts -o newinstance,ptmxmode=666,mode=620 devpts "$folder/dev/pts"
    mount -t tmpfs -o mode=1777 tmpfs "$folder/dev/shm"
    if [ -z "$BARE" ]; then
        mount -t sysfs sysfs "$folder/sys"
        ln -s /proc/self/mounts "$folder/etc/mtab"
    fi
    mount --bind "$CACHE/$name" "$folder/var/cache/apt/archives"
    mkdir "$folder/root/.cache/pip"
    mount --bind "$CACHE/pip" "$folder/root/.cache/pip"
    git clone -q "file://$ROOT" "$folder$TREE" || return 1
}

# inside FOLDER COMMAND...: with a newcomer's environment and nothing of this machine's.
inside() {
    local folder=$1
    shift
    env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TERM=dumb \
        ${http_proxy:+http_proxy="$http_proxy"} ${https_proxy:+https_proxy="$https_proxy"} \
        chroot "$folder" sh -c "cd $TREE && $*" < /dev/null
}

# step FOLDER NAME COMMAND: into the log; says its last line and its time.
step() {
    local folder=$1 name=$2 start=$SECONDS status=0
    shift 2
    echo "==== $*" >> "$LOGS/$name.log"
    inside "$folder" "$*" >> "$LOGS/$name.log" 2>&1 || status=$?
    last=$(tail -n 1 "$LOGS/$name.log") seconds=$((SECONDS - start))
    say "$name: $*: $last ($seconds s, status $status)"
    [ "$status" = 0 ] || { failed=1; grep -E '^(FAILED|E:|deps:|nvcc_compiler:|.*: (fatal )?error)|\*\*\*' "$LOGS/$name.log" | tail -n 30 || true; }
}

versions() {
    inside "$1" 'printf "%s | " "$(g++ -dumpfullversion)" "$(pkg-config --modversion fuse3)" "$(pkg-config --modversion glib-2.0)" \
        "$(pkg-config --modversion liburing)" "$(python3 -c "import sys; print(*sys.version_info[:3], sep=\".\")")" \
        "$(.cuda/nvidia/cu13/bin/nvcc --version | sed -n "s/.*release \([0-9.]*\).*/\1/p") with $(cat build/nvcc-compiler)"'
}

failed=0 table=""
TREE=${BARE:+/root/gmemfs}
TREE=${TREE:-/home/gmemfs}
[ -z "$(git -C "$ROOT" status --porcelain)" ] || say "not all of this tree is committed; what is committed is what is tried"
for name in "${NAMES[@]}"; do
    if [ -z "$(mirror "$(label_of "$name")")" ]; then
        say "$name: skipped: this machine's apt knows no repository of $(label_of "$name")"
        table+="| $name | skipped: no repository |"$'\n'
        continue
    fi
    : > "$LOGS/$name.log"
    start=$SECONDS
    if ! make_system "$name" "$work/$name" >> "$LOGS/$name.log" 2>&1; then
        failed=1
        say "$name: no system: $(tail -n 1 "$LOGS/$name.log")"
        continue
    fi
    say "$name: a minimal system and a clone in $((SECONDS - start)) s"
    step "$work/$name" "$name" make demo
    row="$seconds s"
    step "$work/$name" "$name" "make test${SUITES:+ SUITES='$SUITES'}"
    table+="| $name | $(versions "$work/$name" 2>> "$LOGS/$name.log")$row | $last | $seconds s |"$'\n'
    grep -E '^ *skip:? ' "$LOGS/$name.log" | sed -E 's/^skip +([^ ]+) \([0-9.]+ s\)/skip: \1/' | sed "s/^/$name: /" || true
    [ -n "$KEEP" ] || { grep -o " $work/$name[^ ]*" /proc/self/mounts | sort -r | xargs -r umount -l; rm -rf --one-file-system "${work:?}/$name"; }
done
printf '\n| | g++ | libfuse | GLib | liburing | Python | nvcc | demo | test | time |\n%s' "$table"
exit "$failed"
