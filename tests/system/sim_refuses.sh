# What is wrong with a scenario or a command line is said before anything starts: what, where, and what to do.
. "$(dirname "$0")/lib.sh"
unset GV_DATA # what it says depends on it
scenario() { # LINES...: makes s.ini, of defaults for what no line of [swarm] says, in any case of four lines
    local key
    printf '[swarm]\n' >s.ini
    for key in 'mode = mean' 'nodes = 10' 'duration = 2s'; do
        case " $* " in *" ${key%% *} = "*) key="# ${key%% *}" ;; esac
        echo "$key" >>s.ini
    done
    printf '%s\n' "$@" >>s.ini
}
refuse() { # PATTERN LINES...
    local pattern=$1
    shift
    scenario "$@"
    bad 3 sim s.ini --out never
    says "$pattern"
    [ ! -e never/summary.json ] || fail "it ran with $*"
}
bad 2 sim
says 'scenario'
bad 2 sim a.ini b.ini
bad 2 sim a.ini --thraeds 1
says 'threads'
bad 2 sim a.ini --threads 0
bad 2 sim a.ini --threads many
bad 2 sim a.ini --seed -1
bad 2 sim a.ini --seed
bad any sim nowhere.ini
says 'nowhere\.ini'
bad any sim .

# The nearest key, section and value; file and line.
refuse 's\.ini:5.*nods.*nodes' 'nods = 7'
refuse 'network' '[netwrk]' 'latency = 1ms'
refuse 'elements.*swarm|swarm.*elements' '[network]' 'elements = 7'
refuse 'mode' 'mode = average'
scenario
bad 3 sim s.ini --set swarm.nods=7
says 'nodes'
bad any sim s.ini --set swarm
bad any sim s.ini --set nodes=7

# Units.
refuse 's\.ini:6.*(unit|ms)' '[network]' 'latency = 50'
refuse 'unit|%' '[network]' 'loss = 5'
refuse 'bandwidth.*(unit|Mbit)' '[network]' 'bandwidth = 20'
refuse 'lognormal|uniform' '[network]' 'latency = normal:5ms,1ms'
refuse 'loss' '[network]' 'loss = 80%'
refuse 'at|time' '[faults]' 'kill = 50%'
refuse 'after the end' '[faults]' 'kill = 50% at 5min'

# Settings that contradict each other; data that is not there.
refuse 'churn\.(session|rate)' '[churn]' 'rate = 5%/min' 'session = 5min'
refuse 'learning\.model' '[learning]' 'model = softmax:784-10'

refuse '/nowhere/at/all' 'mode = train' '[learning]' 'data = idx:/nowhere/at/all'
refuse 'GV_DATA' 'mode = train' '[learning]' 'data = idx:$GV_DATA/nothing'
refuse '600' 'nodes = 700' 'mode = train' '[learning]' 'data = builtin:glyphs,train=600,test=10'

# More memory than there is, with the estimate, before the run.
scenario
start=$SECONDS
bad 3 sim s.ini --set swarm.nodes=1000000 --set swarm.elements=1000000
says 'GB of memory'
says 'swarm.nodes='
[ $((SECONDS - start)) -lt 10 ] || fail 'that took long to find out'

# A folder that cannot be had, before the run. Root may write anywhere, but not below a file.
scenario 'duration = 100h'
touch file
bad any sim s.ini --out file/below
says 'file'
bad any sim s.ini --out file
if [ "$(id -u)" != 0 ]; then
    mkdir shut
    chmod 500 shut
    bad any sim s.ini --out shut/below
    says 'shut'
fi
mkdir other
echo precious >other/thesis.txt
bad any sim s.ini --out other
says 'other'
[ "$(cat other/thesis.txt)" = precious ] || fail 'it touched what was there'
# What a file says twice; what it says nothing of; what a terminal would obey.
printf '[swarm]\nnodes = 5\nnodes = 6\nmode = mean\n' >s.ini
bad 3 sim s.ini
says 's\.ini:3.*line 2'
: >s.ini
good sim s.ini --set swarm.mode=mean --set swarm.nodes=5 --set swarm.duration=2s
says 'sets nothing'
printf '[swarm]\nno\033[31mdes = 5\n' >s.ini
bad 3 sim s.ini
says 'no.x1b.31mdes'
grep -q "$(printf '\033')" err && fail 'an escape of the file reached the terminal'
# A file that may not grow is a full disk: what a run found out is printed all the same.
scenario 'elements = 1'
(
    ulimit -f 8
    gv sim s.ini --json --out full --set report.every=20ms
    exit "$code"
)
[ $? = 1 ] || fail 'a full disk was not noticed'
grep -q '"trace_hash"' out || fail 'the results are lost'
says 'cannot be written'
# Results that do not get out are a failure.
scenario
timeout 20 "$GRAPEVINE" sim s.ini >/dev/full 2>err && fail 'a full disk was not noticed'
true
