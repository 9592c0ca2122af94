# The broker's socket is found in every directory and listed in none, and its name is nobody else's.
mkdir "$MNT/d"
python3 -c 'import os, sys; assert os.environ["MNT"] + "/.gmemfs.socket" == sys.argv[1]' "$(xattr user.gmemfs.socket "$MNT")" ||
    [ "$(id -u)" != 0 ] # an ordinary user's mount has an abstract one
is "$(ls -A "$MNT")" d
[[ $(xattr user.gmemfs.socket "$MNT/d") == @* ]] && skip "an abstract socket: this user may not copy mounts"
test -S "$MNT/.gmemfs.socket"
test -S "$MNT/d/.gmemfs.socket"
is "$(errno_of "os.unlink('$MNT/.gmemfs.socket')")" ENOENT
is "$(errno_of "os.mkdir('$MNT/.gmemfs.socket')")" EEXIST
is "$(errno_of "os.link('$MNT/.gmemfs.socket', '$MNT/other')")" EPERM
touch "$MNT/f"
is "$(errno_of "os.rename('$MNT/f', '$MNT/.gmemfs.socket')")" EPERM
rmdir "$MNT/d"
