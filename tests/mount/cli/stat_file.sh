# stat of a file tells size and extents.
truncate -s 3M "$MNT/f"
says "^size  *3 MiB" "$GMEMFS" stat "$MNT/f"
"$GMEMFS" stat --json "$MNT/f" > said
is "$(json 'd["size"]' < said)" 3145728
is "$(json 'len(d["extents"])' < said)" 1
is "$(json 'd["extents"][0]["length"]' < said)" 4194304
