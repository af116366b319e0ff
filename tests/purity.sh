#!/bin/bash
# purity.sh: what `make check-purity` checks. The core may call almost nothing and computes with integers only; proto and
# learn know nothing of each other or of what stands above them.
set -u
cd "$(dirname "$0")/.."
bad=0
complain() {
    echo "purity: $*" >&2
    bad=1
}
folder=build/purity
rm -rf "$folder"
mkdir -p "$folder"
cc=${CC:-gcc}

# Undefined symbols of an archive or of objects taken together.
undefined() {
    nm -u "$@" | awk '$1 == "U" {print $2}' | sort -u
}
defined() {
    nm --defined-only "$@" | awk 'NF == 3 && $2 ~ /[TDRBVW]/ {print $3}' | sort -u
}

# Floating point has no registers here: any use becomes a compiler error or a call that is not on the list.
integers=
[ "$(uname -m)" = x86_64 ] && integers=-mgeneral-regs-only
objects=()
for source in node/core/*.c; do
    [ -e "$source" ] || continue
    object=$folder/$(basename "$source" .c).o
    # shellcheck disable=SC2086
    "$cc" -std=c17 -O2 $integers -Iinclude -Inode/core -c -o "$object" "$source" || complain "$source does not compile"
    objects+=("$object")
done
if [ "${#objects[@]}" -gt 0 ]; then
    allowed='memcpy memset memmove memcmp gv_assert_fail __stack_chk_fail _GLOBAL_OFFSET_TABLE_'
    extra=$(comm -23 <(undefined "${objects[@]}") <( (defined "${objects[@]}"; tr ' ' '\n' <<<"$allowed") | sort -u))
    [ -z "$extra" ] || complain "the core calls:" $extra
    writable=$(nm "${objects[@]}" | awk '$2 ~ /[bBdDC]/ {print $3}')
    [ -z "$writable" ] || complain "the core has mutable globals:" $writable
fi

# No group refers to a gv_ symbol outside itself (gv_assert_fail apart).
make MODE=release build/release/libproto.a build/release/liblearn.a build/release/libcore.a || complain 'the groups do not build'
for group in proto core learn; do
    archive=build/release/lib$group.a
    foreign=$(comm -23 <(undefined "$archive" | grep '^gv_' | grep -v '^gv_assert_fail$') <(defined "$archive"))
    [ -z "$foreign" ] || complain "$group refers to what is outside it:" $foreign
done

[ "$bad" = 0 ] && echo 'purity: clean'
exit "$bad"
