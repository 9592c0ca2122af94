# A file that has memory lists user.allocation_size, as `getfattr -d` shows; the handle is listed with --list-handles alone, because
# reading it opens the file for peers. Tools that carry attributes over go on without a message, in, out and within.
# options: --ecc=on
needs_root
list() { getfattr --absolute-names -d "$@" | sed -n 's/=.*//p' | sort | tr '\n' ' '; }
touch "$MNT/empty"
mkdir "$MNT/folder"
nothing list "$MNT/empty"
nothing list "$MNT/folder"
truncate -s 3M "$MNT/f"
setfattr -n user.tag -v mine "$MNT/f"
chown 1000 "$MNT/f"
is "$(getfattr --absolute-names -d "$MNT/f" | tail -n +2)" "user.allocation_size=\"4194304\"
user.tag=\"mine\""
mkdir disk out
mount -t tmpfs none out
quiet cp -a "$MNT/f" "$MNT/copy"
quiet cp -a "$MNT/f" out/copy
quiet cp -a out/copy "$MNT/back"
quiet tar --xattrs -C "$MNT" -cf t.tar f
quiet tar --xattrs --xattrs-include='*' -C "$MNT/folder" -xf t.tar
quiet mv "$MNT/copy" out/moved
quiet mv out/moved "$MNT/moved"
if command -v rsync > /dev/null; then
    quiet rsync -aX "$MNT/f" out/synced
    setfattr -x user.allocation_size out/synced 2> /dev/null || true # rsync takes away on the target what the source lacks
    quiet rsync -aX --ignore-times out/synced "$MNT/synced"
    quiet rsync -aX --ignore-times out/synced "$MNT/synced"
fi
for name in back folder/f moved; do
    is "$(list "$MNT/$name")" "user.allocation_size user.tag "
    is "$(xattr user.allocation_size "$MNT/$name") $(xattr user.gmemfs.ecc "$MNT/$name")" "4194304 current"
done
setfattr -n user.allocation_size -v 17 "$MNT/f"
setfattr -x user.allocation_size "$MNT/f"
is "$(xattr user.allocation_size "$MNT/f")" 4194304
is "$(errno_of "os.setxattr('$MNT/folder', 'user.allocation_size', b'1')")" EPERM
# What is saved holds nothing of it.
"$GMEMFS" save "$MNT" saved
fails grep -q allocation_size saved
umount out
mkdir other
"$GMEMFS" mount --simulate="$SIZE" --list-handles other
truncate -s 2M other/f
is "$(list other/f)" "user.allocation_size user.fabric_handle "
quiet cp -a other/f other/g
"$GMEMFS" umount other
