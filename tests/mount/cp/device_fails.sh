# A device that fails half-way is an error, and leaves no file.
random_bytes 30M > source
GMEMFS_SIM_FAULTS="cuMemcpyHtoDAsync#3+=ECC_UNCORRECTABLE" refuses "copy to device" "$GMEMFS" cp --threads 1 source "$MNT/file"
nothing ls -A "$MNT"
# Of several threads any may be the first to hear of it: while it queues a copy, or waits for one.
GMEMFS_SIM_FAULTS="cuMemcpyHtoDAsync#3+=ECC_UNCORRECTABLE" refuses ECC_UNCORRECTABLE "$GMEMFS" cp source "$MNT/file"
nothing ls -A "$MNT"
"$GMEMFS" cp source "$MNT/file"
GMEMFS_SIM_FAULTS="cuMemcpyDtoHAsync#3+=ECC_UNCORRECTABLE" refuses "copy from device" "$GMEMFS" cp --threads 1 "$MNT/file" target
fails test -e target
GMEMFS_SIM_FAULTS="cuMemcpyDtoHAsync#3+=ECC_UNCORRECTABLE" refuses ECC_UNCORRECTABLE "$GMEMFS" cp "$MNT/file" target
fails test -e target
