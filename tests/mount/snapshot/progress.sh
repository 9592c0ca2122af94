# A terminal sees how far it is; a pipe, or --quiet, sees nothing. --json says what was done.
# needs: script
random_bytes 20M > "$MNT/file"
quiet "$GMEMFS" save "$MNT" snapshot
said=$(script -qec "'$GMEMFS' save '$MNT' snapshot" /dev/null)
[[ $said == *file*MiB*"%"*left*GB/s* ]]
nothing script -qec "'$GMEMFS' save --quiet '$MNT' snapshot" /dev/null
mkdir "$MNT/back"
"$GMEMFS" restore --verify --json snapshot "$MNT/back" > summary
is "$(json '(d["bytes"], d["entries"], d["verified"], d["bytes_per_second"] > 0)' < summary)" "(20971520, 2, True, True)"
is "$("$GMEMFS" restore --list --json snapshot | json '[(e["path"], e["size"]) for e in d][1]')" "('file', 20971520)"
