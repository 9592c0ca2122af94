# ACLs and inode flags, those that were taken away included, are as they were after the server's death.
# mount: none
# needs: setfacl getfacl chattr lsattr
needs_root
needs_linux_that_asks_again
"$GMEMFS" mount "$MNT" --simulate=256M
cd "$MNT"
mkdir d
setfacl -m u:5:rwx,d:u:6:rx d
touch d/inherited f gone plain
setfacl -m u:5:rw f gone
chmod 600 f
setfacl -b gone
chattr +i f
chattr +a d
chattr +id plain
chattr -i plain
shown() { getfacl -nR . 2>&1; lsattr -R . | sort; }
shown | sort > ../before
server=$(server_pid)
crash_server "$server"
shown | sort > ../after
diff ../before ../after
grep -q 'user:6:r-x' ../after
expect_error "Operation not permitted" bash -c 'echo x > f'
expect_error "Operation not permitted" rm d/inherited
rm plain
chattr -i f
chattr -a d
rm -r d f
cd ..
"$GMEMFS" umount "$MNT"
