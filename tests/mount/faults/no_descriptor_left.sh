# A server that can open nothing more ends when it is unmounted, or told to, and so does the one that follows a killed one:
# neither a process stays, nor memory, nor a mount.
# mount: none
# needs: prlimit
# timeout: 120
needs_linux_that_asks_again
fill() { # every descriptor that an extent takes, of the keeper or of the server
    python3 -c 'import errno, sys
for number in range(100):
    try:
        with open(f"{sys.argv[1]}/f{number}", "wb", 0) as file:
            file.truncate(2 << 20)
    except OSError as error:
        sys.exit(error.errno not in (errno.EMFILE, errno.EIO))
sys.exit("there is no end")' "$MNT"
}
lowest_free() {
    python3 -c 'import os, sys
used = {int(fd) for fd in os.listdir(f"/proc/{sys.argv[1]}/fd")}
print(min(set(range(len(used) + 1)) - used))' "$1"
}
for way in plain lazy signal; do
    (ulimit -Sn 64; ulimit -Hn 64; exec "$GMEMFS" mount "$MNT" --simulate=1G --workers=2 --log="$PWD/log")
    fill
    crash_server
    server=$(server_pid)
    keeper=$(keeper_pid)
    # Whatever else has been let go of, from here on it has none left, but those that it closes.
    [ "$way" = plain ] || prlimit --pid "$server" --nofile="$(lowest_free "$server")"
    case $way in
    plain) "$GMEMFS" umount "$MNT" ;;
    lazy) "$GMEMFS" umount --lazy "$MNT" ;;
    signal) kill -TERM "$server" ;;
    esac
    gone "$server"
    gone "$keeper"
    fails mounted "$MNT"
done
