# A removed directory that is somebody's working directory takes nothing new.
# posix
mkdir "$MNT/d"
cd "$MNT/d"
rmdir "$MNT/d"
is "$(errno_of "open('f', 'w')")" ENOENT
nothing ls -A .
cd /
