#!/bin/bash
# style.sh: what `make check-style` checks. Every rule that can be checked by a program is checked here.
set -u
cd "$(dirname "$0")/.."
bad=0
complain() {
    echo "style: $*" >&2
    bad=1
}

mapfile -t sources < <(find include proto node sim tests \( -name '*.c' -o -name '*.h' \) -print 2>/dev/null | sort)
mapfile -t texts < <(find Makefile README.md include proto node sim tests .ci -type f \
    ! -name '*.bin' ! -name '*.gz' ! -path '*/corpus/*' -print 2>/dev/null | sort)

# Only these lie at the top.
while IFS= read -r entry; do
    case $entry in
    Makefile | README.md | include | node | proto | sim | tests | build | .*) ;;
    *) complain "$entry does not belong at the top level" ;;
    esac
done < <(ls -A)

awk -f tests/style.awk "${sources[@]}" || bad=1

# Words that mark unfinished work.
words='[T]ODO|[F]IXME|\b[X]XX\b|\b[H]ACK\b|[f]or now\b|[s]implified|[p]laceholder'
grep -nE "$words" "${texts[@]}" && complain 'words of unfinished work'

# Long files hold more than one concept.
for file in "${sources[@]}"; do
    lines=$(wc -l <"$file")
    [ "$lines" -le 900 ] || complain "$file has $lines lines; split it by concept"
done

# System headers a group may use: the arrows of the libraries.
only() { # DIR PATTERN
    grep -nE '^#include <' "$1"/*.[ch] 2>/dev/null | grep -vE "<($2)>" && complain "$1 includes more than it may"
}
standard='assert|ctype|errno|float|inttypes|limits|math|stdarg|stdbool|stddef|stdint|stdio|stdlib|string|time'
only include/gv '(stdarg|stdbool|stddef|stdint|stdio|string)\.h'
only node/core '(limits|stdbool|stddef|stdint|string)\.h'
only proto "($standard|strings|arpa/inet|netinet/in|fcntl|locale|unistd|sodium|msgpack.*)\.h|sys/stat\.h"
only node/learn "($standard|strings|cblas|zlib|unistd|fcntl|immintrin|xmmintrin|pmmintrin|cpuid|dirent|fenv)\.h|sys/[a-z]+\.h|linux/[a-z]+\.h"

if command -v clang-format-14 >/dev/null; then
    format=clang-format-14
elif command -v clang-format >/dev/null && clang-format --version | grep -q 'version 14\.'; then
    format=clang-format
else
    format=
    echo 'style: clang-format 14 is not installed: formatting is not checked' >&2
fi
if [ -n "$format" ]; then
    printf '%s\n' "${sources[@]}" | xargs -n 8 -P 2 "$format" --dry-run -Werror --ferror-limit=3 || complain 'clang-format'
fi

# The long warning list as errors, by each compiler there is.
for compiler in gcc clang; do
    command -v "$compiler" >/dev/null || continue
    make CI=1 CC="$compiler" syntax || complain "warnings of $compiler"
done

if command -v clang-tidy-14 >/dev/null && [ -z "${NO_TIDY:-}" ]; then
    make tidy || complain 'clang-tidy'
fi

[ "$bad" = 0 ] && echo 'style: clean'
exit "$bad"
