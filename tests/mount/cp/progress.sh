# A terminal sees how far it is; a pipe, or --quiet, sees nothing.
# needs: script
random_bytes 20M > source
is "$("$GMEMFS" cp source "$MNT/file" 2>&1)" ""
said=$(script -qec "'$GMEMFS' cp source '$MNT/file'" /dev/null)
[[ $said == *source*MiB*"%"*left*GB/s* ]]
is "$(script -qec "'$GMEMFS' cp --quiet source '$MNT/file'" /dev/null)" ""
