# Whatever the umask, nobody else gets at what a mount leaves outside of itself: runtime folder, lock, journal, socket, snapshot.
# mount: none
needs_root
check() { # check UID UMASK
    local here=$PWD/$1.$2 found
    install -d -o "$1" -m 755 "$here" "$here/mnt"
    (
        cd "$here"
        umask "$2"
        run() { setpriv --reuid="$1" --regid=65534 --clear-groups env "GMEMFS_RUNTIME_DIR=$here/run" "$GMEMFS" "${@:2}"; }
        run "$1" mount mnt --simulate=64M --on-shutdown="save:$here/snapshot"
        setpriv --reuid="$1" --regid=65534 --clear-groups bash -c 'echo text > mnt/f; chmod 666 mnt/f'
        run "$1" save mnt/f one
        (cd run && find . -printf '%y%m %U %P\n' | sed 's/mnt-[0-9a-f]*/M/' | sort) > found
        diff found - << EXPECTED
d700 $1 
d700 $1 M
f600 $1 M/journal
f600 $1 M/lock
f600 $1 M/unsaved
s600 $1 M/keeper.sock
EXPECTED
        run "$1" umount mnt
        is "$(stat -c '%a %u' one snapshot | sort -u)" "600 $1"
    )
}
for mask in 000 022 077; do check 0 $mask; done
needs_nobody_to_reach_it
for mask in 000 022 077; do check 65534 $mask; done
