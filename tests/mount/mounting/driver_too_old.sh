# A driver older than CUDA 12.3 is refused, in one line that says so.
# mount: none
# env: GMEMFS_SIM_DRIVER_VERSION=11040
refuses "driver too old: it speaks CUDA 11.4" "$GMEMFS" mount "$MNT" --simulate=64M
fails mounted "$MNT"
