# style.awk: rules about the shape of a C file. Prints FILE:LINE: what; expects files formatted by clang-format.
function complain(line, what) { printf "%s:%d: %s\n", FILENAME, line, what; bad = 1 }
FNR == 1 {
    in_function = 0
    statement = ""
    if ($0 !~ /^\/\*/) complain(1, "a file opens with a comment that says what it is for")
}
/\t/ { complain(FNR, "tab") }
/[ \r]$/ { complain(FNR, "blank at the end of the line") }
length($0) > 120 { complain(FNR, "longer than 120 columns") }
/^#include "\.\./ { complain(FNR, "include by plain name") }
/^typedef struct/ { complain(FNR, "structs are not hidden behind a typedef") }
/^[ \t]*\/\/ .*;[ \t]*$/ { complain(FNR, "commented-out code") }
/^\{$/ { in_function = FNR }
/^\}/ {
    if (in_function && FNR - in_function + 1 > 70) {
        complain(in_function, "a function of " (FNR - in_function + 1) " lines, at most 70")
    }
    in_function = 0
}
# A status function in a header carries GV_NODISCARD.
FILENAME ~ /\.h$/ && /^enum gv_err [a-z_0-9]+\(/ { complain(FNR, "a status function without GV_NODISCARD") }
# A declaration of a static function: from "static" to ");" without a body or an initialiser.
/^static / && !/^static inline/ { statement = ""; collecting = FNR }
collecting {
    statement = statement $0
    if (statement ~ /[={]/) {
        collecting = 0
    } else if (statement ~ /;$/) {
        if (statement ~ /\)( *GV_[A-Z]+(\([^)]*\))?)?;$/ && statement !~ /\(\*/) {
            complain(collecting, "a forward declaration of a static function: put helpers first")
        }
        collecting = 0
    } else if ($0 == "{") {
        collecting = 0
    }
}
END { exit bad }
