# A server in the foreground has no supervisor that could start another one.
refuses "no supervisor" "$GMEMFS" restart "$MNT"
touch "$MNT/still-there"
