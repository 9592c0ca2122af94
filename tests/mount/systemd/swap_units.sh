# The example units of swap are what systemd understands. By its installed path the program need not be here.
# mount: none
# needs: systemd-analyze
for name in gmemfs gmemfs-swap gmemfs-swap-resume; do
    sed "s,/usr/local/bin/gmemfs,$GMEMFS,g; s,/usr/bin/systemctl,/bin/true,g" "$TESTS/../../docs/examples/$name@.service" \
        > "$name@mnt-gpu.service"
done
export SYSTEMD_LOG_LEVEL=warning SYSTEMD_UNIT_PATH=$PWD:/lib/systemd/system
for name in gmemfs-swap gmemfs-swap-resume; do
    quiet systemd-analyze verify --man=no --recursive-errors=no "./$name@mnt-gpu.service"
done
