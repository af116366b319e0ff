/*
 * The event loop: sockets, letters, signals, timers. One thread, no locks.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"
#include "node.h"
#include "notify.h"

#define MISFIT_US 10000000u  /* for a manifest that fits our data */
#define FAREWELL_US 2000000u /* for the core's STOPPED */
#define LAST_CHECKPOINT_US 120000000u
#define LAST_EVALUATION_US 10000000u
#define PEERS_SAVE_US 60000000u
#define TRUST_SAVE_US 5000000u
#define SHUT_OUT_US 10000000u /* so that those whom a manifest shuts out learn of it, and pass it on */
#define MANIFEST_SAVE_US 5000000u
#define TRUST_LOOK_US 100000u /* all records are looked through: a member can change the entries for ever */
#define INVITES_US 30000000u
#define HOURS_US 20000000u
#define PERSIST_RETRY_US 5000000u
#define FIRST_EVALUATION_US 3000000u
#define POLL_MS_MAX 1000 /* pipes of a socket nobody polls leak */

/* ---- training on and off ----------------------------------------------------------------------------------- */

static bool within_hours(const struct gv_config *config)
{
    if (config->hours_from == config->hours_to) {
        return true;
    }
    time_t now = time(NULL);
    struct tm local;
    if (localtime_r(&now, &local) == NULL) {
        return true;
    }
    uint32_t minute = (uint32_t)(local.tm_hour * 60 + local.tm_min);
    if (config->hours_from < config->hours_to) {
        return minute >= config->hours_from && minute < config->hours_to;
    }
    return minute >= config->hours_from || minute < config->hours_to;
}

void gv_node_update_training(struct gv_node *node)
{
    struct gv_mail mail = {.kind = GV_MAIL_TRAIN, .value = node->core_trains && node->in_hours ? 1 : 0};
    node->train_switch_dirty = !gv_mailbox_try_put(node->trainer.in, &mail);
}

/* ---- saving ------------------------------------------------------------------------------------------------ */

bool gv_node_has_model(const struct gv_node *node)
{
    struct gv_core_stats stats;
    if (!node->started) {
        return false;
    }
    gv_core_stats(node->core, &stats);
    return stats.state != GV_STATE_FETCHING &&
           (stats.state != GV_STATE_JOINING || node->trainer.checkpoint.counter != 0);
}

bool gv_node_checkpoint(struct gv_node *node)
{
    if (node->checkpointing || !gv_node_has_model(node)) {
        return false;
    }
    struct gv_core_stats stats;
    gv_core_stats(node->core, &stats);
    struct gv_checkpoint *header = calloc(1, sizeof *header);
    if (header == NULL) {
        return false;
    }
    *header = (struct gv_checkpoint){.layout = node->layout,
                                     .epoch = node->epoch,
                                     .age = stats.age,
                                     .steps = node->trainer.checkpoint.steps + node->steps,
                                     .exchanges = node->trainer.checkpoint.exchanges + stats.exchanges_done,
                                     .state_count = 2 * node->trainer.parameters,
                                     .served_count = node->trainer.parameters};
    struct gv_mail mail = {.kind = GV_MAIL_CHECKPOINT, .data = header};
    if (!gv_node_order(node, &mail)) {
        free(header);
        return false;
    }
    node->checkpointing = true;
    node->checkpoint_us = gv_now_us();
    return true;
}

/* Tried again by the timer. */
static void unsaved(struct gv_node *node, enum gv_save_what what)
{
    node->peers_dirty = node->peers_dirty || what == GV_SAVE_PEERS;
    node->trust_dirty = node->trust_dirty || what == GV_SAVE_TRUST;
}

static void order_save(struct gv_node *node, struct gv_save *job)
{
    struct gv_mail mail = {.kind = GV_MAIL_SAVE, .data = job};
    if (!gv_node_order(node, &mail)) {
        unsaved(node, job->what);
        gv_save_free(&job);
    }
}

