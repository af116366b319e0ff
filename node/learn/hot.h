/*
 * GV_HOT marks the few loops that touch every parameter or every feature of a batch: compiled once for each vector
 * width and chosen when the program is loaded, because the program is built for the oldest processor of its family.
 *
 * Only for loops that work element by element. With -ffp-contract=off all versions then give the same bits, and a
 * plain loop in the tests is their reference.
 */
#ifndef GV_HOT_H
#define GV_HOT_H

/* Sanitizers start before the loader has chosen a version, and clang has the attribute only from version 14 on with
   linkers that know indirect functions; both then use the plain version. */
#if defined(__x86_64__) && defined(__linux__) && defined(__GNUC__) && !defined(__clang__) && \
    !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define GV_HOT __attribute__((target_clones("default", "avx2", "avx512f")))
#else
#define GV_HOT
#endif

#endif
