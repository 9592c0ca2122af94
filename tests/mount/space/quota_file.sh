# --quota FILE: a line a user; and what is wrong with it is said.
# mount: none
printf '# who  what\n12345 4M\n\nroot 1G # and more\n' > limits
says 'quota = 0=1073741824,12345=4194304' "$GMEMFS" mount --simulate=256M --quota limits --print-options "$MNT"
echo '12345' > limits
status=0; said=$("$GMEMFS" mount --simulate --quota limits "$MNT" 2>&1) || status=$?
is "$status" 2
[[ $said == *"line 1: it is not like"* ]]
status=0; said=$("$GMEMFS" mount --simulate --quota nosuchuser=1M "$MNT" 2>&1) || status=$?
is "$status" 2
[[ $said == *"there is no user 'nosuchuser'"* ]]
