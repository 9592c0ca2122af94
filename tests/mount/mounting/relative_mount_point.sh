# A mount point may be named relative to the working directory.
# mount: none
mkdir m
$GMEMFS mount ./m --simulate=64M
touch m/f
$GMEMFS umount m
nothing ls -A m
