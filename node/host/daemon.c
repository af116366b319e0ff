/*
 * A running node from start to end: what must hold before it listens, the threads, and taking it all down.
 *
 *     check DIR -> lock -> configuration -> keys, membership, manifest -> trust, peers -> incarnation + 1 on disk
 *     -> bind -> data and model (trainer) -> START -> loop -> farewell -> checkpoint -> end, or start again
 */
#include "daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "blas.h"
#include "log.h"
#include "manifest_text.h"
#include "model.h"
#include "node.h"
#include "notify.h"
#include "reexec.h"

#define INCARNATION_START 1u
#define LINGER_MS 500
#define AGAIN "GRAPEVINE_AGAIN" /* "paused" or "running": a start of our own making, not one by a person */
#define AGAIN_LOCK_MS 15000     /* for whoever took the moment in between to write a change */

int gv_exit_for(enum gv_err err)
{
    switch (err) {
    case GV_OK:
        return GV_EXIT_OK;
    case GV_ERR_USAGE:
        return GV_EXIT_USAGE;
    case GV_ERR_CONFIG:
    case GV_ERR_DATA:
    case GV_ERR_TOKEN:
    case GV_ERR_PATH:
    case GV_ERR_KEY_FILE:
    case GV_ERR_MODEL:
    case GV_ERR_MANIFEST:
        return GV_EXIT_CONFIG;
    case GV_ERR_EXPIRED:
    case GV_ERR_USED_UP:
    case GV_ERR_CLOSED:
    case GV_ERR_REVOKED:
    case GV_ERR_LEFT:
    case GV_ERR_CHAIN:
        return GV_EXIT_REVOKED;
    case GV_ERR_IN_USE:
        return GV_EXIT_IN_USE;
    case GV_ERR_NET:
    case GV_ERR_TIMEOUT:
    case GV_ERR_BUSY:
    case GV_ERR_CROWDED:
    case GV_ERR_LINK_LOST:
        return GV_EXIT_TRY_LATER;
    default:
        return GV_EXIT_FAILED;
    }
}

/* ---- identity and state ------------------------------------------------------------------------------------ */

static enum gv_err load_config(struct gv_node *node, struct gv_diag *diag)
{
    char path[GV_STORE_PATH_MAX];
    enum gv_err err = gv_store_path(path, node->dir, "config.ini", diag);
    if (err == GV_OK) {
        err = gv_config_load(&node->config, path, diag);
    }
    if (err == GV_OK) {
        gv_log_set_level(node->config.log_level);
        gv_shaper_set(&node->up, node->config.up_bytes_per_s);
        gv_shaper_set(&node->down, node->config.down_bytes_per_s);
    }
    return err;
}

static enum gv_err load_membership(struct gv_node *node, struct gv_diag *diag)
{
    char path[GV_STORE_PATH_MAX];
    enum gv_err err = gv_store_path(path, node->dir, "node.key", diag);
    if (err == GV_OK) {
        err = gv_node_keys_load(path, &node->sign, &node->curve, diag);
    }
    if (err == GV_OK) {
        err = gv_store_load_member(node->dir, &node->member, diag);
    }
    if (err == GV_OK) {
        err = gv_store_load_manifest(node->dir, &node->manifest, NULL, diag);
    }
    if (err != GV_OK) {
        return err;
    }
    const struct gv_sign_public *identity = gv_sign_key_public(node->sign);
    const struct gv_cert *last = &node->member.link[node->member.count > 0 ? node->member.count - 1 : 0];
    err = gv_chain_verify(&node->member, &node->manifest.root);
    if (err == GV_OK && memcmp(last->subject.b, identity->b, sizeof identity->b) != 0) {
        err = GV_ERR_KEY_MISMATCH;
    }
    if (err != GV_OK) {
        return gv_diag_set(diag, GV_ERR_KEY_FILE,
                           "%s: node.key, member and manifest do not belong together (%s); restore all three from one "
                           "backup, or join again in an empty folder",
                           node->dir, gv_err_text((int)err));
    }
    node->id = gv_id_of(identity);
    node->swarm = gv_swarm_id_of(&node->manifest.root);
    node->creator = node->member.count == 1; /* signed by the root itself: it brought the first model */
    return GV_OK;
}

