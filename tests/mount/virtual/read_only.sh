# What gmemfs says of a file can't be set or removed, nor can new names be made in its namespace. (xattr/memory_is_listed.sh: the
# two that are listed.)
truncate -s 1 "$MNT/f"
for name in user.gmemfs.extents user.gmemfs.ecc user.gmemfs.nonsense; do
    [[ $(errno_of "os.setxattr('$MNT/f', '$name', b'5')") =~ ^(EPERM|EACCES|ENOTSUP|EINVAL)$ ]]
    [[ $(errno_of "os.removexattr('$MNT/f', '$name')") =~ ^(EPERM|EACCES|ENOTSUP|EINVAL|ENODATA)$ ]]
done
is "$(xattr user.allocation_size "$MNT/f")" 2097152
