/*
 * doctor: looks at everything that a node needs, changes nothing, and says what is wrong and what to do.
 *
 * Each check prints one line. One that cannot be made, because what it looks at could not be read or no daemon runs,
 * is skipped and says so; what could not be loaded is reported once, by the check that loads it.
 */
#ifndef GV_DOCTOR_H
#define GV_DOCTOR_H

#include <stdbool.h>
#include <stdint.h>

#include "cli.h"
#include "invite.h"

#define GV_DOCTOR_ASKED_MAX 3

enum gv_verdict { GV_VERDICT_OK = 0, GV_VERDICT_WARN, GV_VERDICT_FAIL, GV_VERDICT_SKIP, GV_VERDICTS };

/* What a seed or peer said when it was greeted. */
struct gv_asked {
    char endpoint[GV_ENDPOINT_BYTES_MAX + 1];
    enum gv_err err; /* GV_OK: it welcomed us */
    char why[160];   /* else */
    char observed[GV_ENDPOINT_BYTES_MAX + 1];
    int64_t offset_s; /* its clock less ours */
};

struct gv_doctor {
    bool quiet; /* nothing on standard output before the end (JSON) */
    json_t *checks;
    uint32_t counts[GV_VERDICTS];

    /* What could be loaded. */
    struct gv_node_dir node;
    bool has_config, has_keys, has_member, belongs;
    struct gv_trust *trust;
    struct gv_directory *directory;
    struct gv_seed seeds[GV_SEEDS_MAX];
    uint32_t seed_count;
    json_t *status;         /* of the running daemon, or NULL */
    struct gv_diag silence; /* why there is none */
    long pid;               /* of whoever holds the lock, 0: nobody */
    struct gv_asked asked[GV_DOCTOR_ASKED_MAX];
    uint32_t asked_count;
};

/** One line. `advice` says what to do, NULL: nothing. */
GV_PRINTF(5, 6)
void gv_doctor_say(struct gv_doctor *d, enum gv_verdict verdict, const char *check, const char *advice,
                   const char *format, ...);

/* doctor_dir.c: what lies in DIR. */
void gv_doctor_config(struct gv_doctor *d);
void gv_doctor_combinations(struct gv_doctor *d); /* of settings that were read */
void gv_doctor_keys(struct gv_doctor *d);
void gv_doctor_membership(struct gv_doctor *d);
void gv_doctor_invites(struct gv_doctor *d);
void gv_doctor_disk(struct gv_doctor *d);

/* doctor_machine.c: the machine and its libraries. */
void gv_doctor_blas(struct gv_doctor *d);
void gv_doctor_zmq(struct gv_doctor *d);
void gv_doctor_descriptors(struct gv_doctor *d);
/** now_s: our clock; offset_s: the swarm's less ours, where `known`. */
void gv_doctor_clock(struct gv_doctor *d, uint64_t now_s, bool known, int64_t offset_s, const char *source);

/* doctor_net.c: the daemon, and others. */
/** Asks the daemon for its status; says nothing yet. */
void gv_doctor_ask_daemon(struct gv_doctor *d);
void gv_doctor_daemon(struct gv_doctor *d);
void gv_doctor_listen(struct gv_doctor *d);
void gv_doctor_advertised(struct gv_doctor *d);
void gv_doctor_dial(struct gv_doctor *d);
void gv_doctor_observed(struct gv_doctor *d);
void gv_doctor_inbound(struct gv_doctor *d);
/** The clock by what was asked and by the daemon. */
void gv_doctor_times(struct gv_doctor *d);

#endif
