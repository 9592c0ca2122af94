# A runtime folder that somebody else has put there, or can write to, is refused, and nothing is put into it.
# mount: none
needs_root
needs_nobody_to_reach_it
chmod 1777 .
install -d -o 65534 -m 755 mnt
as() { setpriv --reuid="$1" --regid=65534 --clear-groups "${@:2}"; }
user_mounts() { as 65534 env -u GMEMFS_RUNTIME_DIR "XDG_RUNTIME_DIR=$PWD" "$GMEMFS" "$1" "$PWD/mnt" "${@:2}"; }
refused() {
    refuses "$1" user_mounts mount --simulate=64M
    fails mounted "$PWD/mnt"
    nothing find planted -mindepth 1
    rm -rf gmemfs planted
}
set +x # `refuses` reads what is said, and a function would say more
as 65533 mkdir -m 700 planted # another user's own
as 65533 mv planted gmemfs
as 65533 ln -s gmemfs planted
refused "it must be a folder of this user"
as 65533 mkdir -m 777 gmemfs
as 65533 ln -s gmemfs planted
refused "it must be a folder of this user"
as 65534 mkdir -m 700 planted # the user's own, by another one's way
as 65533 ln -s planted gmemfs
refused "it must be a folder of this user"
as 65534 mkdir -m 700 gmemfs
as 65534 chmod 770 gmemfs
ln -s gmemfs planted
refused "it must be a folder of this user"
# As it must be, it serves.
as 65534 mkdir -m 700 gmemfs
user_mounts mount --simulate=64M
mounted "$PWD/mnt"
user_mounts umount
# In it, the mount's own folder.
as 65534 mkdir -m 700 elsewhere
name=$(as 65534 env -u GMEMFS_RUNTIME_DIR "XDG_RUNTIME_DIR=$PWD" bash -c '"$GMEMFS" mount mnt --simulate=64M && ls gmemfs && "$GMEMFS" umount mnt')
as 65534 ln -s ../elsewhere "gmemfs/$name"
refuses "it must be a folder of this user" user_mounts mount --simulate=64M
nothing find elsewhere -mindepth 1
