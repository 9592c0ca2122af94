# Where this process can't map the memory, the copy goes through the filesystem, and says nothing of it.
random_bytes 9M > source
GMEMFS_SIM_FAULTS="cuInit#1+=NO_DEVICE" "$GMEMFS" cp --verify source "$MNT/file"
is "$(sha "$MNT/file")" "$(sha source)"
GMEMFS_SIM_FAULTS="cuInit#1+=NO_DEVICE" "$GMEMFS" cp "$MNT/file" target
is "$(sha target)" "$(sha source)"
