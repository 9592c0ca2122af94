# A value over 64 KiB, a name over 255 bytes, and more than an inode's share are refused.
touch "$MNT/f"
is "$(errno_of "os.setxattr('$MNT/f', 'user.a', bytes(65537))")" E2BIG
is "$(errno_of "os.setxattr('$MNT/f', 'user.' + 'n' * 251, b'')")" ERANGE
is "$(errno_of "os.setxattr('$MNT/f', 'user.a', bytes(60000))")" OK
is "$(errno_of "os.setxattr('$MNT/f', 'user.b', bytes(60000))")" OK
[[ $(errno_of "os.setxattr('$MNT/f', 'user.c', bytes(60000))") =~ ^(ENOSPC|E2BIG|EDQUOT)$ ]]
setfattr -x user.a "$MNT/f"
is "$(errno_of "os.setxattr('$MNT/f', 'user.c', bytes(60000))")" OK
