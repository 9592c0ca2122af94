# libgmemfs.so exports its interface and nothing else, has a versioned soname, and needs no more than the C and C++ runtimes.
# needs: nm readelf
# mount: none
# Pairs of functions that are called by their number stand there once, as N.
header=$(grep -ohE '\bgmemfs_[a-z_]+N?\(' "$TESTS"/../../client/lib/gmemfs{,_pool}.h | tr -d '(' | sort -u)
exported=$(nm -D --defined-only "$BUILD/libgmemfs.so" | awk '$2 == "T" { sub("@.*", "", $3); print $3 }' |
    sed 's/_in_[0-9]*$/_in_N/' | sort -u)
is "$exported" "$header"
is "$(nm -D --defined-only "$BUILD/libgmemfs.so" | grep -cE ' T gmemfs_(allocate|free)_in_(1[0-5]|[0-9])@')" 32
is "$(nm -D --defined-only "$BUILD/libgmemfs.so" | awk '$2 != "T" && $3 !~ /^GMEMFS_0/' | wc -l)" 0
says 'soname: \[libgmemfs.so.0\]' readelf -d "$BUILD/libgmemfs.so"
needed=$(readelf -d "$BUILD/libgmemfs.so" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p')
grep -q '^libc\.so' <<< "$needed"
fails grep -vE '^(libc|libm|libdl|libpthread|libstdc\+\+|libgcc_s|ld-linux.*|lib[atu]*[lbs]*san)\.so' <<< "$needed"
