# SIGTERM: checkpoint, farewell, status 0. SIGHUP: configuration and data are read again; a mistake in them is told and
# changes nothing.
. "$(dirname "$0")/lib.sh"
swarm a
start a
member "$(token a)" b
eventually 15 holds b exchanges_done -ge 1
echo 'log_level = debug' >>b/config.ini
kill -HUP "${PID[b]}"
eventually 10 logged b ' debug '
alive b || fail 'SIGHUP ended it'
echo 'evaluat = 5s' >>b/config.ini
kill -HUP "${PID[b]}"
eventually 10 logged b 'evaluat'
alive b || fail 'a mistake in the configuration ended a running node'
exchanges_on b
bad 3 config b
says 'evaluate'
sed -i '$d' b/config.ini
steps=$(field b steps)
kill -TERM "${PID[b]}"
ended b 0
logged b 'stopping'
gv status b
says 'checkpoint'
start b
holds b steps -ge "$steps" || fail 'SIGTERM lost steps'
kill -INT "${PID[b]}"
ended b 0
