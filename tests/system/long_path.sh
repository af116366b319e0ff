# A path longer than a socket address allows is an error that says so.
. "$(dirname "$0")/lib.sh"
deep=$T/$(printf 'd%.0s' {1..60})/$(printf 'e%.0s' {1..60})
mkdir -p "$deep"
gv create "$deep/a" --name long --model "$MODEL" --data "$GLYPHS" --listen "tcp://127.0.0.1:$(port)"
if [ "$code" = 0 ]; then
    bad 3 run "$deep/a"
fi
says '10[78]'
says 'path|long'