void gv_node_save_peers(struct gv_node *node)
{
    struct gv_save *job = calloc(1, sizeof *job);
    if (job == NULL || gv_directory_new(&job->directory, GV_ADDRESS_BOOK_MAX) != GV_OK) {
        gv_save_free(&job);
        return;
    }
    job->what = GV_SAVE_PEERS;
    job->seed_count = node->seed_count;
    memcpy(job->seeds, node->seeds, sizeof job->seeds);
    for (uint32_t i = 0; i < gv_directory_count(node->directory); i++) {
        struct gv_span bytes;
        struct gv_ref ref;
        const struct gv_record *record = gv_directory_at(node->directory, i, &bytes);
        (void)!gv_directory_put(job->directory, &ref, record, bytes.data, bytes.bytes, NULL, NULL);
    }
    node->peers_dirty = false;
    node->peers_us = gv_now_us();
    order_save(node, job);
}

void gv_node_save_trust(struct gv_node *node)
{
    struct gv_save *job = calloc(1, sizeof *job);
    if (job == NULL || gv_trust_encode(node->trust, &job->data, &job->bytes) != GV_OK) {
        gv_save_free(&job);
        return;
    }
    job->what = GV_SAVE_TRUST;
    node->trust_dirty = false;
    node->trust_us = gv_now_us();
    order_save(node, job);
}

/* ---- the way down ------------------------------------------------------------------------------------------ */

void gv_node_last_checkpoint(struct gv_node *node)
{
    if (node->ending != GV_ENDING_CHECKPOINT) {
        node->ending = GV_ENDING_CHECKPOINT;
        node->ending_us = gv_now_us();
    }
    if (node->checkpointing) {
        return; /* it may lack what was merged since it began: another follows it */
    }
    node->last_ordered = gv_node_checkpoint(node);
    if (node->last_ordered) {
        node->ending_us = node->checkpoint_us;
    } else if (!gv_node_has_model(node)) {
        node->ending = GV_ENDED;
    }
}

/* Whoever stopped the node must hear of it. */
static void last_checkpoint_failed(struct gv_node *node, enum gv_err why)
{
    (void)gv_diag_set(&node->diag, why,
                      "the last checkpoint could not be written; the one before it "
                      "is intact. See the log for why");
    node->exit_code = node->exit_code == GV_EXIT_OK ? GV_EXIT_FAILED : node->exit_code;
}

static void farewell(struct gv_node *node)
{
    node->ending = GV_ENDING_FAREWELL;
    node->ending_us = gv_now_us();
    if (!node->started) {
        node->ending = GV_ENDED;
        return;
    }
    struct gv_event event = {.kind = GV_EV_COMMAND};
    event.u.command = node->leaving ? GV_CMD_LEAVE : GV_CMD_STOP;
    gv_node_event(node, &event);
}

void gv_node_end(struct gv_node *node, int exit_code)
{
    if (node->ending != GV_RUNNING && node->ending != GV_ENDING_EVALUATE) {
        return;
    }
    bool finished =
        node->settled && node->ending == GV_RUNNING && (exit_code == GV_EXIT_OK || exit_code == GV_EXIT_ALONE);
    node->exit_code = exit_code;
    node->ending_us = gv_now_us();
    if (!node->restart) {
        gv_notify("STOPPING=1");
    }
    if (finished && node->trainer.trains) { /* the last word on the model, for status and the log */
        struct gv_mail mail = {.kind = GV_MAIL_EVALUATE};
        node->ending = GV_ENDING_EVALUATE;
        (void)gv_mailbox_try_put(node->trainer.in, &mail);
        return;
    }
    /* Asked for from within an effect, the farewell is an event of its own after it. */
    node->core_trains = false;
    gv_node_update_training(node);
    farewell(node);
}

void gv_node_restart(struct gv_node *node)
{
    if (node->ending == GV_RUNNING) {
        node->restart = true;
        gv_node_end(node, GV_EXIT_OK);
    }
}

static void check_ending(struct gv_node *node, uint64_t now_us)
{
    uint64_t waited_us = gv_elapsed_us(now_us, node->ending_us);
    if (node->ending == GV_ENDING_EVALUATE && waited_us > LAST_EVALUATION_US) {
        farewell(node);
    } else if (node->ending == GV_ENDING_CHECKPOINT && waited_us > LAST_CHECKPOINT_US) {
        gv_log(GV_LEVEL_BROKEN, "the last checkpoint takes too long", "waited_s=%u", LAST_CHECKPOINT_US / 1000000u);
        last_checkpoint_failed(node, GV_ERR_IO);
        node->ending = GV_ENDED;
    } else if ((node->ending == GV_ENDING_FAREWELL && waited_us > FAREWELL_US) ||
               (node->ending == GV_ENDING_CHECKPOINT && !node->last_ordered)) { /* the worker's box was full */
        gv_node_last_checkpoint(node);
    }
}

