# A paused node serves others but takes no step; resume goes on.
. "$(dirname "$0")/lib.sh"
swarm a
start a
member "$(token a)" b
eventually 15 holds b exchanges_done -ge 1
good pause b
sleep 0.5
steps=$(field b steps)
before=$(field b exchanges_done)
sleep 1
[ "$(field b steps)" = "$steps" ] || fail 'it trains while paused'
eventually 10 holds b exchanges_done -gt "$before"
good resume b
eventually 10 holds b steps -gt "$steps"
