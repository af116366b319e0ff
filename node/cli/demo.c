/*
 * `grapevine demo`: a real swarm on this machine, and its story.
 *
 * Eight nodes found a swarm and train, each on its own shard. Two are killed in the middle without warning; one of them
 * comes back, and a newcomer joins with an invite from an ordinary member. When the swarm's clock has run out, every
 * node settles and leaves, and the models are compared with models trained without a swarm.
 *
 * The length is fixed by the work, not by a clock: the schedule must come down to zero at the end. The work is chosen
 * so that the swarm needs about --seconds and the comparison about half of that, and each node's share of a processor
 * is set (as a volunteer would set it) so that the time is used up evenly.
 */
#include "demo.h"

#include <getopt.h>
#include <langinfo.h>
#include <locale.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "commands.h"
#include "daemon.h"

#define SECONDS_DEFAULT 30.0
#define SECONDS_MIN 5.0
#define SECONDS_MAX 3600.0
#define NODES_DEFAULT 8
#define NODES_MIN 2
#define POLL_S 0.25
/* Training by everybody together, as a share of --seconds of one processor: what the models to compare with cost again,
 * twice, side by side. */
#define WORK_SHARE 0.2
/* A node may use this much more of a processor than its share of the work needs: where many take turns, a step takes
 * longer than where it was measured, alone. */
#define CPU_RESERVE 2.0
/* When, in parts of the whole. */
#define KILL_AT 0.35
#define RETURN_AT 0.5
#define NEWCOMER_AT 0.6
#define PATIENCE 1.5 /* in parts of --seconds, after which the nodes are asked to stop */

/* The seed is fixed because the models to compare with must cut the same shards. */
static const char *const SETTINGS[] = {
    "seed=1", "schedule=linear", "warmup=0.05", "rate=0.02", "momentum=0.9", "local_steps=16", "settle=3", NULL,
};

double gv_demo_now(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static void stop_signals(sigset_t *set)
{
    sigemptyset(set);
    sigaddset(set, SIGINT);
    sigaddset(set, SIGTERM);
    sigaddset(set, SIGHUP);
}

bool gv_demo_sleep(struct gv_demo *demo, double seconds)
{
    sigset_t set;
    stop_signals(&set);
    struct timespec wait = {.tv_sec = (time_t)seconds};
    wait.tv_nsec = (long)((seconds - floor(seconds)) * 1e9);
    if (!demo->interrupted && sigtimedwait(&set, NULL, &wait) > 0) {
        demo->interrupted = true;
    }
    return !demo->interrupted;
}

static int usage(const char *why, const char *value)
{
    (void)fprintf(stderr, "grapevine demo: %s%s\n", why, value);
    (void)fprintf(stderr, "usage: grapevine demo [--nodes 8] [--data SPEC] [--seconds 30] [--json]\n");
    return GV_EXIT_USAGE;
}

/* Returns an exit code, -1 to go on. */
static int parse(struct gv_demo *demo, int argc, char **argv)
{
    static const struct option options[] = {
        {"nodes", required_argument, NULL, 'n'},
        {"data", required_argument, NULL, 'd'},
        {"seconds", required_argument, NULL, 's'},
        {"json", no_argument, NULL, 'j'},
        {NULL, 0, NULL, 0},
    };
    demo->node_count = NODES_DEFAULT;
    demo->seconds = SECONDS_DEFAULT;
    demo->data = "builtin:glyphs";
    int option;
    char *end = NULL;
    optind = 1;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (option) {
        case 'n': {
            unsigned long nodes = strtoul(optarg, &end, 10);
            if (*end != '\0' || nodes < NODES_MIN || nodes > GV_DEMO_NODES_MAX) {
                return usage("--nodes takes 2 to 32, not ", optarg);
            }
            demo->node_count = (uint32_t)nodes;
            break;
        }
        case 'd':
            demo->data = optarg;
            break;
        case 's':
            demo->seconds = strtod(optarg, &end);
            if (*end != '\0' || !(demo->seconds >= SECONDS_MIN && demo->seconds <= SECONDS_MAX)) {
                return usage("--seconds takes 5 to 3600, not ", optarg);
            }
            break;
        case 'j':
            demo->json = true;
            break;
        default:
            return usage("unknown option or missing value", "");
        }
    }
    return optind < argc ? usage("what is this: ", argv[optind]) : -1;
}

static enum gv_err prepare(struct gv_demo *demo, struct gv_diag *diag)
{
    demo->shard_count = demo->node_count + 1;
    demo->terminal = isatty(STDERR_FILENO) == 1;
    (void)setlocale(LC_CTYPE, "");
    demo->utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
    demo->settings = SETTINGS;
    demo->checkpoint_s = 3;
    demo->evaluate_s = 1;
    demo->central_accuracy = -1.0;
    return gv_demo_open(demo, diag);
}

/* How many steps, and how much of a processor for each node. */
static enum gv_err plan(struct gv_demo *demo, struct gv_diag *diag)
{
    double steps_per_s = 0.0;
    enum gv_err err = gv_demo_measure(demo, &steps_per_s, diag);
    if (err != GV_OK) {
        return err;
    }
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    double work_s = demo->seconds * (processors > 1 ? WORK_SHARE : WORK_SHARE / 2.0);
    demo->age_end = (uint64_t)(work_s * steps_per_s / demo->node_count) + 1;
    double share = CPU_RESERVE * 100.0 * work_s / demo->seconds / demo->node_count;
    demo->cpu_percent = share >= 100.0 ? 100 : (uint32_t)ceil(share);
    return GV_OK;
}