/* ---- letters ------------------------------------------------------------------------------------------------ */

static void on_ready(struct gv_node *node, const struct gv_mail *mail)
{
    struct gv_event event = {.kind = GV_EV_START};
    gv_random(event.u.start.seed, sizeof event.u.start.seed);
    event.u.start.self = gv_record_ref(&node->record);
    event.u.start.swarm = node->swarm;
    event.u.start.manifest = gv_node_core_manifest(node);
    event.u.start.trust_digest = gv_trust_digest(node->trust);
    event.u.start.age = mail->value;
    event.u.start.has_model = mail->index != 0;
    event.u.start.paused = node->paused;
    event.u.start.trains = node->trainer.trains;
    event.u.start.book_count = gv_directory_count(node->directory);
    event.u.start.seed_count = node->seed_count;
    node->announced_book = event.u.start.book_count;
    if (node->trainer.checkpoint_damaged) {
        gv_log(GV_LEVEL_UNUSUAL, "a checkpoint was damaged", "used=%s",
               node->trainer.checkpoint.state_count > 0 ? "the older one" : "none: the swarm's model will be fetched");
    }
    gv_log(GV_LEVEL_INFO, "ready", "listen=%s age=%.1f parameters=%zu data=%s",
           gv_net_endpoint(node->net)[0] != '\0' ? gv_net_endpoint(node->net) : "none", (double)mail->value / 65536.0,
           node->trainer.parameters, node->trainer.trains ? "yes" : "none");
    node->evaluate_us = gv_now_us() + FIRST_EVALUATION_US - node->config.evaluate_s * 1000000u;
    node->checkpoint_us = gv_now_us();
    node->started = true;
    gv_node_event(node, &event);
    if (node->trainer.misfit.code != GV_OK) {
        node->misfit_us = gv_now_us();
        gv_log(GV_LEVEL_UNUSUAL, "the data does not fit the manifest, asking for a newer one", "why=\"%s\"",
               node->trainer.misfit.text);
    } else if (node->options->steps > 0 && !node->trainer.trains) {
        (void)gv_diag_set(&node->diag, GV_ERR_CONFIG, "run --steps needs data to train on; set data in %s/config.ini",
                          node->dir);
        gv_node_end(node, GV_EXIT_CONFIG);
    }
    if (gv_trust_check(node->trust, &node->member) != GV_OK) { /* a revocation that came while we were loading */
        gv_node_trust_changed(node);
    }
    gv_node_announce_ready(node);
}

/* Said once: until the model is sound again, nothing that comes makes it better. */
static void note_diverged(struct gv_node *node)
{
    if (!node->diverged) {
        node->diverged = true;
        gv_log(GV_LEVEL_UNUSUAL, "the model is not finite: check this node's data, and the swarm's rate", "steps=%llu",
               (unsigned long long)node->steps);
    }
}

static void on_steps(struct gv_node *node, const struct gv_mail *mail)
{
    node->steps = mail->value;
    node->loss = mail->loss;
    node->samples_per_s = node->samples_per_s == 0 ? mail->rate : (7 * node->samples_per_s + mail->rate) / 8;
    node->compute_us = mail->compute_us;
    node->wall_us = mail->wall_us;
    if (mail->loss == GV_LOSS_NOT_FINITE) {
        note_diverged(node);
    }
    struct gv_event event = {.kind = GV_EV_STEPS};
    event.u.steps.total = mail->value;
    event.u.steps.loss = mail->loss;
    event.u.steps.samples_per_s = node->samples_per_s;
    event.u.steps.round = mail->index != 0;
    gv_node_event(node, &event);
    if (node->options->steps > 0 && mail->value >= node->options->steps && !node->settled) {
        struct gv_event settle = {.kind = GV_EV_COMMAND};
        settle.u.command = GV_CMD_SETTLE;
        gv_node_event(node, &settle);
    }
}

