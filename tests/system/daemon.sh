# --daemon returns once the node listens, or says why it does not.
. "$(dirname "$0")/lib.sh"
swarm a
good run a --daemon
answers a || fail 'the parent returned before the node answered'
PID[a]=$(tr -dc 0-9 <a/lock)
bad 5 run a --daemon
good stop a
gone() { ! kill -0 "${PID[a]}" 2>/dev/null; }
eventually 10 gone
[ -s a/log ] || fail 'a daemon logs into its DIR'
sed -i -E 's|^data *=.*|data = csv:missing.csv|' a/config.ini
bad 3 run a --daemon
says 'missing.csv'
