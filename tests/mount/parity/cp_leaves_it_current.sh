# options: --ecc=on
# gmemfs cp writes through a mapping: its lease opens the file, and its end seals it.
random_bytes 20000000 > source
told=$("$GMEMFS" cp --json source "$MNT/f")
is "$(json 'd["bytes"], d["all_seconds"] >= d["seconds"] > 0, d["gb_per_second"] > 0' <<< "$told")" "(20000000, True, True)"
for _ in $(seq 50); do [ "$(xattr user.gmemfs.ecc "$MNT/f")" = current ] && break; sleep 0.1; done
is "$(xattr user.gmemfs.ecc "$MNT/f")" current
"$GMEMFS" verify "$MNT/f"
cmp source "$MNT/f"
