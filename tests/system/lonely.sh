# A node without neighbours says why in one line; refusals are told apart by direction; `peers` says why each peer is in
# its state.
. "$(dirname "$0")/lib.sh"
lonely_is() { # DIR PATTERN
    "$GRAPEVINE" status "$1" --json 2>/dev/null | grep -qE "\"lonely\": \"no neighbour: .*$2"
}
swarm a
start a
# Nobody has been invited yet.
eventually 10 lonely_is a 'it knows nobody to dial, and nobody has dialled it at tcp://127.0.0.1'
good status a
says 'no neighbour: it knows nobody'
gv status a --check
[ "$code" = 1 ] || state_is a joining || fail 'an isolated node counts as healthy'

# Neighbours: nothing to explain, and each side knows who dialled.
member "$(token a)" b
eventually 15 holds b exchanges_done -ge 1
"$GRAPEVINE" status b --json | grep -q '"lonely": null' || fail 'a node with a neighbour is called lonely'
eventually 10 counts a dialled_by loopback 1
good peers b
says 'active +out'
good peers a
says 'active +in'

# The only seed is gone: dials fail, and why.
member "$(token a)" c
eventually 15 holds c exchanges_done -ge 1
stop b
stop c
stop a
start b
eventually 20 lonely_is b 'dials? to 1 seed.* failed \(nothing answers at that address\)'
counts b dial_failures ERR_UNREACHABLE || fail 'the failed dials have no reason'
good status b
says 'why they fail +[0-9]+ ERR_UNREACHABLE \(nothing answers'
logged b 'event="dial failed" to=tcp://127.0.0.1:[0-9]+ why="nothing answers at that address"' || fail 'no line in the log'
eventually 15 state_is b isolated
bad 1 status b --check
says 'not healthy: isolated: no neighbour: [0-9]+ dial'
stop b

# A peer that is gone stays listed with its last failure.
start a
start b
eventually 15 holds b exchanges_done -ge 1
murder a
forgotten() { "$GRAPEVINE" peers b --json | grep -q '"last_error": "[a-z ]*\(took too long\|lost\|nothing answers\)'; }
eventually 40 forgotten
good peers b
says 'ago'
"$GRAPEVINE" peers b --json | grep -q '"last_error_s": [0-9]' || fail 'no age of the failure'
start a
eventually 30 exchanges_on b 25
stop b

# Refused: the invite expires between joining and running.
brief=$(token a --expires 2s)
good join "$brief" d --data "$GLYPHS"
tame d
sleep 3
launch d
ended d 4 20
logged d 'event="refused by peer".*reason="the invite has expired"' || fail 'the refusal is not in the log'
counts a refusals ERR_EXPIRED || fail 'the member does not count whom it refuses'
stop a
