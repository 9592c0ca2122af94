# A background server holds no descriptor of its parent's: a pipe from mount ends.
# mount: none
timeout 20 bash -c '"$GMEMFS" mount "$MNT" --simulate=64M 2>&1 | cat'
mounted "$MNT"
"$GMEMFS" umount "$MNT"
