# From one file of the mount to another the device copies, and nothing crosses the bus.
random_bytes 20M > source
"$GMEMFS" cp source "$MNT/a"
"$GMEMFS" cp --verify --quiet "$MNT/a" "$MNT/b"
is "$(sha "$MNT/b")" "$(sha source)"
