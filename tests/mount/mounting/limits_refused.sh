# A driver that lets nobody lower a context's limits costs memory, and mounts all the same.
# options: --ecc=on
# env: GMEMFS_SIM_FAULTS=cuCtxSetLimit#1+=UNSUPPORTED_LIMIT
head -c 1M /dev/urandom > data
cp data "$MNT/file"
cmp data "$MNT/file"
"$GMEMFS" verify "$MNT/file"
