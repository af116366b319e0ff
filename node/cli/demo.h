/*
 * The parts of `grapevine demo`: a real swarm of processes on this machine (demo_swarm.c), what a person sees of it
 * (demo_view.c), models trained without a swarm to compare with (demo_baseline.c), and the story (demo.c).
 */
#ifndef GV_DEMO_H
#define GV_DEMO_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "gv/err.h"

#define GV_DEMO_NODES_MAX 32 /* newcomer not counted */
#define GV_DEMO_EVENTS_SHOWN 6

enum gv_demo_phase {
    GV_DEMO_ABSENT = 0, /* not created yet */
    GV_DEMO_RUNNING,
    GV_DEMO_KILLED,   /* by us, without warning */
    GV_DEMO_FINISHED, /* reached the age, settled and left by itself */
    GV_DEMO_FAILED,   /* ended otherwise */
};

/* What one process of a node has counted. */
struct gv_demo_counters {
    uint64_t exchanges_done, exchanges_failed, bytes_sent, bytes_received;
};

struct gv_demo_node {
    char dir[256];
    char id[9]; /* the first digits */
    pid_t pid;
    enum gv_demo_phase phase;
    int exit_code;
    char state[16]; /* as `status` says */
    uint64_t steps; /* over all its processes, as far as saved */
    double age;
    double accuracy;              /* of the last evaluation, 0..1; negative: none yet */
    double compute_share;         /* 0..1, negative: unknown */
    struct gv_demo_counters now;  /* of the process that runs */
    struct gv_demo_counters past; /* of the processes before it */
    double final_accuracy;        /* of the served model on the test part; negative: none */
    double alone_accuracy;        /* of a model trained on this shard alone, as many steps; negative: none */
};

struct gv_demo_event {
    double at_s;
    char text[96];
};

struct gv_demo {
    uint32_t node_count; /* without the newcomer */
    uint32_t shard_count;
    const char *data;
    char model[64]; /* a hidden layer of 128 between what the data needs */
    double seconds;
    bool json;
    bool terminal; /* standard error is one: draw a table in place */
    bool utf8;
    char program[4096];
    char folder[200];
    double start_s;              /* monotonic */
    uint64_t age_end;            /* nodes run until then; 0: until they are told to stop */
    const char *const *settings; /* of the manifest, as --set takes them; NULL at the end */
    const char *log_level;       /* of the nodes, NULL: the default */
    uint64_t checkpoint_s;       /* between checkpoints */
    uint64_t evaluate_s;         /* between evaluations */
    uint32_t cpu_percent;
    struct gv_demo_node nodes[GV_DEMO_NODES_MAX + 1];
    uint32_t event_count;
    struct gv_demo_event events[16];
    double central_accuracy;
    size_t test_samples;
    uint32_t lines_drawn;
    double last_line_s;
    bool interrupted;
};

/** Monotonic seconds. */
double gv_demo_now(void);
/** Sleeps; false (and demo->interrupted) if a signal asks to stop. The demo blocks SIGINT, SIGTERM and SIGHUP. */
bool gv_demo_sleep(struct gv_demo *demo, double seconds);

/* ---- demo_swarm.c: processes ---- */

/** Finds this program and makes the temporary folder. */
GV_NODISCARD enum gv_err gv_demo_open(struct gv_demo *demo, struct gv_diag *diag);
/** Makes the first node's DIR in the folder; starts it and waits until it answers. */
GV_NODISCARD enum gv_err gv_demo_found(struct gv_demo *demo, struct gv_diag *diag);
/** Asks the member `inviter` for a token and lets nodes first .. first + count - 1 join with it, all at a time. */
GV_NODISCARD enum gv_err gv_demo_join(struct gv_demo *demo, uint32_t inviter, uint32_t first, uint32_t count,
                                      struct gv_diag *diag);
GV_NODISCARD enum gv_err gv_demo_start(struct gv_demo *demo, uint32_t index, struct gv_diag *diag);
void gv_demo_kill(struct gv_demo *demo, uint32_t index);
/** Collects ended processes and asks the running ones for their status. */
void gv_demo_poll(struct gv_demo *demo);
/** `eval` of every node's served model. */
void gv_demo_evaluate(struct gv_demo *demo);
/** Ends every process and removes the folder. */
void gv_demo_clean_up(struct gv_demo *demo, bool keep_folder);

/* ---- demo_baseline.c: without a swarm ---- */

/** Chooses the model that fits the data, and measures the steps a second of one learner on one core. */
GV_NODISCARD enum gv_err gv_demo_measure(struct gv_demo *demo, double *steps_per_s, struct gv_diag *diag);
/** Trains one model per shard, each as many steps as that node made, and one on all the data with the sum. */
GV_NODISCARD enum gv_err gv_demo_baselines(struct gv_demo *demo, struct gv_diag *diag);

/* ---- demo_view.c: what a person sees ---- */

GV_PRINTF(2, 3)
void gv_demo_tell(struct gv_demo *demo, const char *format, ...);
/** Draws the table anew on a terminal; elsewhere prints a line now and then. */
void gv_demo_show(struct gv_demo *demo);
/** The summary on standard output, as text or JSON. Returns whether the swarm beat every node that trained alone. */
bool gv_demo_summary(struct gv_demo *demo);

/** Sums over all nodes and processes. */
struct gv_demo_counters gv_demo_totals(const struct gv_demo *demo);
uint64_t gv_demo_steps(const struct gv_demo *demo);

#endif
