# Parent and child, each started by itself: the parent waits for Enter.
client=("$BUILD/test-client" --driver "$BUILD/sim/libcuda.so.1")
mkfifo enter says
"${client[@]}" --parent "$MNT/shared" < enter > says &
parent=$!
exec 3> enter 4< says
while read -r line <&4; do
    echo "$line"
    [[ $line != "now run in another terminal"* ]] || break
done
"${client[@]}" --child "$MNT/shared"
echo >&3
wait $parent
