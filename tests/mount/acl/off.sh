# With --acl=off there are no access control lists, and the umask counts all the same.
# options: -o allow_other --acl=off
# needs: setfacl
expect_error "Operation not supported" setfacl -m u:5:r "$MNT"
is "$(errno_of "os.getxattr('$MNT', 'system.posix_acl_access')")" ENOTSUP
is "$(errno_of "os.removexattr('$MNT', 'system.posix_acl_default')")" ENOTSUP
(umask 027; touch "$MNT/f"; mkdir "$MNT/d"; mkfifo "$MNT/p")
is "$(mode_of "$MNT/f") $(mode_of "$MNT/d") $(mode_of "$MNT/p")" "640 750 640"
