# ^C leaves no snapshot, not a part of one; nor anything of what was being restored. The status is that of an interruption.
# size: 1G
interrupt() { # FOLDER CMD...: as soon as there is something new in the folder
    local folder=$1 before command status=0
    shift
    before=$(ls -A "$folder")
    "$@" & command=$!
    timeout 20 bash -c 'until [ "$(ls -A "$0")" != "$1" ]; do :; done' "$folder" "$before"
    kill -TERM "$command"
    wait "$command" || status=$?
    is "$status" 130
    is "$(ls -A "$folder")" "$before"
}
random_bytes 400M > "$MNT/large"
mkdir out
interrupt out "$GMEMFS" save --threads 1 "$MNT" out/snapshot
"$GMEMFS" save "$MNT" out/snapshot
rm "$MNT/large"
interrupt "$MNT" "$GMEMFS" restore --threads 1 out/snapshot "$MNT"
