# An ordinary user's mount may have rings: nothing about them is root's but the kernel's switch.
# rings
# user: nobody
is "$("$GMEMFS" stat --json "$MNT" | json 'd["transport"]')" io_uring
random_bytes 3M > source
cp source "$MNT/f"
cmp source "$MNT/f"
