# A member that misbehaves: wrong layout, NaN and infinity, garbage, frames cut short or too large or with MORE, messages
# out of turn. Each is refused and counted, and no parameter is touched.
. "$(dirname "$0")/lib.sh"
swarm a
start a
invite=$(token a)
member "$invite" b
eventually 15 holds a exchanges_done -ge 1
attack() { # MODE REASON
    timeout $((40 * slow)) "$TOOLS/hostile" "$invite" "$1" >"$T/err" 2>&1 || fail "hostile $1: $(tail -n 1 "$T/err")"
    eventually 5 refused a "$2"
    answers a || fail "the node does not answer after $1"
}
attack layout ERR_LAYOUT
attack epoch ERR_EPOCH
attack nan ERR_NONFINITE
attack infinity ERR_NONFINITE
attack garbage ERR_MALFORMED
attack truncated ERR_TRUNCATED
attack multipart ERR_MULTIPART
attack short-state ERR_CHUNK
timeout $((40 * slow)) "$TOOLS/hostile" "$invite" offer-abort >"$T/err" 2>&1 || fail "hostile offer-abort: $(tail -n 1 "$T/err")"
alive a || fail 'a burst of OFFERs and ABORTs stopped the node'
exchanges_on a 20
exchanges_on b 20
good eval a --data "$GLYPHS" --json
says '"loss": [0-9.]+'
