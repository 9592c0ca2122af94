# A machine with no IMEX channel, or a mount that makes no fabric handles: descriptors do the same.
# options: --handles=fd
truncate -s 2M "$MNT/f"
is "$(errno_of "os.getxattr('$MNT/f', 'user.fabric_handle')")" ENOTSUP
GMEMFS_DRIVER="$BUILD/sim/libcuda.so.1" GMEMFS_SIM_IMEX=0 "$BUILD/client/c_test" "$MNT"
