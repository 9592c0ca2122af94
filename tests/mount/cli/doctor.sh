# doctor says what this machine can do, for people and as JSON.
# mount: none
"$GMEMFS" doctor > said || true
grep -q /dev/fuse said
{ "$GMEMFS" doctor --json || true; } | json 'len(d)' > /dev/null
