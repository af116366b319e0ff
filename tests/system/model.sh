# eval, predict and export of the served model; --raw is the node's own.
. "$(dirname "$0")/lib.sh"
swarm a
bad any eval a --data "$GLYPHS"
start a
eventually 10 holds a checkpoints -ge 1
stop a
good eval a --data "$GLYPHS" --json
says '"accuracy": [01]\.'
good eval a --data "$GLYPHS" --raw
good predict a --data "$GLYPHS"
[ "$(wc -l <"$T/out")" -ge 100 ] || fail 'a line per row'
good export a model.safetensors
# Eight bytes of length, little-endian, then a JSON header, then 7850 float32 values.
length=$(od -An -tu8 -N8 model.safetensors | tr -d ' ')
[ "$(stat -c %s model.safetensors)" = $((8 + length + 4 * 7850)) ] || fail 'the size does not add up'
tail -c +9 model.safetensors | head -c "$length" | grep -q '"layer0.weight"' || fail 'the header lacks a tensor'
bad 3 eval a --data csv:missing.csv
bad any eval nowhere --data "$GLYPHS"
