# A terminal sees how far it is; a pipe, or --quiet, sees nothing.
# needs: script
random_bytes 20M > source
quiet "$GMEMFS" cp source "$MNT/file"
said=$(script -qec "'$GMEMFS' cp source '$MNT/file'" /dev/null)
[[ $said == *source*MiB*"%"*left*GB/s* ]]
nothing script -qec "'$GMEMFS' cp --quiet source '$MNT/file'" /dev/null