static enum gv_err load_knowledge(struct gv_node *node, struct gv_diag *diag)
{
    if (gv_trust_new(&node->trust, &node->manifest.root) != GV_OK ||
        gv_directory_new(&node->directory, GV_ADDRESS_BOOK_MAX) != GV_OK) {
        return gv_diag_set(diag, GV_ERR_NOMEM, "out of memory");
    }
    gv_trust_set_inviters(node->trust, node->manifest.inviters);
    enum gv_err err = gv_store_load_trust(node->dir, node->trust, diag);
    if (err != GV_OK) {
        return err;
    }
    err = gv_trust_check(node->trust, &node->member);
    if (err != GV_OK) {
        return gv_diag_set(diag, err, "%s: this node is no longer a member of the swarm: %s", node->dir,
                           gv_err_text((int)err));
    }
    uint32_t skipped = 0;
    struct gv_diag why;
    err = gv_store_load_peers(node->dir, node->seeds, &node->seed_count, node->directory, node->trust,
                              &node->manifest.root, &skipped, &why);
    if (err != GV_OK || skipped > 0) { /* an address book is a convenience: what is left of it will do */
        gv_log(GV_LEVEL_UNUSUAL, "address book", "skipped=%u why=\"%s\"", skipped,
               err != GV_OK ? why.text : "damaged or no longer valid");
    }
    gv_directory_remove(node->directory, &node->id);
    return GV_OK;
}

/* The incarnation grows, and is on disk, before the first frame is sent. */
static enum gv_err begin_incarnation(struct gv_node *node, struct gv_diag *diag)
{
    uint64_t last = 0;
    enum gv_err err = gv_store_load_incarnation(node->dir, &last, diag);
    if (err != GV_OK) {
        return err;
    }
    gv_random(&node->boot, sizeof node->boot);
    node->record = (struct gv_record){.swarm = node->swarm,
                                      .identity = *gv_sign_key_public(node->sign),
                                      .curve = *gv_curve_key_public(node->curve),
                                      .incarnation = last + INCARNATION_START,
                                      .boot = node->boot,
                                      .chain = node->member};
    return gv_store_save_incarnation(node->dir, node->record.incarnation, diag);
}

static enum gv_err check_exists(const char *dir, struct gv_diag *diag)
{
    return gv_store_exists(dir)
               ? GV_OK
               : gv_diag_set(diag, GV_ERR_CONFIG,
                             "%s holds no node; make one with `grapevine create` or `grapevine join`", dir);
}

static enum gv_err check_dir(struct gv_node *node, int *lock, struct gv_diag *diag)
{
    char left[GV_STORE_PATH_MAX];
    enum gv_err err = check_exists(node->dir, diag);
    err = err == GV_OK ? gv_store_path(left, node->dir, "left", diag) : err;
    if (err != GV_OK) {
        return err;
    }
    if (access(left, F_OK) == 0) {
        return gv_diag_set(diag, GV_ERR_LEFT,
                           "%s: this node has left its swarm for good; join again in an empty folder", node->dir);
    }
    return gv_store_await_lock(lock, node->dir, node->again ? AGAIN_LOCK_MS : 0, diag);
}

/* ---- the machine ------------------------------------------------------------------------------------------- */

struct gv_hash gv_layout_hash(const struct gv_model *model)
{
    struct gv_hash hash = {0};
    size_t length = gv_model_describe(model, NULL, 0);
    char *text = malloc(length + 1);
    if (text != NULL) {
        (void)gv_model_describe(model, text, length + 1);
        hash = gv_hash_of(text, length);
        free(text);
    }
    return hash;
}

static enum gv_err start_trainer(struct gv_node *node, struct gv_diag *diag)
{
    struct gv_model *model = NULL;
    enum gv_err err = gv_model_new(&model, node->manifest.training.model, diag);
    if (err != GV_OK) {
        return err;
    }
    node->layout = gv_layout_hash(model);
    node->epoch = node->manifest.epoch;
    gv_model_free(&model);
    struct gv_trainer_options options = {.dir = node->dir,
                                         .config = &node->config,
                                         .manifest = &node->manifest,
                                         .layout = node->layout,
                                         .creator = node->creator,
                                         .order_seed = node->boot,
                                         .steps_max = node->options->steps};
    return gv_trainer_start(&node->trainer, &options, node->mail, diag);
}

