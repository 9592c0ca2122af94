# Two mounts of one device share its memory: what one takes the other lacks.
# mount: none
mkdir a b
$GMEMFS mount a --simulate=64M
$GMEMFS mount b --simulate=64M
truncate -s 40M a/f
expect_error "No space left on device" truncate -s 40M b/f
$GMEMFS umount a
truncate -s 40M b/f
$GMEMFS umount b
