/*
 * What every fuzz target shares. Built with -fsanitize=fuzzer it is a libFuzzer target; with -DGV_FUZZ_MAIN a program
 * that runs the target once on each file named on its command line, to replay what a fuzzer found.
 */
#ifndef GV_FUZZ_H
#define GV_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FUZZ_TARGET(data, size)                                   \
    int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size); \
    int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)

#ifdef GV_FUZZ_MAIN
#define FUZZ_BYTES_MAX (2u << 20)
#define FUZZ_MAIN                                                               \
    int main(int argc, char **argv)                                             \
    {                                                                           \
        for (int i = 1; i < argc; i++) {                                        \
            FILE *file = fopen(argv[i], "rb");                                  \
            uint8_t *input = malloc(FUZZ_BYTES_MAX);                            \
            if (file == NULL || input == NULL) {                                \
                (void)fprintf(stderr, "%s: cannot be read\n", argv[i]);         \
                return 1;                                                       \
            }                                                                   \
            size_t bytes = fread(input, 1, FUZZ_BYTES_MAX, file);               \
            (void)fclose(file);                                                 \
            uint8_t *exact = realloc(input, bytes > 0 ? bytes : 1);             \
            (void)LLVMFuzzerTestOneInput(exact != NULL ? exact : input, bytes); \
            free(exact != NULL ? exact : input);                                \
        }                                                                       \
        return 0;                                                               \
    }
#else
#define FUZZ_MAIN
#endif

#endif