static enum gv_err start_worker(struct gv_node *node, struct gv_diag *diag)
{
    struct gv_core_manifest core = gv_node_core_manifest(node);
    node->worker.loop = node->mail;
    node->worker.trainer = &node->trainer;
    node->worker.dir = node->dir;
    node->worker.root = node->manifest.root;
    node->worker.block_count = core.block_count;
    memcpy(node->worker.block_elements, core.block_elements, sizeof core.block_elements);
    return gv_worker_start(&node->worker, diag);
}

static enum gv_err build_core(struct gv_node *node, struct gv_diag *diag)
{
    struct gv_core_config config;
    gv_core_defaults(&config);
    config.outbound_only = node->config.listen[0] == '\0';
    node->core_memory = malloc(gv_core_bytes(&config));
    node->effects = malloc(sizeof *node->effects);
    node->scratch = malloc(GV_FRAME_BYTES_MAX);
    if (node->core_memory == NULL || node->effects == NULL || node->scratch == NULL) {
        return gv_diag_set(diag, GV_ERR_NOMEM, "out of memory");
    }
    node->core = gv_core_init(node->core_memory, &config);
    return GV_OK;
}

static enum gv_err open_net(struct gv_node *node, struct gv_diag *diag)
{
    struct gv_net_options options = {
        .key = node->curve, .listen = node->config.listen, .family = node->config.family, .inbound_max = 96};
    struct gv_net_handler handler = gv_node_net_handler(node);
    enum gv_err err = gv_net_new(&node->net, &options, &handler, diag);
    if (err == GV_OK) {
        (void)gv_node_endpoints(node);
        err = gv_node_sign_record(node) == GV_OK ? GV_OK : gv_diag_set(diag, GV_ERR_CRYPTO, "cannot sign our record");
    }
    return err;
}

static enum gv_err start_machine(struct gv_node *node, struct gv_diag *diag)
{
    if (gv_mailbox_new(&node->mail) != GV_OK) {
        return gv_diag_set(diag, GV_ERR_NOMEM, "out of memory");
    }
    enum gv_err err = build_core(node, diag);
    err = err == GV_OK ? open_net(node, diag) : err;
    err = err == GV_OK ? gv_control_new(&node->control, node->dir, gv_node_request, node, diag) : err;
    err = err == GV_OK ? start_trainer(node, diag) : err;
    return err == GV_OK ? start_worker(node, diag) : err;
}

/* Letters that nobody will read own memory. */
static void drain_mail(struct gv_node *node)
{
    struct gv_mail mail;
    while (node->mail != NULL && gv_mailbox_take(node->mail, &mail, 0)) {
        if (mail.kind == GV_MAIL_VERIFIED) {
            struct gv_verification *job = mail.data;
            gv_verification_free(&job);
        } else if (mail.kind == GV_MAIL_ENCODED) {
            gv_mail_drop(&mail);
        } else if (mail.kind == GV_MAIL_FAILED) {
            free(mail.data);
        }
    }
    while (gv_shaper_take(&node->up, &mail, UINT64_MAX) || gv_shaper_take(&node->down, &mail, UINT64_MAX)) {
        gv_mail_drop(&mail);
    }
    for (uint32_t i = 0; i < node->held_count; i++) {
        gv_mail_drop(&node->held[i]);
    }
    for (uint32_t i = 0; i < node->waiting_count; i++) {
        (void)zmq_msg_close(node->waiting[i].frame);
        free(node->waiting[i].frame);
    }
    for (size_t i = 0; i < GV_PARKED_FRAMES; i++) {
        if (node->parked[i].used) {
            (void)zmq_msg_close(&node->parked[i].frame);
        }
    }
}

