# version tells its number.
# mount: none
"$GMEMFS" version | grep -q '^gmemfs [0-9]*\.[0-9]*\.[0-9]'
