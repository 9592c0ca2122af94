# Dot is the directory, dot-dot its parent, and a listing has both.
# posix
mkdir -p "$MNT/a/b"
is "$(stat -c %i "$MNT/a/b/..")" "$(stat -c %i "$MNT/a")"
is "$(stat -c %i "$MNT/a/.")" "$(stat -c %i "$MNT/a")"
is "$(ls -a "$MNT/a" | tr '\n' ' ')" ". .. b "
is "$(errno_of "os.rmdir('$MNT/a/.')")" EINVAL
