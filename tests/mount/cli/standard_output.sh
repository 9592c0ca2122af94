# What a command prints gets to standard output, or the status is 1 and one line says so.
full() { # COMMAND...
    local said status=0
    said=$("$GMEMFS" "$@" 2>&1 > /dev/full) || status=$?
    is "$status" 1 && [[ $said == "gmemfs: write to standard output (No space left on device)" ]] ||
        { echo "gmemfs $* > /dev/full: status $status, '$said'"; return 1; }
}
echo data > "$MNT/f"
echo data > source
"$GMEMFS" save "$MNT" snapshot
full df "$MNT"
full df --json "$MNT"
full stat "$MNT"
full stat --json "$MNT/f"
full version
full --help
full help cp
full cp --help
full cp --json source "$MNT/f"
full cp -v source "$MNT/f"
full verify "$MNT"
full restore --list snapshot
full restore --list --json snapshot
full save --json source snapshot
full mount --print-options "$MNT"
(unset GMEMFS_SIM_MACHINE; full test --simulate=16M --size=4M)
# Silence is no error, however standard output is.
"$GMEMFS" cp source "$MNT/f" > /dev/full
"$GMEMFS" cp source "$MNT/f" >&-
is "$(cat "$MNT/f")" data