static void stop_machine(struct gv_node *node)
{
    if (node->worker.running && node->started) {
        gv_node_save_peers(node);
        gv_node_save_trust(node);
    }
    gv_reload_stop(&node->reload);
    gv_worker_stop(&node->worker); /* first: a checkpoint it is writing still asks the trainer for slices */
    gv_trainer_stop(&node->trainer);
    gv_control_free(&node->control);
    node->up.bytes_per_s = 0;
    node->down.bytes_per_s = 0;
    drain_mail(node);
    gv_net_free(&node->net, LINGER_MS);
    gv_mailbox_free(&node->mail);
    gv_directory_free(&node->directory);
    gv_trust_free(&node->trust);
    gv_manifest_deinit(&node->manifest);
    gv_sign_key_free(&node->sign);
    gv_curve_key_free(&node->curve);
    free(node->core_memory);
    free(node->effects);
    free(node->scratch);
}

/* ---- the process ------------------------------------------------------------------------------------------- */

static void prepare_process(void)
{
    sigset_t mask;
    (void)sigemptyset(&mask);
    (void)sigaddset(&mask, SIGTERM);
    (void)sigaddset(&mask, SIGINT);
    (void)sigaddset(&mask, SIGHUP);
    (void)sigprocmask(SIG_BLOCK, &mask, NULL); /* the loop reads them from a descriptor; threads inherit the mask */
    (void)signal(SIGPIPE, SIG_IGN);
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) { /* at EMFILE libzmq spins */
        files.rlim_cur = files.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &files);
    }
    /* Chunks come and go by the hundred thousand: without a fixed threshold malloc keeps megabytes of them a thread. */
    (void)mallopt(M_MMAP_THRESHOLD, 4 * 1024 * 1024);
    (void)mallopt(M_TRIM_THRESHOLD, 1024 * 1024);
    (void)mallopt(M_ARENA_MAX, 2);
    gv_blas_set_threads(1);
}

/* In the child: a session of its own, the log file for a terminal. */
static enum gv_err detach(const char *dir, struct gv_diag *diag)
{
    char path[GV_STORE_PATH_MAX];
    enum gv_err err = check_exists(dir, diag); /* or it would leave a log behind */
    err = err == GV_OK ? gv_store_path(path, dir, "log", diag) : err;
    if (err != GV_OK) {
        return err;
    }
    (void)setsid();
    int log = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (log < 0 || null < 0) {
        return gv_diag_set(diag, GV_ERR_IO, "cannot open %s: %s", path, strerror(errno));
    }
    (void)dup2(null, STDIN_FILENO);
    (void)dup2(log, STDOUT_FILENO);
    (void)dup2(log, STDERR_FILENO);
    (void)close(log);
    (void)close(null);
    return GV_OK;
}

/* What the child tells the parent that waits: an exit code and, if it is not 0, why. */
struct verdict {
    int code;
    struct gv_diag diag;
};

/* The parent of --daemon: returns once the child is ready or has failed. */
static int await_child(int pipe_read, struct gv_diag *diag)
{
    struct verdict verdict = {.code = GV_EXIT_FAILED};
    size_t got = 0;
    while (got < sizeof verdict) {
        ssize_t more = read(pipe_read, (char *)&verdict + got, sizeof verdict - got);
        if (more == 0 || (more < 0 && errno != EINTR)) {
            break;
        }
        got += more > 0 ? (size_t)more : 0;
    }
    if (got < sizeof verdict) {
        (void)gv_diag_set(diag, GV_ERR_IO, "the node ended before it was ready; see its log");
        return GV_EXIT_FAILED;
    }
    *diag = verdict.diag;
    return verdict.code;
}

static void tell_parent(int *pipe_write, int code, const struct gv_diag *diag)
{
    if (*pipe_write >= 0) {
        struct verdict verdict = {.code = code, .diag = *diag};
        (void)!write(*pipe_write, &verdict, sizeof verdict);
        (void)close(*pipe_write);
        *pipe_write = -1;
    }
}

