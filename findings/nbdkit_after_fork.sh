#!/usr/bin/env bash
# nbdkit 1.32.5: a plugin whose after_fork fails ends the server, and whoever started it isn't told. `nbdkit ...` has
# ended with 0, because the parent ends when it has forked; the file of -P is written, and stays with the number of a
# process that has ended, and so does the Unix socket. The message goes to syslog. In the foreground (-f) the same plugin
# ends with 1 and says why. nbdkit-plugin(3) sends to after_fork what doesn't survive a fork, which for a GPU's driver is
# nearly all that can fail.
# A way round: neither exit status nor -P say that it serves; a client's handshake does, or -f under a service manager. A
# plugin does all checks that it can in get_ready, which is before the fork.
#
# Downloads nbdkit from Debian 12 into a temporary folder, and needs apt-get, dpkg, what nbdkit is linked with, and no GPU
# or anything of this repository. Exit status 0 where it is as described, 1 where it has changed.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
apt-get download nbdkit=1.32.5-1 > /dev/null 2>&1
dpkg -x nbdkit_*.deb .
nbdkit=$folder/usr/bin/nbdkit
plugin=$folder/usr/lib/x86_64-linux-gnu/nbdkit/plugins/nbdkit-sh-plugin.so
cat > disk <<'P'
#!/bin/sh
case "$1" in
    get_size) echo 1M ;;
    pread) head -c "$3" /dev/zero ;;
    after_fork)
        echo "EIO the device isn't there" >&2
        exit 1
        ;;
    *) exit 2 ;;
esac
P
chmod +x disk
"$nbdkit" --version

background=0
"$nbdkit" -U "$folder/socket" -P "$folder/pid" "$plugin" "$folder/disk" || background=$?
sleep 2
written=no socket=no lives=no
[ ! -s pid ] || written=yes
[ ! -S socket ] || socket=yes
! grep -q . "/proc/$(cat pid)/cmdline" 2> /dev/null || lives=yes # empty of one that has ended and isn't waited for
rm -f socket
foreground=0
timeout 10 "$nbdkit" -f -U "$folder/socket" "$plugin" "$folder/disk" 2> said || foreground=$?
echo "after_fork fails: in the background exit status $background, pid file $written, socket $socket, process $lives;"
echo "in the foreground exit status $foreground: $(tail -n 1 said)"
[ "$background $written $socket $lives $foreground" = "0 yes yes no 1" ]
