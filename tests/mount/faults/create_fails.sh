# Where the driver has no memory to give, truncate says ENOSPC, the file stays, and the next try succeeds.
# (The first is the probe with which the server starts.)
# env: GMEMFS_SIM_FAULTS=cuMemCreate#2=OUT_OF_MEMORY
touch "$MNT/f"
for _ in 1 2 3; do
    said=$(errno_of "os.truncate('$MNT/f', 1 << 20)")
    [ "$said" = OK ] && break
    is "$said $(size_of "$MNT/f")" "ENOSPC 0"
done
is "$said $(sha "$MNT/f")" "OK $(zeros 1M)"