/* How much of the story is over: by the clock, or by the swarm's age if that runs ahead. */
static double progress(const struct gv_demo *demo, double begun_s)
{
    double part = (gv_demo_now() - begun_s) / demo->seconds;
    for (uint32_t i = 0; i <= demo->node_count; i++) {
        double aged = demo->nodes[i].age / (double)demo->age_end;
        part = aged > part ? aged : part;
    }
    return part;
}

static bool all_ended(const struct gv_demo *demo)
{
    for (uint32_t i = 0; i <= demo->node_count; i++) {
        if (demo->nodes[i].phase == GV_DEMO_RUNNING) {
            return false;
        }
    }
    return true;
}

/* Deaths, returns and newcomers, each once. */
static enum gv_err churn(struct gv_demo *demo, double part, uint32_t *chapter, struct gv_diag *diag)
{
    uint32_t first = demo->node_count / 3, second = (2 * demo->node_count) / 3;
    if (*chapter == 0 && part >= KILL_AT) {
        gv_demo_kill(demo, first);
        gv_demo_kill(demo, second);
        gv_demo_tell(demo, "nodes %u and %u are killed (SIGKILL): nobody is told", first + 1, second + 1);
        (*chapter)++;
    } else if (*chapter == 1 && part >= RETURN_AT) {
        gv_demo_tell(demo, "node %u comes back", first + 1);
        (*chapter)++;
        return gv_demo_start(demo, first, diag);
    } else if (*chapter == 2 && part >= NEWCOMER_AT) {
        gv_demo_tell(demo, "a newcomer joins: node %u, with an invite from node 2", demo->node_count + 1);
        (*chapter)++;
        return gv_demo_join(demo, 1, demo->node_count, 1, diag);
    }
    return GV_OK;
}

static void ask_to_stop(struct gv_demo *demo)
{
    for (uint32_t i = 0; i <= demo->node_count; i++) {
        if (demo->nodes[i].pid > 0) {
            (void)kill(demo->nodes[i].pid, SIGTERM);
        }
    }
}

static enum gv_err train(struct gv_demo *demo, struct gv_diag *diag)
{
    double begun_s = gv_demo_now();
    uint32_t chapter = 0;
    bool asked = false;
    while (!all_ended(demo) && gv_demo_sleep(demo, POLL_S)) {
        gv_demo_poll(demo);
        enum gv_err err = churn(demo, progress(demo, begun_s), &chapter, diag);
        if (err != GV_OK) {
            return err;
        }
        gv_demo_show(demo);
        double waited = gv_demo_now() - begun_s;
        if (!asked && waited > PATIENCE * demo->seconds) {
            gv_demo_tell(demo, "this takes too long: the nodes are asked to stop where they are");
            ask_to_stop(demo);
            asked = true;
        } else if (waited > PATIENCE * demo->seconds + 10.0) {
            return gv_diag_set(diag, GV_ERR_TIMEOUT, "the nodes do not stop");
        }
    }
    return GV_OK;
}

static enum gv_err play(struct gv_demo *demo, struct gv_diag *diag)
{
    demo->start_s = gv_demo_now();
    enum gv_err err = plan(demo, diag);
    if (err == GV_OK) {
        gv_demo_tell(demo, "node 1 creates a swarm: %s on %s", demo->model, demo->data);
        err = gv_demo_found(demo, diag);
    }
    if (err == GV_OK && !demo->interrupted) {
        gv_demo_tell(demo, "nodes 2 to %u join with one invite token", demo->node_count);
        err = gv_demo_join(demo, 0, 1, demo->node_count - 1, diag);
    }
    if (err == GV_OK && !demo->interrupted) {
        gv_demo_tell(demo, "%u nodes train, each on 1/%u of the data, for %llu steps of the swarm's clock",
                     demo->node_count, demo->shard_count, (unsigned long long)demo->age_end);
        err = train(demo, diag);
    }
    if (err == GV_OK && !demo->interrupted) {
        gv_demo_tell(demo, "done; now the same without a swarm, to compare");
        gv_demo_show(demo);
        gv_demo_evaluate(demo);
        err = gv_demo_baselines(demo, diag);
    }
    return err;
}

int gv_cmd_demo(int argc, char **argv)
{
    struct gv_demo *demo = calloc(1, sizeof *demo);
    if (demo == NULL) {
        (void)fprintf(stderr, "grapevine demo: out of memory\n");
        return GV_EXIT_FAILED;
    }
    int code = parse(demo, argc, argv);
    if (code >= 0) {
        free(demo);
        return code;
    }
    sigset_t set, before;
    stop_signals(&set);
    (void)sigprocmask(SIG_BLOCK, &set, &before);
    struct gv_diag diag = {0};
    enum gv_err err = prepare(demo, &diag);
    if (err == GV_OK) {
        err = play(demo, &diag);
    }
    bool beaten = err == GV_OK && !demo->interrupted && gv_demo_summary(demo);
    if (err != GV_OK) {
        (void)fprintf(stderr, "grapevine demo: %s\n", diag.text);
    }
    bool keep = getenv("GRAPEVINE_DEMO_KEEP") != NULL;
    if (keep) {
        (void)fprintf(stderr, "grapevine demo: the nodes' folders stay in %s\n", demo->folder);
    }
    gv_demo_clean_up(demo, keep);
    code = demo->interrupted ? GV_EXIT_FAILED : err != GV_OK ? gv_exit_for(err) : beaten ? GV_EXIT_OK : GV_EXIT_FAILED;
    free(demo);
    (void)sigprocmask(SIG_SETMASK, &before, NULL);
    return code;
}
