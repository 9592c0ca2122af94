# What can't be understood is a mistake of use: status 2, and a line on standard error.
# mount: none
for command in "" "nonsense" "mount" "mount --nonsense $MNT" "umount" "stat" "mount $MNT --simulate=12Q" \
    "mount $MNT --simulate --capacity nonsense" "mount $MNT $MNT --simulate" "version --nonsense"; do
    # shellcheck disable=SC2086
    is "$command: $(status_of "$GMEMFS" $command)" "$command: 2"
    # shellcheck disable=SC2086
    said=$("$GMEMFS" $command 2>&1 >/dev/null || true)
    [ -n "$said" ]
done
fails mounted "$MNT"
