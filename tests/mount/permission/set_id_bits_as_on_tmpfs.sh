# Whoever changes a file, by whatever call: it keeps the set-ID bits and capabilities that it keeps on tmpfs, and no others.
# options: -o allow_other
# timeout: 240
steps() { python3 "$TESTS/permission/set_id_cases.py"; }
same_on_tmpfs steps
users=10
unshare --user true || users=9
[ "$(grep -c " by " gmemfs.said)" = $((users * 320)) ]
fails grep -q Traceback gmemfs.said
grep -q "^6666 punch by other elsewhere: done 666$" gmemfs.said
touch "$MNT/zeroed"
chmod 6666 "$MNT/zeroed"
as_nobody fallocate --zero-range --length 4096 "$MNT/zeroed" # which tmpfs hasn't
is "$(mode_of "$MNT/zeroed")" 666
[ "$users" = 10 ] || skip "no user namespaces here: nine of ten users"
