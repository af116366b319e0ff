# A newcomer whose invite is spent by someone else ends with status 4 and says so; `run --steps` without data is an error.
. "$(dirname "$0")/lib.sh"
swarm a
start a
once=$("$GRAPEVINE" invite a --uses 1 2>/dev/null)
good join "$once" b --data "$GLYPHS" --listen "tcp://127.0.0.1:$(port)"
good join "$once" c --data "$GLYPHS" --listen "tcp://127.0.0.1:$(port)"
tame b
start b
eventually 15 holds b exchanges_done -ge 1
bad 4 run c
says 'used up'
alive b || fail 'who had used the invite is gone'
good create d --name lone --model softmax:4-2 --listen "tcp://127.0.0.1:$(port)"
bad 3 run d --steps 5
says 'data'