static void start_again(const struct gv_node *node)
{
    char run[] = "run";
    char name[] = "grapevine";
    char steps_flag[] = "--steps";
    char age_flag[] = "--until-age";
    char steps[32];
    char age[32];
    char *dir = strdup(node->dir);
    (void)setenv(AGAIN, node->paused ? "paused" : "running", 1);
    char *arguments[8] = {name, run, dir};
    size_t count = 3;
    if (node->options->steps > 0) {
        uint64_t left = node->options->steps > node->steps ? node->options->steps - node->steps : 1;
        (void)snprintf(steps, sizeof steps, "%llu", (unsigned long long)left);
        arguments[count++] = steps_flag;
        arguments[count++] = steps;
    }
    if (node->options->until_age > 0) {
        (void)snprintf(age, sizeof age, "%llu", (unsigned long long)node->options->until_age);
        arguments[count++] = age_flag;
        arguments[count++] = age;
    }
    gv_reexec(arguments);
    gv_log(GV_LEVEL_BROKEN, "cannot start again", "why=\"%s\"", strerror(errno));
    free(dir);
}

static int run_node(struct gv_node *node, int *pipe_write, struct gv_diag *diag)
{
    int lock = -1;
    enum gv_err err = check_dir(node, &lock, diag);
    err = err == GV_OK ? load_config(node, diag) : err;
    err = err == GV_OK ? load_membership(node, diag) : err;
    err = err == GV_OK ? load_knowledge(node, diag) : err;
    err = err == GV_OK ? begin_incarnation(node, diag) : err;
    err = err == GV_OK ? start_machine(node, diag) : err;
    int code = gv_exit_for(err);
    if (err == GV_OK) {
        node->ready_fd = pipe_write;
        gv_node_loop(node);
        code = node->exit_code;
        *diag = node->diag;
    }
    if (code == GV_EXIT_OK && !node->started) {
        struct gv_diag early;
        (void)gv_diag_set(&early, GV_ERR_STOPPING, "the node was told to end before it was ready");
        tell_parent(pipe_write, GV_EXIT_FAILED, &early);
    }
    tell_parent(pipe_write, code, diag);
    bool again = node->restart && code == GV_EXIT_OK && !node->leaving;
    stop_machine(node);
    if (lock >= 0) {
        (void)close(lock);
    }
    if (again) {
        start_again(node);
        code = GV_EXIT_FAILED;
    }
    return code;
}

void gv_node_announce_ready(struct gv_node *node)
{
    static const struct gv_diag none;
    gv_notify("READY=1");
    tell_parent(node->ready_fd, GV_EXIT_OK, &none);
}

int gv_daemon_run(const struct gv_run_options *options, struct gv_diag *diag)
{
    int pipe_write = -1;
    memset(diag, 0, sizeof *diag);
    if (gv_proto_init() != GV_OK) {
        (void)gv_diag_set(diag, GV_ERR_CRYPTO, "libsodium cannot be initialised");
        return GV_EXIT_FAILED;
    }
    if (options->daemon) {
        int ends[2];
        if (pipe2(ends, O_CLOEXEC) != 0) {
            (void)gv_diag_set(diag, GV_ERR_IO, "cannot make a pipe: %s", strerror(errno));
            return GV_EXIT_FAILED;
        }
        pid_t child = fork();
        if (child != 0) {
            (void)close(ends[1]);
            int code = child > 0 ? await_child(ends[0], diag) : GV_EXIT_FAILED;
            if (child < 0) {
                (void)gv_diag_set(diag, GV_ERR_IO, "cannot fork: %s", strerror(errno));
            }
            (void)close(ends[0]);
            return code;
        }
        (void)close(ends[0]);
        pipe_write = ends[1];
        enum gv_err err = detach(options->dir, diag);
        if (err != GV_OK) {
            tell_parent(&pipe_write, gv_exit_for(err), diag);
            return gv_exit_for(err);
        }
    }
    struct gv_node *node = calloc(1, sizeof *node);
    if (node == NULL) {
        (void)gv_diag_set(diag, GV_ERR_NOMEM, "out of memory");
        return GV_EXIT_FAILED;
    }
    prepare_process();
    node->options = options;
    node->dir = options->dir;
    node->started_us = gv_now_us();
    const char *again = getenv(AGAIN);
    node->again = again != NULL;
    node->paused = again != NULL && strcmp(again, "paused") == 0;
    (void)unsetenv(AGAIN);
    int code = run_node(node, &pipe_write, diag);
    if (code != GV_EXIT_OK && diag->text[0] != '\0') {
        gv_log(GV_LEVEL_BROKEN, "the node ends", "exit=%d why=\"%s\"", code, diag->text);
    }
    free(node);
    return code;
}
