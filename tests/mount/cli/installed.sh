# `make install` puts each program where it finds the others, and leaves in build/ what only debuggers need.
# mount: none
# needs: make strip readelf
make -C "$TESTS/../.." -s -o all BUILD="$BUILD" PREFIX=/opt/g DESTDIR="$PWD/root" install > said 2>&1
for made in bin/gmemfs lib/libgmemfs.so.0 lib/gmemfs/sim/libcuda.so.1; do
    sections=$(readelf -SW "root/opt/g/$made")
    [[ $sections == *.text* && $sections != *.debug_info* ]]
done
root/opt/g/bin/gmemfs mount --simulate=64M "$MNT"
echo text > "$MNT/f"
is "$(xattr user.gmemfs.driver "$MNT/f")" "$PWD/root/opt/g/lib/gmemfs/sim/libcuda.so.1"
root/opt/g/bin/gmemfs umount "$MNT"
