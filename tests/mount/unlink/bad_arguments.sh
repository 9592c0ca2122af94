# What isn't there, or is a directory, isn't unlinked.
# posix
mkdir "$MNT/d"
is "$(errno_of "os.unlink('$MNT/none')")" ENOENT
is "$(errno_of "os.unlink('$MNT/d')")" EISDIR
is "$(errno_of "os.unlink('$MNT/d/none')")" ENOENT
