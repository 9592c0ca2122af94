# A symbolic link takes no user attribute, and an unknown namespace is refused.
# posix
ln -s f "$MNT/link"
touch "$MNT/f"
is "$(errno_of "os.setxattr('$MNT/link', 'user.a', b'1', follow_symlinks=False)")" EPERM
is "$(errno_of "os.setxattr('$MNT/f', 'nonsense.a', b'1')")" ENOTSUP
is "$(errno_of "os.setxattr('$MNT/f', 'user.', b'1')")" EINVAL
