# A program's memory is the pool's, whichever way it finds the driver: linked, by any name, by the driver's own path, in a
# namespace of its own, and by each form of cuGetProcAddress. What it asks of a block is as of an allocation.
needs_plain_pool
through() {
    start_run "$BUILD/pool/$1" "$2" alloc=1000000 write=7 range attributes read=7 async=4096 write=8 pitch=100000 wait free free-async free
    said "range 1000000 0"
    said "attributes 1000000 0"
    said ready
    is "$(head -c 1000000 "$MNT/work/$1.$PROGRAM_PID/arena-0" | tr -d '\7' | wc -c)" 0
    is "$("$GMEMFS" pool stat --json "$MNT/work" | json 'd[0]["blocks"], d[0]["unlisted"]')" "(3, 0)"
    end_run
    soon test ! -e "$MNT/work/$1.$PROGRAM_PID"
}
through program-linked linked
for route in needed unversioned "path=$(xattr user.gmemfs.driver "$MNT")" namespace address-12000 address-thread address-11030; do
    through program "$route"
done
