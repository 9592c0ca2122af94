# XATTR_CREATE wants a new name, XATTR_REPLACE an old one.
# posix
touch "$MNT/f"
is "$(errno_of "os.setxattr('$MNT/f', 'user.a', b'1', os.XATTR_REPLACE)")" ENODATA
is "$(errno_of "os.setxattr('$MNT/f', 'user.a', b'1', os.XATTR_CREATE)")" OK
is "$(errno_of "os.setxattr('$MNT/f', 'user.a', b'2', os.XATTR_CREATE)")" EEXIST
is "$(errno_of "os.setxattr('$MNT/f', 'user.a', b'3', os.XATTR_REPLACE)")" OK
is "$(xattr user.a "$MNT/f")" 3
