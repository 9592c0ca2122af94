# A server that ends detaches its own mount, and nothing that others have mounted where that was, or on it.
# mount: none
# needs: unshare
needs_root
needs_linux_that_asks_again
mkdir moved
start() { "$GMEMFS" mount "$MNT" --simulate=64M --log="$PWD/log"; pid=$(server_pid); echo "$1" > "$MNT/f"; }
others() { mount -t tmpfs others "$MNT"; echo theirs > "$MNT/p"; }
others_stay() {
    is "$(cat "$MNT/p")" theirs
    umount "$MNT"
}
another() { # replaces the server
    local before=$pid
    case $1 in
    restart) "$GMEMFS" restart "$MNT" ;;
    crash) kill -KILL "$pid" && gone "$pid" ;;
    esac
    pid=$(server_pid)
    [ "$1" = first ] || differs "$pid" "$before"
}
for way in first restart crash; do
    # Held by an open file, while a tmpfs takes the place; and by another mount namespace.
    start "$way"
    another "$way"
    exec 7< "$MNT/f"
    umount -l "$MNT"
    others
    exec 7<&-
    gone "$pid"
    others_stay

    start "$way"
    another "$way"
    mkfifo go
    unshare --mount --propagation private bash -c 'echo > go; read < go' &
    read -r < go
    umount "$MNT"
    others
    echo > go
    wait $!
    rm go
    gone "$pid"
    others_stay

    # Another gmemfs takes the place.
    start "$way"
    another "$way"
    exec 7< "$MNT/f"
    umount -l "$MNT"
    old=$pid
    start second
    exec 7<&-
    gone "$old"
    is "$(cat "$MNT/f")" second
    "$GMEMFS" umount "$MNT"

    # Moved away.
    start "$way"
    another "$way"
    mount --make-private "$(stat -c %m "$(dirname "$MNT")")" || true
    mount --move "$MNT" moved
    others
    is "$(cat moved/f)" "$way"
    "$GMEMFS" umount moved
    gone "$pid"
    others_stay

    # Stacked on it, or in it: it is told to end.
    start "$way"
    another "$way"
    others
    kill -TERM "$pid"
    gone "$pid"
    others_stay
    if mounted "$MNT"; then umount "$MNT"; fi
    start "$way"
    another "$way"
    mkdir "$MNT/in"
    mount -t tmpfs others "$MNT/in"
    kill -TERM "$pid"
    gone "$pid"
    grep -q " $MNT/in " /proc/self/mountinfo
    umount -l "$MNT"

    # Two copies of it: both go.
    start "$way"
    another "$way"
    mount --bind "$MNT" moved
    kill -TERM "$pid"
    gone "$pid"
    fails mounted "$MNT"
    fails mounted "$PWD/moved"
done
for _ in 1 2 3 4 5 6; do # at once after each other
    start loop
    "$GMEMFS" restart "$MNT"
    umount "$MNT"
done
nothing ls -A "$MNT"
