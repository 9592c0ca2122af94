# --help, of the command and of each subcommand, goes to standard output and succeeds.
# mount: none
says mount "$GMEMFS" --help
for subcommand in mount umount stat df doctor test version; do
    "$GMEMFS" "$subcommand" --help > said 2> complaints
    grep -q "gmemfs $subcommand" said
    nothing cat complaints
done
