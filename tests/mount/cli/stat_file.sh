# stat of a file tells size and extents.
truncate -s 3M "$MNT/f"
"$GMEMFS" stat "$MNT/f" | grep -q .
"$GMEMFS" stat --json "$MNT/f" > said
is "$(json 'd["size"]' < said)" 3145728
is "$(json 'len(d["extents"])' < said)" 1
is "$(json 'd["extents"][0]["length"]' < said)" 4194304