static void on_metrics(struct gv_node *node, const struct gv_mail *mail)
{
    node->accuracy = mail->accuracy;
    node->evaluated_loss = mail->loss;
    node->evaluated = mail->samples;
    char loss[32] = "none";
    if (mail->loss != GV_LOSS_NOT_FINITE) {
        (void)snprintf(loss, sizeof loss, "%.4f", (double)mail->loss / 65536.0);
    }
    gv_log(GV_LEVEL_INFO, "evaluated", "accuracy=%.4f loss=%s samples=%llu", (double)mail->accuracy / 65536.0, loss,
           (unsigned long long)mail->samples);
    struct gv_event event = {.kind = GV_EV_METRICS};
    event.u.metrics.loss = mail->loss;
    event.u.metrics.accuracy = mail->accuracy;
    gv_node_event(node, &event);
    if (node->ending == GV_ENDING_EVALUATE) {
        farewell(node);
    }
}

static void on_work(struct gv_node *node, const struct gv_mail *mail, enum gv_event_kind kind)
{
    if (kind == GV_EV_SNAPSHOT || kind == GV_EV_MERGED) {
        gv_node_stage_returned(node);
    }
    if (mail->verdict == GV_ERR_DIVERGED) {
        note_diverged(node);
    } else if (kind == GV_EV_MERGED) { /* of two sides that were looked at, or a model that was */
        node->diverged = false;
    }
    struct gv_event event = {.kind = kind, .verdict = mail->verdict};
    event.u.work.nonce = mail->nonce;
    event.u.work.index = mail->index;
    gv_node_event(node, &event);
}

static void on_persisted(struct gv_node *node, const struct gv_mail *mail)
{
    if (mail->verdict != GV_OK || mail->value != node->persist_wanted) {
        return; /* tried again by the timer */
    }
    node->persist_wanted = 0;
    node->record.incarnation = mail->value;
    node->record.sequence = 0;
    if (gv_node_sign_record(node) == GV_OK) {
        gv_log(GV_LEVEL_INFO, "new incarnation", "incarnation=%llu", (unsigned long long)mail->value);
        struct gv_event event = {.kind = GV_EV_PERSISTED};
        event.u.self.incarnation = mail->value;
        event.u.self.sequence = 0;
        gv_node_event(node, &event);
    }
}

static void on_failed(struct gv_node *node, const struct gv_mail *mail)
{
    struct gv_diag *diag = mail->data;
    if (diag != NULL) {
        node->diag = *diag;
        free(diag);
    } else {
        (void)gv_diag_set(&node->diag, mail->verdict, "%s", gv_err_text((int)mail->verdict));
    }
    node->exit_code = gv_exit_for(mail->verdict);
    node->ending = GV_ENDED;
}

static void on_checkpointed(struct gv_node *node, const struct gv_mail *mail)
{
    node->checkpointing = false;
    node->checkpoints += mail->verdict == GV_OK ? 1 : 0;
    node->checkpoints_failed += mail->verdict == GV_OK ? 0 : 1;
    node->checkpoint_error = mail->verdict;
    if (node->ending == GV_ENDING_CHECKPOINT && !node->last_ordered) {
        gv_node_last_checkpoint(node);
    } else if (node->ending == GV_ENDING_CHECKPOINT) {
        if (mail->verdict != GV_OK) {
            last_checkpoint_failed(node, mail->verdict);
        }
        node->ending = GV_ENDED;
    }
}

static void take_letter(struct gv_node *node, struct gv_mail *mail)
{
    switch (mail->kind) {
    case GV_MAIL_READY:
        on_ready(node, mail);
        return;
    case GV_MAIL_FAILED:
        on_failed(node, mail);
        return;
    case GV_MAIL_STEPS:
        on_steps(node, mail);
        return;
    case GV_MAIL_METRICS:
        on_metrics(node, mail);
        return;
    case GV_MAIL_SNAPSHOT_READY:
        on_work(node, mail, GV_EV_SNAPSHOT);
        return;
    case GV_MAIL_MERGED:
        on_work(node, mail, GV_EV_MERGED);
        return;
    case GV_MAIL_PINNED:
        on_work(node, mail, GV_EV_PINNED);
        return;
    case GV_MAIL_APPLIED:
        on_work(node, mail, GV_EV_APPLIED);
        return;
    case GV_MAIL_ENCODED:
        gv_node_encoded(node, mail);
        return;
    case GV_MAIL_VERIFIED:
        gv_node_verified(node, mail->data);
        return;
    case GV_MAIL_PERSISTED:
        on_persisted(node, mail);
        return;
    case GV_MAIL_CHECKPOINTED:
        on_checkpointed(node, mail);
        return;
    case GV_MAIL_UNSAVED:
        unsaved(node, (enum gv_save_what)mail->index);
        return;
    default:
        GV_UNREACHABLE("a letter for another thread");
    }
}

