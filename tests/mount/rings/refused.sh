# Where FUSE over io_uring is switched off, or the kernel lacks it, the mount is refused, with what to do; nothing is left.
# mount: none
switch=/sys/module/fuse/parameters/enable_uring
[ "$(cat $switch 2> /dev/null)" != Y ] || skip "$switch says Y"
what="echo Y > $switch"
[ -e $switch ] || what="CONFIG_FUSE_IO_URING"
refuses "$what" "$GMEMFS" mount "$MNT" --simulate=64M -o io_uring
fails mounted "$MNT"
"$GMEMFS" doctor --simulate > said
[[ $(grep -A1 "io_uring" said) == *"$what"* ]]
nothing keeper_pid
