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
# Whoever starts it may have closed the standard descriptors: what it opens itself must not get its log.
"$GRAPEVINE" run a --daemon <&- >&- 2>&- || fail 'without standard descriptors it does not become a daemon'
PID[a]=$(tr -dc 0-9 <a/lock)
good stop a
eventually 10 gone
"$GRAPEVINE" run a </dev/null >/dev/null 2>&- &
PID[a]=$!
eventually 10 answers a
[ "$(cat a/lock)" = "${PID[a]}" ] || fail 'the log is written into another file'
stop a
sed -i -E 's|^data *=.*|data = csv:missing.csv|' a/config.ini
bad 3 run a --daemon
says 'missing.csv'
mkdir none
bad 3 run none --daemon
says 'holds no node'
[ ! -e none/log ] || fail 'it leaves a log in a folder that is no node'
bad 3 run nowhere --daemon
says 'holds no node'
