# The example unit under systemd: start, a server and a supervisor that are killed, stop with a save, a save that fails, poweroff.
# mount: none
# needs: unshare nsenter
# timeout: 180
needs_linux_that_asks_again
[ -z "${SANITIZE:-}" ] || skip "the unit's sandbox isn't made for a sanitizer"
. "$TESTS/systemd/machine.bash"
export BUILD
machine_start
unit=gmemfs@mnt-gpu.service
echo 'OPTIONS=--simulate=64M --on-shutdown=save:/var/lib/gmemfs/gpu.snapshot --log=/var/lib/gmemfs/log' > etc/mnt-gpu.conf
is_state() { [ "$(inside systemctl show -P ActiveState $unit)" = "$1" ]; }
waits_for() { # waits_for 'CONDITION'
    for _ in $(seq 200); do eval "$1" && return; sleep 0.05; done
    echo "in vain: $1"
    inside systemctl status --no-pager $unit || true
    tail -20 kmsg
    false
}
server() { inside gmemfs stat --json /mnt/gpu | json 'd["server_pid"]'; }
content() { inside cat /mnt/gpu/f; }
write() { inside bash -c "echo $1 > /mnt/gpu/f"; }

inside systemctl start $unit
is_state active
main=$(inside systemctl show -P MainPID $unit)
is "$(inside cat "/proc/$main/comm")" gmemfs
is "$(inside ps -o ppid= -p "$(server)" | tr -d ' ')" "$main" # systemd watches the supervisor
is "$(inside stat -c '%a %U' /run/gmemfs /var/lib/gmemfs | sort -u)" "700 root"
write first

# The supervisor starts another server, and systemd needn't know.
pid=$(server)
inside kill -KILL "$pid"
waits_for '[ "$(content)" = first ]'
differs "$(server)" "$pid"
is_state active

inside systemctl stop $unit
is_state inactive
"$GMEMFS" restore --check state/gpu.snapshot
is "$(inside pgrep -cf gmemfs || true)" 0
inside systemctl start $unit
is "$(content)" first

# Without its supervisor the unit has failed: what stops it saves, and it is started again, with everything.
write second
inside kill -KILL "$(inside systemctl show -P MainPID $unit)"
waits_for '[ "$(inside systemctl show -P NRestarts $unit)" = 1 ]'
waits_for "is_state active"
is "$(content)" second

# A save that fails: stopping fails, nothing is killed, and what was to be saved is mounted still.
write third
mkdir -p state/small
inside mount -t tmpfs -o size=4k tmpfs /var/lib/gmemfs
inside mkdir -p /run/systemd/system/$unit.d
inside bash -c "printf '[Service]\nTimeoutStopSec=2\n' > /run/systemd/system/$unit.d/soon.conf"
inside systemctl daemon-reload
inside bash -c 'head -c 1M /dev/urandom > /mnt/gpu/large'
inside systemctl stop $unit || true
is_state failed
is "$(content)" third
inside umount /var/lib/gmemfs
inside gmemfs umount /mnt/gpu
waits_for '[ "$(inside pgrep -cf gmemfs || true)" = 0 ]' # supervisor and keeper end a moment after the unmount
inside systemctl reset-failed $unit
inside systemctl start $unit
is "$(content)" third

# The machine is switched off.
write fourth
machine_stop
mkdir restored
"$GMEMFS" restore state/gpu.snapshot restored
is "$(cat restored/f)" fourth
