# No hard link to a directory, onto a name in use, or to nothing.
# posix
mkdir "$MNT/d"
touch "$MNT/a" "$MNT/b"
is "$(errno_of "os.link('$MNT/d', '$MNT/e')")" EPERM
is "$(errno_of "os.link('$MNT/a', '$MNT/b')")" EEXIST
is "$(errno_of "os.link('$MNT/none', '$MNT/c')")" ENOENT
is "$(errno_of "os.link('/etc/passwd', '$MNT/c')")" EXDEV
