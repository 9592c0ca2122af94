# The example unit is what systemd understands, and its exposure, as `systemd-analyze security` rates it, doesn't grow.
# mount: none
# needs: systemd-analyze
unit=$TESTS/../../docs/examples/gmemfs@.service
# By its installed path the program need not be here.
sed "s,/usr/local/bin/gmemfs,$GMEMFS,g" "$unit" > gmemfs@mnt-gpu.service
SYSTEMD_LOG_LEVEL=warning systemd-analyze verify --man=no --recursive-errors=no ./gmemfs@mnt-gpu.service 2> said
nothing cat said
systemd-analyze security --offline=true --threshold=45 --no-pager ./gmemfs@mnt-gpu.service > said || { tail -1 said; false; }
grep "Overall exposure level" said