/* ---- timers ------------------------------------------------------------------------------------------------- */

static bool due(uint64_t *last_us, uint64_t now_us, uint64_t every_us)
{
    if (gv_elapsed_us(now_us, *last_us) < every_us) {
        return false;
    }
    *last_us = now_us;
    return true;
}

static void run_timers(struct gv_node *node, uint64_t now_us)
{
    if (!node->started || node->ending != GV_RUNNING) {
        return;
    }
    gv_node_reload_look(node);
    if (node->misfit_us != 0 && gv_elapsed_us(now_us, node->misfit_us) > MISFIT_US) {
        node->diag = node->trainer.misfit;
        gv_node_end(node, GV_EXIT_CONFIG);
        return;
    }
    if (node->config.checkpoint_s > 0 &&
        gv_elapsed_us(now_us, node->checkpoint_us) > node->config.checkpoint_s * 1000000u) {
        node->checkpoint_us = now_us;
        (void)gv_node_checkpoint(node);
    }
    if (node->config.evaluate_s > 0 && due(&node->evaluate_us, now_us, node->config.evaluate_s * 1000000u)) {
        struct gv_mail mail = {.kind = GV_MAIL_EVALUATE};
        (void)gv_mailbox_try_put(node->trainer.in, &mail);
    }
    if (node->peers_dirty && gv_elapsed_us(now_us, node->peers_us) > PEERS_SAVE_US) {
        gv_node_save_peers(node);
    }
    if (node->trust_news && due(&node->trust_look_us, now_us, TRUST_LOOK_US)) {
        gv_node_trust_changed(node);
    }
    if (node->inviters_us != 0 && gv_elapsed_us(now_us, node->inviters_us) > SHUT_OUT_US) {
        gv_node_enforce_inviters(node);
    }
    if (node->trust_dirty && gv_elapsed_us(now_us, node->trust_us) > TRUST_SAVE_US) {
        gv_node_save_trust(node);
    }
    if (node->manifest_dirty && gv_elapsed_us(now_us, node->manifest_us) > MANIFEST_SAVE_US) {
        gv_node_save_manifest(node);
    }
    if (node->training_dirty) {
        gv_node_configure_trainer(node);
    }
    if (node->train_switch_dirty) {
        gv_node_update_training(node);
    }
    if (due(&node->invites_us, now_us, INVITES_US)) {
        gv_node_close_invites(node);
    }
    if (due(&node->hours_us, now_us, HOURS_US) && within_hours(&node->config) != node->in_hours) {
        node->in_hours = !node->in_hours;
        gv_log(GV_LEVEL_INFO, node->in_hours ? "hours begin, training" : "hours end, resting", " ");
        gv_node_update_training(node);
    }
    if (node->persist_wanted != 0 && due(&node->persist_us, now_us, PERSIST_RETRY_US)) {
        struct gv_mail mail = {.kind = GV_MAIL_PERSIST, .value = node->persist_wanted};
        (void)gv_node_order(node, &mail);
    }
    uint32_t book = gv_directory_count(node->directory);
    if (book != node->announced_book) {
        struct gv_event event = {.kind = GV_EV_BOOK};
        event.u.book.book_count = book;
        event.u.book.seed_count = node->seed_count;
        node->announced_book = book;
        gv_node_event(node, &event);
    }
}

