# A directory can't become its own descendant.
# posix
mkdir -p "$MNT/a/b/c"
is "$(errno_of "os.rename('$MNT/a', '$MNT/a/x')")" EINVAL
is "$(errno_of "os.rename('$MNT/a', '$MNT/a/b/c/x')")" EINVAL
is "$(errno_of "os.rename('$MNT/a/b/c', '$MNT/a')")" ENOTEMPTY
[ -d "$MNT/a/b/c" ]
