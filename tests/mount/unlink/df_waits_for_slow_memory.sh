# df right after rm waits until the memory is given back, also where that takes the driver longer than a moment.
# env: GMEMFS_SIM_FAULTS=cuMemRelease~300ms
for number in $(seq 6); do truncate -s 2M "$MNT/$number"; done
rm "$MNT"/*
is "$(df -B1 --output=used "$MNT" | tail -n 1 | tr -d ' ')" 0
