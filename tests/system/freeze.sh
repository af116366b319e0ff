# A node that stands still for longer than its peers wait (a laptop asleep, a paused virtual machine) goes on as the same
# node when it wakes.
. "$(dirname "$0")/lib.sh"
swarm a
start a
member "$(token a)" b
eventually 15 holds b exchanges_done -ge 5
kill -STOP "${PID[b]}"
sleep 26
kill -CONT "${PID[b]}"
sleep 7 # as long as anything periodic in the link layer
alive b || fail 'the node ended when it woke'
exchanges_on b 30
exchanges_on a 30
alive a || fail 'its peer ended'
