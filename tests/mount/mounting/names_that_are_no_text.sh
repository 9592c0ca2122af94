# Mount points, logs, sources and files whose names aren't UTF-8 work as others do; JSON shows U+FFFD for what is no text.
# mount: none
odd=$'gr\xf6\xdfe'
mkdir "$PWD/$odd" "$PWD/$odd.kept"
for locale in C C.UTF-8; do
    export LC_ALL=$locale
    "$GMEMFS" mount "$PWD/$odd" --simulate=64M --log="$PWD/$odd.log" --on-shutdown="save:$PWD/$odd.kept/$odd" -o fsname="$odd"
    echo text > "$odd/$odd"
    says mountpoint "$GMEMFS" stat "$odd"
    is "$("$GMEMFS" stat --json "$odd" | json 'd["mountpoint"].rsplit("/", 1)[1]')" "$(printf 'gr\xef\xbf\xbd\xef\xbf\xbde')"
    is "$("$GMEMFS" stat --json "$odd/$odd" | json 'd["size"]')" 5
    says "$odd/$odd" "$GMEMFS" stat "$odd/$odd"
    says "$odd" "$GMEMFS" df "$odd"
    is "$("$GMEMFS" df --json "$odd" | json 'len(d)')" 1
    is "$("$GMEMFS" stat --json "$odd" | json 'len(d["runtime_folder"])')" 2
    pid=$("$GMEMFS" stat --json "$odd" | json 'd["server_pid"]')
    crash_server "$pid"
    is "$(cat "$odd/$odd")" text
    "$GMEMFS" restart "$odd" > /dev/null
    "$GMEMFS" umount "$odd"
    nothing ls "$odd"
    [ -s "$odd.kept/$odd" ]
    [ -s "$odd.log" ]
    rm "$odd.kept/$odd"
done
