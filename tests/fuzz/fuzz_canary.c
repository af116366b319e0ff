/*
 * Fuzz target that must fail: one byte is read beyond the input when it begins with "gv!". A run of the fuzzers in
 * which this one finds nothing has tested nothing. The known input is those three bytes.
 */
#include "fuzz.h"

FUZZ_TARGET(data, size)
{
    static volatile uint8_t sink;
    if (size >= 3 && data[0] == 'g' && data[1] == 'v' && data[2] == '!') {
        sink = data[size];
    }
    (void)sink;
    return 0;
}

FUZZ_MAIN
