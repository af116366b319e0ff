# Readiness: a datagram to NOTIFY_SOCKET once the node listens.
. "$(dirname "$0")/lib.sh"
swarm a
timeout $((20 * slow)) "$TOOLS/notify" "$T/ready.sock" "$GRAPEVINE" run a >"$T/a.log" 2>&1 || fail "$(tail -n 1 "$T/a.log")"
grep -q 'READY=1' "$T/a.log" || fail 'no READY=1'
