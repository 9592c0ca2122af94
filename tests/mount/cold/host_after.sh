# --host-after: files that nobody uses go to host memory after a while, packed; with --pack-after they are packed first.
# options: --pack-after=1 --host-after=3
weights 8388608 > model
for name in idle open; do cp model "$MNT/$name"; done
exec 5< "$MNT/open"
wait_for() { # wait_for NAME WHERE
    for _ in $(seq 150); do [ "$(where "$MNT/$1")" = "$2" ] && return; sleep 0.1; done
    echo "$1 is $(where "$MNT/$1")"
    return 1
}
wait_for idle packed
wait_for idle host-packed
is "$(where "$MNT/open")" device
is "$(xattr user.gmemfs.stats "$MNT" | json 'd["host"]["files"]')" 1
exec 5<&-
wait_for open host-packed
for name in idle open; do cmp model "$MNT/$name"; done
is "$(where "$MNT/idle")" host-packed # reading wakes nothing
