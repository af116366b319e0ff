/*
 * config.ini of a state DIR: what the volunteer who runs this node decides, as opposed to the manifest.
 */
#ifndef GV_CONFIG_H
#define GV_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "gv/err.h"
#include "gv/limits.h"
#include "log.h"

enum gv_family { GV_FAMILY_ANY = 0, GV_FAMILY_IPV4 = 4, GV_FAMILY_IPV6 = 6 };

#define GV_DATA_SPEC_BYTES_MAX 4096

struct gv_config {
    char data[GV_DATA_SPEC_BYTES_MAX];         /* data specification, "" = serve and relay only */
    char partition[64];                        /* trials: "iid" */
    uint32_t shard_index, shard_count;         /* trials: 0/1; the command line writes I/N with I from 1 */
    char listen[GV_ENDPOINT_BYTES_MAX + 1];    /* "tcp://0.0.0.0:7400", "" = outbound only */
    char advertise[GV_ENDPOINT_BYTES_MAX + 1]; /* "" = what peers observe */
    enum gv_family family;
    uint64_t up_bytes_per_s, down_bytes_per_s; /* 0 = no cap */
    uint32_t hours_from, hours_to;             /* minutes of the local day in which it trains; equal = always */
    uint32_t cpu_percent;                      /* 1..100 of one core for training */
    enum gv_log_level log_level;
    uint64_t checkpoint_s; /* seconds between checkpoints */
    uint64_t evaluate_s;   /* seconds between evaluations */
    /* for `config DIR`: per key, whether it comes from the file (else the default) */
    uint64_t from_file;
};

/** Every key with its default; used by `config DIR` and by the checks. */
void gv_config_defaults(struct gv_config *config);
/** Reads a file over the defaults; an unknown key or bad value is an error that quotes it, with the line. */
GV_NODISCARD enum gv_err gv_config_load(struct gv_config *config, const char *path, struct gv_diag *diag);
/** Sets one key from text, as the file would. */
GV_NODISCARD enum gv_err gv_config_set(struct gv_config *config, const char *key, const char *value,
                                       struct gv_diag *diag);
/** Writes the file anew (temporary file, fsync, rename), commented. */
GV_NODISCARD enum gv_err gv_config_save(const struct gv_config *config, const char *path, struct gv_diag *diag);
/** What key number `index` is for, one line or more; NULL at the end. */
const char *gv_config_help(uint32_t index);
/** Key number `index` with its value as text and where it comes from ("config.ini", "default"); false at the end. */
bool gv_config_item(const struct gv_config *config, uint32_t index, const char **key, char *value, size_t cap,
                    const char **origin);

#endif
