# kernel: 12 13
# memory: 320M
# device: 128M
# modules: nbd
# A worker that stands still for longer than the kernel's patience (the requests' timeout, 2 s): the kernel gives its
# connections up, and it is given others.
block nbd 100M
random in 64
dd if=in of="$DEVICE" bs=256k oflag=direct 2> /dev/null &
writer=$!
worker=$(told_of worker)
sleep 1
kill -STOP "$worker"
sleep 6
kill -CONT "$worker"
i=0
while kill -0 "$writer" && [ "$i" -lt 30 ]; do i=$((i + 1)); sleep 1; done
kill -0 "$writer" && fail 'the writer still waits'
wait "$writer" || fail 'the writer saw an error'
dd if="$DEVICE" of=out bs=1M count=64 iflag=direct 2> /dev/null
cmp in out
detach
