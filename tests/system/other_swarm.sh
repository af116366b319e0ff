# A certificate of another swarm admits nobody, and a DIR mixed from two swarms does not run.
. "$(dirname "$0")/lib.sh"
swarm a
start a
swarm z
start z
foreign=$(token z)
invite=$(token a)
timeout $((30 * slow)) "$TOOLS/hostile" "$invite" other-swarm "$foreign" >"$T/err" 2>&1 || fail "$(tail -n 1 "$T/err")"
[ "$(field a peers_known)" = 0 ] || fail 'a stranger is known as a peer'
member "$foreign" y
eventually 15 holds y exchanges_done -ge 1
stop y
good join "$invite" b --data "$GLYPHS"
cp y/member b/member
bad 3 run b
says 'do not belong together \(belongs to another swarm\)'
member "$invite" c
exchanges_on a 15
