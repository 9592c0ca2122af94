# - is standard input, or output.
random_bytes 3000001 > source
"$GMEMFS" cp - "$MNT/file" < source
is "$("$GMEMFS" cp "$MNT/file" - | sha256sum | cut -d ' ' -f 1)" "$(sha source)"
cat source | "$GMEMFS" cp - "$MNT/piped"
is "$(sha "$MNT/piped")" "$(sha source)"
