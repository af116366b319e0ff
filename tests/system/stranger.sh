# Strangers: bytes that are no ZeroMQ, a wrong server key, no encryption, no HELLO, garbage instead of a HELLO. Each is
# dropped; the swarm does not notice.
. "$(dirname "$0")/lib.sh"
swarm a
start a
invite=$(token a)
member "$invite" b
eventually 15 holds a exchanges_done -ge 1
where=$(field a listening)
at=${where##*:}
for ((i = 0; i < 20; i++)); do
    (exec 3<>"/dev/tcp/127.0.0.1/$at" && head -c 4000 /dev/urandom >&3) 2>/dev/null
done
(exec 3<>"/dev/tcp/127.0.0.1/$at" && printf 'GET / HTTP/1.0\r\n\r\n' >&3 && timeout 5 cat <&3 >/dev/null)
for mode in wrong-key plain silent garbage truncated oversized multipart wrong-version; do
    timeout $((30 * slow)) "$TOOLS/stranger" "$invite" "$mode" >"$T/err" 2>&1 || fail "stranger $mode: $(tail -n 1 "$T/err")"
    answers a || fail "the node does not answer after $mode"
done
exchanges_on a
exchanges_on b
[ "$(field a peers_active)" = 1 ] || fail 'a stranger became a neighbour'
good status a --check
