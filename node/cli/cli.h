/*
 * What the subcommands share: messages, exit codes, the pieces of a state DIR that several of them open, the daemon.
 */
#ifndef GV_CLI_H
#define GV_CLI_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "args.h"
#include "cert.h"
#include "config.h"
#include "directory.h"
#include "gv/err.h"
#include "gv/manifest.h"
#include "identity.h"
#include "trust.h"

#define GV_VERSION "0.1.0"
#define GV_TOKEN_TEXT_MAX (2 * GV_TOKEN_CHARS_MAX) /* wrapped and indented, as mail programs do */

#define GV_CALL_MS 10000      /* how long a daemon may take to answer */
#define GV_HAND_OVER_MS 15000 /* how long one may take to start again: it holds the lock and does not answer yet */

/** "grapevine create: <diagnosis>" on standard error. Returns the exit code that fits. */
int gv_cli_fail(const struct gv_args *args, const struct gv_diag *diag);
/** The same for wrong usage, with a hint at `help`. Returns GV_EXIT_USAGE. */
GV_PRINTF(2, 3)
int gv_cli_usage(const struct gv_args *args, const char *format, ...);
/** "grapevine create: <note>" on standard error. */
GV_PRINTF(2, 3)
void gv_cli_note(const struct gv_args *args, const char *format, ...);
/** Notes that so many rows of the data are skipped, if any. */
void gv_cli_note_skipped(const struct gv_args *args, uint64_t rows);
/** Text for JSON, which holds nothing but UTF-8: in what is none, as the name of a file may be, every byte that is not
 * ASCII becomes "?". */
json_t *gv_cli_json_text(const char *text);
/** Prints an object on standard output. Returns GV_EXIT_OK, or GV_EXIT_FAILED if it cannot be written. */
int gv_cli_print_json(const struct gv_args *args, const json_t *object);
/** Flushes standard output: results that did not get out (a full disk, a closed pipe) are a failure. */
int gv_cli_finish(const struct gv_args *args);

/** Sets the configuration's keys that a command has options for (data, listen, advertise, family, shard, partition);
 *  relative paths in `data` become absolute, since the daemon may be started elsewhere. */
GV_NODISCARD enum gv_err gv_cli_configure(struct gv_config *config, const struct gv_args *args, struct gv_diag *diag);

/* A node on disk. */
struct gv_node_dir {
    const char *dir;
    struct gv_manifest manifest;
    bool has_manifest;
    struct gv_config config;
    struct gv_sign_key *sign;
    struct gv_curve_key *curve;
    struct gv_chain chain;
};

/** Loads manifest and configuration; refuses a DIR without a node. gv_node_dir_close() follows in any case. */
GV_NODISCARD enum gv_err gv_node_dir_open(struct gv_node_dir *node, const char *dir, struct gv_diag *diag);
/** Loads keys and membership too. */
GV_NODISCARD enum gv_err gv_node_dir_keys(struct gv_node_dir *node, struct gv_diag *diag);
void gv_node_dir_close(struct gv_node_dir *node);

/** GV_ERR_LEFT, GV_ERR_REVOKED, ... with what can be done, if the node's membership has ended as far as its DIR knows.
 *  Needs the keys; `trust` borrowed. */
GV_NODISCARD enum gv_err gv_node_dir_standing(const struct gv_node_dir *node, const struct gv_trust *trust,
                                              struct gv_diag *diag);
/** The same for a DIR that is not open; GV_OK too if its files cannot be read. */
GV_NODISCARD enum gv_err gv_cli_standing(const char *dir, struct gv_diag *diag);

/** Loads trust. *trust is returned owned, on an error too if it is not NULL. */
GV_NODISCARD enum gv_err gv_node_dir_trust(const struct gv_node_dir *node, struct gv_trust **trust,
                                           struct gv_diag *diag);
/** Loads trust and the address book. Returns owned. */
GV_NODISCARD enum gv_err gv_node_dir_book(const struct gv_node_dir *node, struct gv_trust **trust,
                                          struct gv_directory **directory, struct gv_diag *diag);

/**
 * The root key: --root-key FILE, else DIR/root.key. *root stays NULL, without an error, if neither is there and
 * `required` is false. A key of another swarm is an error.
 */
GV_NODISCARD enum gv_err gv_cli_root_key(struct gv_sign_key **root, const struct gv_node_dir *node,
                                         const struct gv_args *args, bool required, struct gv_diag *diag);

/** Asks the daemon on DIR; a reply that is not ok is an error with the daemon's own words. *reply may be NULL. Takes
 *  the reference to `request`. GV_ERR_NOT_FOUND: no daemon runs; the diagnosis says if none can any more. */
GV_NODISCARD enum gv_err gv_cli_call(const char *dir, json_t *request, json_t **reply, struct gv_diag *diag);

/**
 * Gives `request` to the daemon on DIR, or, if none runs, takes the DIR's lock, so that the caller can do it on disk:
 * *lock is -1 or a descriptor to close. A daemon that is just starting again is waited for, for some seconds. Takes the
 * reference to `request`.
 */
GV_NODISCARD enum gv_err gv_cli_hand_over(int *lock, const char *dir, json_t *request, struct gv_diag *diag);

/** Full or unambiguous prefix of a node's id among those in the directory. */
GV_NODISCARD enum gv_err gv_cli_find_node(struct gv_id *id, const char *text, const struct gv_directory *directory,
                                          struct gv_diag *diag);

/** An invite token, with its white space, from the command line, or standard input for "-"; `out` holds
 * GV_TOKEN_TEXT_MAX + 1. */
GV_NODISCARD enum gv_err gv_cli_token(char *out, const char *argument, struct gv_diag *diag);

/** Unix time as "2026-11-20 13:30 UTC"; `out` holds 32. */
void gv_cli_time(char out[32], uint64_t wall_s);

#endif
