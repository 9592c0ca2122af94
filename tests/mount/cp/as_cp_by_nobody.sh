# The table of as_cp, for a user who can't give files away or make devices.
# options: -o allow_other
# timeout: 120
needs_root
chmod 777 "$MNT"
mkdir nobody
chown 65534:65534 nobody
cd nobody
as_nobody python3 "$TESTS/as_cp.py" "$GMEMFS" "$MNT"
