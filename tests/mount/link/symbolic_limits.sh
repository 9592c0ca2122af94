# 4095 bytes of text, and no endless loop.
# posix
long=$(printf 'x%.0s' {1..4095})
is "$(errno_of "os.symlink('$long', '$MNT/long')")" OK
is "$(readlink "$MNT/long")" "$long"
is "$(errno_of "os.symlink('${long}x', '$MNT/longer')")" ENAMETOOLONG
ln -s b "$MNT/a"
ln -s a "$MNT/b"
is "$(errno_of "open('$MNT/a')")" ELOOP
is "$(errno_of "os.readlink('$MNT')")" EINVAL
