# What a daemon saves on its way down is read before `revoke` and `update`, which waited for it, write theirs.
. "$(dirname "$0")/lib.sh"
swarm a
someone=$(printf '%064d' 1)
another=$(printf '%064d' 2)
cp -r a other
good revoke other "$someone"
good update other --set rate=0.03
# A daemon that nobody can speak to holds the lock; what it leaves behind is the other folder's.
wait_for() { # FILE COMMAND ARGS...: the command's status, in $code, once the daemon has gone and has left FILE
    start a
    rm a/control.sock
    timeout $((60 * slow)) "$GRAPEVINE" "${@:2}" >"$T/out" 2>"$T/err" </dev/null &
    local waiting=$!
    sleep $((1 * slow))
    kill -0 "$waiting" 2>/dev/null || fail "grapevine $2 does not wait: $(cat "$T/err")"
    cp "other/$1" "a/$1"
    murder a
    wait "$waiting"
    code=$?
}
wait_for trust revoke a "$another"
[ "$code" = 0 ] || fail "revoke: status $code"
[ "$(stat -c %s a/trust)" -gt $(($(stat -c %s other/trust) * 3 / 2)) ] || fail 'what the daemon had learnt is lost'
wait_for manifest update a --set rate=0.04
[ "$code" = 3 ] || fail "update: status $code, expected 3"
says 'manifest 2 has come into force meanwhile'
cmp a/manifest other/manifest || fail 'of two manifests of one version the second was written over the first'
good update a --set rate=0.04
