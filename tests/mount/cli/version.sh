# version tells its number.
# mount: none
says '^gmemfs [0-9]*\.[0-9]*\.[0-9]' "$GMEMFS" version
