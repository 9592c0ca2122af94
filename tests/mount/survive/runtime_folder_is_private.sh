# A runtime folder that others can reach is refused, with the way out.
# mount: none
mkdir -m 755 open
GMEMFS_RUNTIME_DIR=$PWD/open refuses "mode 0700" "$GMEMFS" mount "$MNT" --simulate=64M
fails mounted "$MNT"
$GMEMFS mount "$MNT" --simulate=64M
is "$(mode_of "$GMEMFS_RUNTIME_DIR")" 700
is "$(mode_of "$GMEMFS_RUNTIME_DIR"/*)" 700
$GMEMFS umount "$MNT"
