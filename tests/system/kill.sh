# A node killed in the middle of exchanges disturbs nobody, and comes back as the same node under a higher incarnation.
. "$(dirname "$0")/lib.sh"
# Larger than what rides inline, so that exchanges take several messages.
MODEL=mlp:784-256-10
swarm a --set local_steps=2
start a
invite=$(token a)
member "$invite" b
member "$invite" c
eventually 20 holds c exchanges_done -ge 5
id=$(field c node_id)
for round in 1 2 3; do
    before=$(field c incarnation)
    murder c
    exchanges_on a
    alive a && alive b || fail 'a neighbour died too'
    start c
    [ "$(field c node_id)" = "$id" ] || fail 'another identity'
    holds c incarnation -gt "$before" || fail 'the incarnation did not rise'
    exchanges_on c 20
done
[ "$(field a alarms)" = 0 ] || fail "an alarm: $(field a last_alarm)"
stop a
stop b
stop c
