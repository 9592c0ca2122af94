# ^C leaves no snapshot, not a part of one; nor anything of what was being restored. The status is that of an interruption.
# size: 1G
interrupt() { # FOLDER CMD...: as soon as there is something new in the folder, which may have no name yet
    local folder=$1 before after command status=0
    shift
    before=$(ls -A "$folder")
    "$@" & command=$!
    python3 - "$folder" "$before" "$command" <<'END'
import os, sys
folder, before, process = sys.argv[1:]
unnamed = os.path.realpath(folder) + "/#"
def has_begun():
    try:
        files = [os.readlink(f"/proc/{process}/fd/{fd}") for fd in os.listdir(f"/proc/{process}/fd")]
    except OSError:
        files = []
    return any(file.startswith(unnamed) for file in files) or "\n".join(os.listdir(folder)) != before
while not has_begun(): os.kill(int(process), 0)
END
    kill -TERM "$command"
    wait "$command" || status=$?
    is "$status" 130
    after=$(ls -A "$folder")
    [ "$after" = "$before" ]
}
random_bytes 400M > "$MNT/large"
mkdir out
interrupt out "$GMEMFS" save --threads 1 "$MNT" out/snapshot
"$GMEMFS" save "$MNT" out/snapshot
rm "$MNT/large"
interrupt "$MNT" "$GMEMFS" restore --threads 1 out/snapshot "$MNT"
