# A device that fails half-way is an error, and leaves no file.
random_bytes 30M > source
GMEMFS_SIM_FAULTS="cuMemcpyHtoDAsync#3+=ECC_UNCORRECTABLE" refuses "copy to device" "$GMEMFS" cp source "$MNT/file"
is "$(ls -A "$MNT")" ""
"$GMEMFS" cp source "$MNT/file"
GMEMFS_SIM_FAULTS="cuMemcpyDtoHAsync#3+=ECC_UNCORRECTABLE" refuses "copy from device" "$GMEMFS" cp "$MNT/file" target
fails test -e target
