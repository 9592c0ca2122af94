# A handle writes as well as reads, so only who may do both gets one.
# options: -o allow_other
needs_root
truncate -s 2M "$MNT/f"
for mode in 600 644 666; do
    chmod "$mode" "$MNT/f"
    got=$(as_nobody getfattr --absolute-names --only-values -n user.fabric_handle "$MNT/f" 2>/dev/null | wc -c || true)
    is "$mode $got" "$mode $([ "$mode" = 666 ] && echo 64 || echo 0)"
done
chmod 644 "$MNT/f"
[[ $(as_nobody python3 -c "import os; os.getxattr('$MNT/f', 'user.fabric_handle')" 2>&1) =~ (EACCES|EPERM|denied|permitted) ]]
