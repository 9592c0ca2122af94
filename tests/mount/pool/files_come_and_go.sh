# Arenas and large allocations are files with the program's bytes while it runs: others read them, and map them, and can't
# take them away. They go when the memory is freed, and with the process, and then nothing is used.
# size: 512M
needs_plain_pool
start_run "$BUILD/pool/program" needed alloc=3000 write=1 create=0x4000000 write=2 alloc=40000000 write=3 read=3 wait free wait
said ready
here=$MNT/work/program.$PROGRAM_PID
is "$(ls "$here" | tr '\n' ' ')" "alloc-000000-64MiB alloc-000001-40MiB arena-0 "
is "$(stat -c %s,%a "$here"/* | tr '\n' ' ')" "67108864,600 41943040,600 67108864,600 "
is "$(head -c 3000 "$here/arena-0" | tr -d '\1' | wc -c)" 0
is "$(tr -d '\2' < "$here/alloc-000000-64MiB" | wc -c)" 0
"$GMEMFS" cp "$here/alloc-000001-40MiB" copy # maps it, as a peer does
is "$(head -c 40000000 copy | tr -d '\3' | wc -c)" 0
expect_error "Device or resource busy" rm -f "$here/arena-0"
expect_error "Device or resource busy" mv copy "$here/arena-0"
expect_error "Device or resource busy" truncate -s 0 "$here/alloc-000000-64MiB"
is "$(errno_of "open('$here/arena-0', 'w')")" EBUSY
mv "$here/alloc-000000-64MiB" "$MNT/renamed" # which takes nothing from the program
go_on
said ready
soon test ! -e "$here/alloc-000001-40MiB"
is "$(ls "$here")" arena-0
end_run
soon test ! -e "$here"
soon test ! -e "$MNT/renamed"
is "$(ls -A "$MNT/work" | wc -l)" 0

# What a program makes and maps itself is a file, however small.
start_run "$BUILD/pool/program" needed create=0x200000 write=4 create=0x1400000 write=5 wait free free wait
said ready
here=$MNT/work/program.$PROGRAM_PID
is "$(ls "$here" | tr '\n' ' ')" "alloc-000000-2MiB alloc-000001-20MiB "
is "$(tr -d '\5' < "$here/alloc-000001-20MiB" | wc -c)" 0
is "$("$GMEMFS" pool stat --json "$MNT/work" | json 'd[0]["held"], d[0]["bytes"]')" "(23068672, 23068672)"
go_on
said ready
soon test ! -e "$here/alloc-000000-2MiB"
soon test ! -e "$here/alloc-000001-20MiB"
end_run
is "$("$GMEMFS" stat --json "$MNT" | json 'd["used"]')" 0
