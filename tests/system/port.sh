# An occupied port: an error that names it.
. "$(dirname "$0")/lib.sh"
swarm a
start a
where=$(field a listening)
good create b --name other --model "$MODEL" --data "$GLYPHS" --listen "$where"
bad any run b
says "${where##*:}"
answers a || fail 'the first one suffered'
bad 3 create c --name other --model "$MODEL" --data "$GLYPHS" --listen nonsense
bad 3 create c --name other --model "$MODEL" --data "$GLYPHS" --listen tcp://127.0.0.1:99999
