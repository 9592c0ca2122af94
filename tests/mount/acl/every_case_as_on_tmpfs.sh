# Modes, ACLs and access come out as on tmpfs for many default ACLs, umasks, modes, users; what is no ACL is refused.
# options: -o allow_other
# timeout: 120
needs_root
steps() {
    if [ "$(stat -f -c %T .)" = tmpfs ]; then python3 "$TESTS/acl/cases.py"; else python3 "$TESTS/acl/cases.py" ticket; fi
}
same_on_tmpfs steps
[ "$(wc -l < gmemfs.said)" -gt 1500 ]
fails grep -q Traceback gmemfs.said
