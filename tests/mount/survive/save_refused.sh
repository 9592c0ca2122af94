# What can't be saved one day is refused at once, when it is mounted.
# mount: none
touch file
mkdir folder
try() { refuses "$1" "$GMEMFS" mount "$MNT" --simulate=64M --on-shutdown="save:$2"; fails mounted "$MNT"; }
try "mkdir -p $PWD/none" "$PWD/none/snapshot"
try "a folder" "$PWD/file/snapshot"
try "name a file in it" "$PWD/folder"
try "in the mount" "$MNT/snapshot"
install -m 660 /dev/null planted
try "writable by nobody else" "$PWD/planted"
if [ "$(id -u)" = 0 ]; then
    chmod 600 planted
    chown 65534 planted
    try "belong to the user who mounts" "$PWD/planted"
fi
for value in save save: elsewhere ""; do
    status=0
    "$GMEMFS" mount "$MNT" --simulate=64M --on-shutdown="$value" 2> said || status=$?
    is "$status" 2
    grep -q "neither nothing nor save:FILE" said
done
status=0
"$GMEMFS" mount "$MNT" --simulate=64M --on-shutdown="save:$PWD/folder/s" --keeper=off 2> said || status=$?
is "$status" 2
grep -q "needs the keeper" said
says "on-shutdown = save:$PWD/folder/s  (-o)" "$GMEMFS" mount "$MNT" -o simulate=64M,on-shutdown=save:folder/s --print-options
# Only who mounted may change it afterwards, and only to what it was or nothing.
"$GMEMFS" mount "$MNT" --simulate=64M
is "$(xattr user.gmemfs.on_shutdown "$MNT")" nothing
is "$(errno_of "os.setxattr('$MNT', 'user.gmemfs.on_shutdown', b'save:$PWD/folder/s')")" EINVAL
"$GMEMFS" umount "$MNT"
