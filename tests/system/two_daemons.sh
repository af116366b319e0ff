# Only one process at a time uses a DIR.
. "$(dirname "$0")/lib.sh"
swarm a
start a
bad 5 run a
says "${PID[a]}|in use|another"
answers a || fail 'the first one suffered'
murder a
start a
stop a
