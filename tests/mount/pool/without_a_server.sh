# A program goes on where the mount can't take its memory, and says so once.
# server: killed
needs_plain_pool
start_run "$BUILD/pool/program" needed alloc=3000 write=1 wait alloc=40000000 write=2 read=2 alloc=50000000 write=3 read=3 wait 2> said
said ready
kill_server
go_on
said ready
end_run
is "$(grep -c "what can't be listed is no file" said)" 1