static long timeout_ms(const struct gv_node *node, uint64_t now_us)
{
    uint64_t until_us = now_us + POLL_MS_MAX * 1000u;
    uint64_t candidates[] = {node->started ? gv_core_next_deadline(node->core) : UINT64_MAX,
                             gv_shaper_deadline(&node->up, now_us), gv_shaper_deadline(&node->down, now_us),
                             node->trust_news ? node->trust_look_us + TRUST_LOOK_US : UINT64_MAX};
    for (size_t i = 0; i < sizeof candidates / sizeof candidates[0]; i++) {
        until_us = candidates[i] < until_us ? candidates[i] : until_us;
    }
    return until_us <= now_us ? 0 : (long)((until_us - now_us + 999u) / 1000u);
}

/* ---- the loop ------------------------------------------------------------------------------------------------ */

static void take_signals(struct gv_node *node, int signals)
{
    struct signalfd_siginfo info;
    while (read(signals, &info, sizeof info) == (ssize_t)sizeof info) {
        if (info.ssi_signo == SIGHUP) {
            struct gv_diag diag;
            (void)!gv_node_reload(node, &diag);
        } else {
            gv_log(GV_LEVEL_INFO, "stopping", "signal=%s", info.ssi_signo == SIGTERM ? "TERM" : "INT");
            node->restart = false;
            gv_node_end(node, GV_EXIT_OK);
        }
    }
}

/* What to poll: the network's `net_count` first, then letters, signals, control. Returns the count. */
static int poll_fds(const struct gv_node *node, int signals, struct pollfd *fds, int *net_count)
{
    int count = gv_net_poll(node->net, fds);
    *net_count = count;
    fds[count++] = (struct pollfd){.fd = gv_mailbox_fd(node->mail), .events = POLLIN};
    fds[count++] = (struct pollfd){.fd = signals, .events = POLLIN};
    struct gv_control_poll clients[GV_CONTROL_CLIENTS_MAX + 1];
    uint32_t client_count = gv_control_fds(node->control, clients);
    for (uint32_t i = 0; i < client_count; i++) {
        short events = clients[i].write ? POLLOUT : POLLIN; /* who does not read its replies is not read either */
        fds[count++] = (struct pollfd){.fd = clients[i].fd, .events = events};
    }
    return count;
}

static void turn(struct gv_node *node, int signals, struct pollfd *fds)
{
    int net_count = 0;
    int count = poll_fds(node, signals, fds, &net_count);
    int timeout = gv_net_pending(node->net) ? 0 : (int)timeout_ms(node, gv_now_us());
    if (poll(fds, (nfds_t)count, timeout) > 0) {
        gv_net_polled(node->net, fds, net_count);
    }
    uint64_t now_us = gv_now_us();
    take_signals(node, signals);
    struct gv_mail mail;
    for (int i = 0; i < 256 && gv_mailbox_take(node->mail, &mail, 0); i++) {
        take_letter(node, &mail);
    }
    if (node->started) {
        gv_net_step(node->net, now_us);
    } else {
        gv_net_greet(node->net, now_us);
    }
    gv_node_shape(node, gv_now_us());
    gv_control_step(node->control, now_us);
    if (node->started && gv_core_next_deadline(node->core) <= gv_now_us()) {
        struct gv_event tick = {.kind = GV_EV_TICK};
        gv_node_event(node, &tick);
    }
    run_timers(node, now_us);
    check_ending(node, now_us);
}

void gv_node_loop(struct gv_node *node)
{
    static const int caught[] = {SIGTERM, SIGINT, SIGHUP};
    sigset_t mask;
    (void)sigemptyset(&mask);
    for (size_t i = 0; i < sizeof caught / sizeof caught[0]; i++) {
        (void)sigaddset(&mask, caught[i]);
    }
    int signals = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
    struct pollfd *fds = calloc(GV_NET_POLL_MAX + GV_CONTROL_CLIENTS_MAX + 3, sizeof *fds);
    if (signals < 0 || fds == NULL) {
        (void)gv_diag_set(&node->diag, GV_ERR_NOMEM, "cannot set up the event loop: %s", strerror(errno));
        node->exit_code = GV_EXIT_FAILED;
    } else {
        node->in_hours = within_hours(&node->config);
        while (node->ending != GV_ENDED) {
            turn(node, signals, fds);
        }
    }
    free(fds);
    if (signals >= 0) {
        (void)close(signals);
    }
}
