# The same key running twice: everyone raises an alarm.
. "$(dirname "$0")/lib.sh"
swarm a
start a
invite=$(token a)
member "$invite" b
eventually 15 holds b exchanges_done -ge 1
stop b
cp -a b twin
sed -i -E "s|^listen *=.*|listen = tcp://127.0.0.1:$(port)|" twin/config.ini
launch b
launch twin
eventually 30 holds a alarms -ge 1
either() { holds b alarms -ge 1 || holds twin alarms -ge 1; } # whichever came second is shown the other's record
eventually 30 either
answers a || fail 'the others suffered'
good status a
says 'alarm'
