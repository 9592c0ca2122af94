# A name holds 255 bytes, and no more.
# posix
long=$(printf 'n%.0s' {1..255})
touch "$MNT/$long"
[ -f "$MNT/$long" ]
expect_error "File name too long" touch "$MNT/${long}x"
expect_error "File name too long" mkdir "$MNT/${long}x"
is "$(getconf NAME_MAX "$MNT")" 255
