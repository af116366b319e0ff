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
# Nor does a port that another has; and one's own is no obstacle.
cp b/config.ini kept.ini
taken=$(sed -nE 's/^listen *= *//p' a/config.ini)
sed -i -E "s|^listen *=.*|listen = $taken|" b/config.ini
kill -HUP "${PID[b]}"
eventually 10 logged b "cannot listen on $taken"
alive b || fail 'a port that is taken ended a running node'
exchanges_on b
sed -E 's|^(listen *= *)tcp://127.0.0.1:|\1tcp://0.0.0.0:|' kept.ini >b/config.ini
kill -HUP "${PID[b]}"
eventually 10 logged b 'ready.* listen=tcp://0.0.0.0:'
cp kept.ini b/config.ini
eventually 10 answers b
# However long the data take to read, the node runs on meanwhile; and a second signal counts.
lines() { grep -c "event=\"$1\"" "$T/b.log"; }
read=$(lines reload) starts=$(lines ready)
sed -E 's|^data *=.*|data = builtin:glyphs,train=150000,test=100|' kept.ini >b/config.ini
kill -HUP "${PID[b]}"
sleep 0.2
good status b
[ "$(lines reload)" = "$read" ] || fail 'the node was deaf until it had read its data'
cp kept.ini b/config.ini
kill -HUP "${PID[b]}"
started_anew() { [ "$(lines ready)" -gt "$starts" ]; }
eventually 60 started_anew
eventually 10 answers b
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
