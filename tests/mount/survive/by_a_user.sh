# An ordinary user's mount has all that root's has: keeper, supervisor, recovery, restart, save. Nobody else gets anything of it.
# mount: none
needs_root
needs_linux_that_asks_again
[ -u "$(command -v fusermount3)" ] || skip "fusermount3 isn't setuid here"
user() { setpriv --reuid=65534 --regid=65534 --clear-groups env "GMEMFS_RUNTIME_DIR=$PWD/run" "$@"; }
needs_nobody_to_reach_it
chown 65534 . "$MNT"
pid_of_server() { user "$GMEMFS" stat --json "$MNT" | json 'd["server_pid"]'; }
look() { user cat "$MNT/f"; user stat -c '%a %u %s' "$MNT/f"; user sha256sum "$MNT/large"; }
user "$GMEMFS" mount "$MNT" --simulate="$SIZE"
user bash -c "echo text > $MNT/f; chmod 666 $MNT/f; chmod 777 $MNT; head -c 3M /dev/urandom > $MNT/large"
look > before

# Not the other user's, whatever the modes say; nor root's, by its files.
for other in 1 0; do
    for command in "ls $MNT" "cat $MNT/f" "stat $MNT" "touch $MNT/new" "getfattr -n user.fabric_handle $MNT/f"; do
        expect_error "Permission denied" setpriv --reuid=$other --regid=$other --clear-groups $command
    done
done
other() { setpriv --reuid=1 --regid=1 --clear-groups "$@"; }
expect_error "Permission denied" other ls run
expect_error "a folder of this user" other env "GMEMFS_RUNTIME_DIR=$PWD/run" "$GMEMFS" mount "$MNT" --simulate=64M
pid=$(pid_of_server)
fails other "$GMEMFS" umount "$MNT"
expect_error "Operation not permitted" other kill -TERM "$pid"
mounted "$MNT"

is "$(stat -c %u "/proc/$pid")" 65534
is "$(ps -o user:20= -p "$(keeper_pid)" | tr -d ' ')" "$(id -nu 65534)"
user kill -KILL "$pid"
gone "$pid"
look | diff before -
differs "$(pid_of_server)" "$pid"
user "$GMEMFS" restart "$MNT" > /dev/null
look | diff before -

# Supervisor and server: `gmemfs mount` takes over.
pid=$(pid_of_server)
user kill -KILL "$(ps -o ppid= -p "$pid" | tr -d ' ')"
user kill -KILL "$pid"
gone "$pid"
user "$GMEMFS" mount "$MNT" --simulate="$SIZE"
look | diff before -

user "$GMEMFS" save "$MNT" snapshot
expect_error "Permission denied" other cat snapshot
user "$GMEMFS" umount "$MNT"
nothing ls -A run
user "$GMEMFS" mount "$MNT" --simulate="$SIZE"
user "$GMEMFS" restore snapshot "$MNT"
look | diff before -
user "$GMEMFS" umount "$MNT"
