/*
 * The trainer thread: see trainer.h. All state below `struct work` belongs to that thread alone.
 */
#include "trainer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "data.h"
#include "evaluate.h"
#include "merge.h"
#include "scratch.h"

#define SLICE_ELEMENTS (256u * 1024u) /* 1 MiB: a few tenths of a millisecond to copy */
#define EVALUATION_ROWS 128u
#define SLICE_US 1000u
#define SLICE_WAIT_MS 3
#define COPIES_MAX 8
#define REPORT_US 500000u
#define SERVE_US 1000000u /* the served model follows at most this often: writing it doubles the cost of a merge */

struct copy { /* a SNAPSHOT, COMMIT, ADOPT or PIN under way, or a SLICE behind one */
    enum gv_mail_kind kind;
    uint64_t nonce;
    uint64_t value;
    const struct gv_slice *slice; /* SLICE */
    size_t done;
    bool unsound; /* SNAPSHOT: some of it is not finite */
    bool serve; /* COMMIT, ADOPT: the served model follows, all of it: a PIN that comes meanwhile has its turn behind */
};

struct work {
    struct gv_trainer *trainer;
    struct gv_data data;
    struct gv_learner *learner;
    struct gv_scratch *scratch; /* for steps and evaluations */
    bool train;
    uint32_t cpu_percent;
    uint32_t local_steps, batch;
    uint64_t steps, steps_max, reported_steps;
    uint64_t compute_us, wall_us, mark_us, reported_us;
    uint64_t step_us;      /* the last step's; what a boundary may spend on copies is measured by it */
    double loss;           /* running mean */
    uint64_t pins, pinned; /* asked for, done */
    uint64_t served_us;
    uint64_t rest_until_us;
    bool merged_since_refresh;
    bool asked_to_stop;
    uint32_t copy_count;
    struct copy copies[COPIES_MAX];
    bool evaluating;
    size_t evaluated;
    double loss_sum, correct;
};

uint64_t gv_q16(double value)
{
    if (!isfinite(value)) {
        return GV_LOSS_NOT_FINITE;
    }
    double scaled = value > 0 ? value * 65536.0 : 0;
    return scaled < 0x1p64 ? (uint64_t)scaled : UINT64_MAX - 1;
}

static void answer_with(const struct work *work, enum gv_mail_kind kind, uint64_t nonce, enum gv_err verdict)
{
    struct gv_mail mail = {.kind = kind, .nonce = nonce, .verdict = verdict};
    gv_mailbox_put(work->trainer->loop, &mail);
}

static void answer(const struct work *work, enum gv_mail_kind kind, uint64_t nonce)
{
    answer_with(work, kind, nonce, GV_OK);
}

/* ---- copies ---------------------------------------------------------------------------------------------- */

static bool may_step(const struct work *work)
{
    return work->train && work->trainer->trains && (work->steps_max == 0 || work->steps < work->steps_max);
}

/* live += stage. The served model follows if it is due, or if no training will blur what the swarm agreed on. */
static void commit_slice(struct work *work, struct copy *copy, size_t count)
{
    size_t offset = copy->done;
    if (offset == 0) {
        uint64_t now_us = gv_now_us();
        copy->serve = work->pins == 0 && (now_us - work->served_us > SERVE_US || !may_step(work));
        work->served_us = copy->serve ? now_us : work->served_us;
    }
    struct gv_trainer *trainer = work->trainer;
    float *live = gv_learner_state(work->learner);
    gv_merge_commit(live + offset, trainer->stage + offset, count);
    if (copy->serve && offset < trainer->parameters) {
        size_t served = offset + count < trainer->parameters ? count : trainer->parameters - offset;
        memcpy(trainer->served + offset, live + offset, served * sizeof *live);
    }
}

static void adopt_slice(struct work *work, struct copy *copy, size_t count)
{
    size_t offset = copy->done;
    copy->serve = offset == 0 ? work->pins == 0 : copy->serve;
    struct gv_trainer *trainer = work->trainer;
    float *live = gv_learner_state(work->learner);
    memcpy(live + offset, trainer->stage + offset, count * sizeof *live);
    memset(live + trainer->parameters + offset, 0, count * sizeof *live);
    if (copy->serve) {
        memcpy(trainer->served + offset, trainer->stage + offset, count * sizeof *live);
    }
}

static size_t copy_length(const struct work *work, enum gv_mail_kind kind)
{
    bool exchange = kind == GV_MAIL_SNAPSHOT || kind == GV_MAIL_COMMIT;
    return exchange ? work->trainer->exchanged : work->trainer->parameters;
}

static void fill_slice(struct work *work, const struct gv_slice *slice)
{
    const float *from = slice->served ? work->trainer->served : gv_learner_state(work->learner);
    memcpy(slice->out, from + slice->offset, slice->count * sizeof *from);
    struct gv_mail mail = {.kind = GV_MAIL_SLICE};
    gv_mailbox_put(work->trainer->slices, &mail);
}

static void finish_copy(struct work *work, const struct copy *copy)
{
    switch (copy->kind) {
    case GV_MAIL_SNAPSHOT:
        answer_with(work, GV_MAIL_SNAPSHOT_READY, copy->nonce, copy->unsound ? GV_ERR_DIVERGED : GV_OK);
        return;
    case GV_MAIL_COMMIT: {
        double age = gv_learner_age(work->learner) + (double)(int64_t)copy->value / 65536.0;
        gv_learner_set_age(work->learner, age > 0 ? age : 0);
        work->merged_since_refresh = work->merged_since_refresh || copy->serve;
        answer(work, GV_MAIL_MERGED, copy->nonce);
        return;
    }
    case GV_MAIL_ADOPT:
        gv_learner_set_age(work->learner, (double)copy->value / 65536.0);
        work->merged_since_refresh = copy->serve;
        answer(work, GV_MAIL_MERGED, copy->nonce);
        return;
    case GV_MAIL_SLICE:
        fill_slice(work, copy->slice);
        return;
    default:
        work->pinned++;
        answer(work, GV_MAIL_PINNED, copy->nonce);
        return;
    }
}

/* One slice of the oldest copy. */
static void advance_copy(struct work *work)
{
    struct copy *copy = &work->copies[0];
    struct gv_trainer *trainer = work->trainer;
    size_t length = copy_length(work, copy->kind);
    size_t count = length - copy->done < SLICE_ELEMENTS ? length - copy->done : SLICE_ELEMENTS;
    const float *live = gv_learner_state(work->learner);
    if (copy->kind == GV_MAIL_SNAPSHOT) {
        memcpy(trainer->stage + copy->done, live + copy->done, count * sizeof *live);
        copy->unsound = copy->unsound || !gv_guard_finite(trainer->stage + copy->done, count);
    } else if (copy->kind == GV_MAIL_COMMIT) {
        commit_slice(work, copy, count);
    } else if (copy->kind == GV_MAIL_ADOPT) {
        adopt_slice(work, copy, count);
    } else if (copy->kind == GV_MAIL_SLICE || work->merged_since_refresh || work->pinned > 0) {
        count = length - copy->done; /* a pin of a served model that is fresh, or held already: nothing to copy */
    } else {
        memcpy(trainer->served + copy->done, live + copy->done, count * sizeof *live);
    }
    copy->done += count;
    if (copy->done == length) {
        struct copy finished = *copy;
        work->copy_count--;
        memmove(&work->copies[0], &work->copies[1], work->copy_count * sizeof work->copies[0]);
        finish_copy(work, &finished);
    }
}

/* ---- evaluation ------------------------------------------------------------------------------------------ */

static const struct gv_samples *evaluation_samples(const struct work *work)
{
    return work->data.test.count > 0 ? &work->data.test : &work->data.train;
}

/* A node alone serves what it has; one that trains no more serves what its last merges made of it. */
static void refresh_served(struct work *work)
{
    if (work->pins == 0) {
        memcpy(work->trainer->served, gv_learner_state(work->learner), work->trainer->parameters * sizeof(float));
    }
}

static void start_evaluation(struct work *work)
{
    if (work->evaluating || !work->trainer->trains) {
        return;
    }
    if (!work->merged_since_refresh || !may_step(work)) {
        refresh_served(work);
    }
    work->merged_since_refresh = false;
    work->evaluating = true;
    work->evaluated = 0;
    work->loss_sum = 0;
    work->correct = 0;
}

static void advance_evaluation(struct work *work)
{
    const struct gv_samples *all = evaluation_samples(work);
    size_t count = all->count - work->evaluated < EVALUATION_ROWS ? all->count - work->evaluated : EVALUATION_ROWS;
    struct gv_part part = {.first = work->evaluated, .step = 1, .count = count};
    struct gv_evaluation result;
    if (gv_evaluate(&result, work->scratch, work->trainer->served, &work->data, all, &part) != GV_OK) {
        work->evaluating = false;
        return;
    }
    work->loss_sum += result.loss * (double)count;
    work->correct += result.accuracy * (double)count;
    work->evaluated += count;
    if (work->evaluated == all->count) {
        work->evaluating = false;
        double samples = (double)all->count;
        struct gv_mail mail = {.kind = GV_MAIL_METRICS,
                               .loss = gv_q16(work->loss_sum / samples),
                               .accuracy = gv_q16(work->correct / samples),
                               .samples = all->count};
        gv_mailbox_put(work->trainer->loop, &mail);
    }
}

/* ---- training -------------------------------------------------------------------------------------------- */

static void report(struct work *work, uint64_t now_us, bool round)
{
    uint64_t elapsed_us = now_us - work->reported_us;
    uint64_t samples = (work->steps - work->reported_steps) * work->batch;
    struct gv_mail mail = {.kind = GV_MAIL_STEPS,
                           .value = work->steps,
                           .index = round ? 1 : 0,
                           .loss = gv_q16(work->loss),
                           .rate = elapsed_us > 0 ? samples * 65536u * 1000u / (elapsed_us / 1000u + 1u) : 0,
                           .compute_us = work->compute_us,
                           .wall_us = work->wall_us};
    gv_mailbox_put(work->trainer->loop, &mail);
    work->reported_us = now_us;
    work->reported_steps = work->steps;
}

/* How long a step boundary may last: a millisecond, or an eighth of a long step. At a millisecond alone, copying a
 * model whose steps take 150 ms would take as many steps as it has megabytes. */
static uint64_t boundary_us(const struct work *work)
{
    return work->step_us / 8 > SLICE_US ? work->step_us / 8 : SLICE_US;
}

static void train_step(struct work *work)
{
    uint64_t start_us = gv_now_us();
    double loss = (double)gv_learner_step(work->learner, work->scratch);
    uint64_t end_us = gv_now_us();
    work->steps++;
    work->step_us = end_us - start_us;
    work->compute_us += work->step_us;
    bool first = work->steps == 1 || !isfinite(work->loss); /* no mean gets over a NaN; the model may, by a fetch */
    work->loss = first ? loss : work->loss + 0.02 * (loss - work->loss);
    bool round = work->steps % work->local_steps == 0;
    if (round || end_us - work->reported_us > REPORT_US || !may_step(work)) {
        report(work, end_us, round);
    }
}

/* ---- mail ------------------------------------------------------------------------------------------------ */

/* The core has one exchange and two takers, the worker one slice at a time; cancelled ones are gone. */
static void queue_copy(struct work *work, struct copy copy)
{
    GV_ASSERT(work->copy_count < COPIES_MAX);
    work->copies[work->copy_count++] = copy;
}

/* Takes a copy nobody waits for any more out of the queue: a peer that offers and aborts must not fill it. */
static bool cancel_copy(struct work *work, enum gv_mail_kind kind, uint64_t nonce)
{
    for (uint32_t i = 0; i < work->copy_count; i++) {
        if (work->copies[i].kind == kind && work->copies[i].nonce == nonce) {
            work->copy_count--;
            memmove(&work->copies[i], &work->copies[i + 1], (work->copy_count - i) * sizeof work->copies[0]);
            return true;
        }
    }
    return false;
}

/* Without memory for a larger batch, its size stays. */
static void configure(struct work *work, const struct gv_training *training)
{
    struct gv_training changed = *training;
    if (gv_scratch_reserve(work->scratch, changed.batch) != GV_OK) {
        changed.batch = work->batch;
    }
    work->batch = changed.batch;
    enum gv_err err = gv_learner_configure(work->learner, &changed);
    GV_ASSERT(err == GV_OK); /* the learner has its velocity, so it needs no memory */
}

static void obey(struct work *work, const struct gv_mail *mail)
{
    switch (mail->kind) {
    case GV_MAIL_TRAIN:
        work->train = mail->value != 0;
        work->mark_us = gv_now_us();
        work->reported_us = work->mark_us;
        work->reported_steps = work->steps;
        return;
    case GV_MAIL_PIN:
        work->pins++;
        /* fall through */
    case GV_MAIL_SNAPSHOT:
    case GV_MAIL_COMMIT:
    case GV_MAIL_ADOPT:
        queue_copy(work, (struct copy){.kind = mail->kind, .nonce = mail->nonce, .value = mail->value});
        return;
    case GV_MAIL_UNPIN:
        if (!cancel_copy(work, GV_MAIL_PIN, mail->nonce)) {
            work->pinned -= work->pinned > 0 ? 1 : 0;
        }
        work->pins -= work->pins > 0 ? 1 : 0;
        return;
    case GV_MAIL_CANCEL:
        if (cancel_copy(work, GV_MAIL_SNAPSHOT, mail->nonce)) {
            answer(work, GV_MAIL_SNAPSHOT_READY, mail->nonce); /* the stage is free again; the core has forgotten it */
        }
        return;
    case GV_MAIL_SLICE: /* the last checkpoint must not miss the merge that was ordered before it */
        if (work->copy_count == 0) {
            fill_slice(work, mail->data);
        } else {
            queue_copy(work, (struct copy){.kind = mail->kind, .slice = mail->data});
        }
        return;
    case GV_MAIL_CONFIGURE:
        configure(work, mail->data);
        work->local_steps = mail->index;
        free(mail->data);
        return;
    case GV_MAIL_EVALUATE:
        start_evaluation(work);
        return;
    case GV_MAIL_STOP:
        work->asked_to_stop = true;
        return;
    default:
        GV_UNREACHABLE("a letter for another thread");
    }
}

/* How long to rest after a stretch of training so that it uses at most cpu_percent of a core. */
static uint64_t rest_us_after(struct work *work, uint64_t *debt_us, uint64_t step_us)
{
    if (work->cpu_percent >= 100) {
        return 0;
    }
    *debt_us += step_us * (100u - work->cpu_percent) / work->cpu_percent;
    if (*debt_us < 2000) {
        return 0;
    }
    uint64_t rest_us = *debt_us;
    *debt_us = 0;
    return rest_us;
}

/* Obeys all letters. After a slice of a checkpoint the next one is asked for within moments: worth a little waiting. */
static void read_mail(struct work *work, int timeout_ms, uint64_t until_us)
{
    struct gv_mail mail;
    while (!work->asked_to_stop && gv_mailbox_take(work->trainer->in, &mail, timeout_ms)) {
        obey(work, &mail);
        bool next = mail.kind == GV_MAIL_SLICE && work->copy_count == 0 && gv_now_us() < until_us;
        timeout_ms = next ? SLICE_WAIT_MS : 0;
    }
}

/* Copies, or a part of an evaluation, for as long as a boundary may last. */
static void advance(struct work *work, uint64_t until_us)
{
    do {
        if (work->copy_count > 0) {
            advance_copy(work);
        } else if (work->evaluating) {
            advance_evaluation(work);
        } else {
            return;
        }
    } while (gv_now_us() < until_us);
}

/* How long to wait for mail: not at all with copies to make, until the rest is over, or for ever. */
static int wait_ms(const struct work *work, uint64_t now_us)
{
    if (work->copy_count > 0 || work->evaluating) {
        return 0;
    }
    if (!may_step(work)) {
        return -1;
    }
    return work->rest_until_us > now_us ? (int)((work->rest_until_us - now_us + 999) / 1000) : 0;
}

static void run(struct work *work)
{
    uint64_t debt_us = 0;
    work->mark_us = work->reported_us = gv_now_us();
    while (!work->asked_to_stop) {
        uint64_t start_us = gv_now_us();
        read_mail(work, wait_ms(work, start_us), start_us + boundary_us(work));
        uint64_t now_us = gv_now_us();
        if (start_us < work->rest_until_us) {
            work->mark_us += now_us - start_us; /* a rest that the person asked for is no lost time */
        }
        advance(work, now_us + boundary_us(work));
        now_us = gv_now_us();
        if (!may_step(work)) {
            work->mark_us = now_us;
        } else if (now_us >= work->rest_until_us) {
            train_step(work);
            now_us = gv_now_us();
            work->rest_until_us = now_us + rest_us_after(work, &debt_us, work->step_us);
            work->wall_us += gv_elapsed_us(now_us, work->mark_us);
            work->mark_us = now_us;
        }
    }
}

/* ---- start and end --------------------------------------------------------------------------------------- */

static enum gv_err load_data(struct work *work, struct gv_diag *diag)
{
    const struct gv_trainer_options *options = &work->trainer->options;
    if (options->config->data[0] == '\0') {
        return GV_OK;
    }
    enum gv_err err = gv_data_load(&work->data, options->config->data, diag);
    if (err == GV_OK) {
        err = gv_data_fit(&work->data, &options->manifest->schema, diag);
        if (err == GV_ERR_DATA) { /* it may be right and the manifest old: the node asks the swarm before it gives up */
            work->trainer->misfit = *diag;
            gv_data_deinit(&work->data);
            return GV_OK;
        }
    }
    if (err == GV_OK && options->config->shard_count > 1) {
        err = gv_data_shard(&work->data, options->config->partition, options->config->shard_index,
                            options->config->shard_count, options->manifest->training.seed, diag);
    }
    if (err == GV_OK && work->data.train.count < 1) {
        err = gv_diag_set(diag, GV_ERR_DATA, "data %s: no samples to train on", options->config->data);
    }
    work->trainer->trains = err == GV_OK;
    return err;
}

/* Takes over the newest intact checkpoint if it is of this model. */
static enum gv_err load_checkpoint(struct work *work, struct gv_diag *diag)
{
    struct gv_trainer *trainer = work->trainer;
    struct gv_checkpoint checkpoint;
    bool damaged = false;
    memset(&checkpoint, 0, sizeof checkpoint);
    enum gv_err err = gv_store_load_checkpoint(trainer->options.dir, &checkpoint, NULL, NULL, &damaged, diag);
    trainer->had_checkpoint = err != GV_ERR_NOT_FOUND;
    if (!trainer->had_checkpoint) {
        return GV_OK;
    }
    if (err == GV_ERR_CORRUPT) { /* both slots: start again and fetch; the swarm has the model */
        trainer->checkpoint_damaged = true;
        return GV_OK;
    }
    bool fits = err == GV_OK && gv_hash_equal(&checkpoint.layout, &trainer->options.layout) &&
                checkpoint.epoch == trainer->options.manifest->epoch &&
                checkpoint.state_count == 2 * trainer->parameters &&
                (checkpoint.served_count == 0 || checkpoint.served_count == trainer->parameters);
    if (!fits) {
        return err; /* an older epoch's model: the manifest's seed starts the new one */
    }
    float *served = checkpoint.served_count > 0 ? trainer->served : NULL;
    err = gv_store_load_checkpoint(trainer->options.dir, &checkpoint, gv_learner_state(work->learner), served, &damaged,
                                   diag);
    if (err == GV_OK) {
        trainer->checkpoint = checkpoint;
        trainer->checkpoint_damaged = damaged;
        gv_learner_set_age(work->learner, (double)checkpoint.age / 65536.0);
        work->merged_since_refresh = served != NULL;
    }
    return err;
}

/* For steps and evaluations. */
static uint32_t scratch_rows(const struct gv_trainer *trainer)
{
    uint32_t batch = trainer->options.manifest->training.batch;
    uint32_t rows = gv_evaluation_rows(trainer->model);
    return rows > batch ? rows : batch;
}

static enum gv_err set_up(struct work *work, struct gv_diag *diag)
{
    struct gv_trainer *trainer = work->trainer;
    const struct gv_manifest *manifest = trainer->options.manifest;
    enum gv_err err = load_data(work, diag);
    if (err != GV_OK) {
        return err;
    }
    trainer->test_samples = evaluation_samples(work)->count;
    trainer->evaluates_train = work->data.test.count == 0;
    trainer->parameters = gv_model_layout(trainer->model)->parameters;
    trainer->exchanged = trainer->parameters * (manifest->exchange_momentum ? 2 : 1);
    trainer->stage = malloc(trainer->exchanged * sizeof(float));
    trainer->served = malloc(trainer->parameters * sizeof(float));
    /* Checkpoints and exchanges may cover the velocity whatever the momentum is. */
    struct gv_learner_options options = {
        .data = trainer->trains ? &work->data : NULL, .order_seed = trainer->options.order_seed, .keep_velocity = true};
    if (trainer->stage == NULL || trainer->served == NULL ||
        gv_scratch_new(&work->scratch, trainer->model, scratch_rows(trainer)) != GV_OK ||
        gv_learner_new(&work->learner, trainer->model, &manifest->training, &options) != GV_OK) {
        return gv_diag_set(diag, GV_ERR_NOMEM, "out of memory for a model of %zu parameters", trainer->parameters);
    }
    work->local_steps = manifest->local_steps;
    work->batch = manifest->training.batch;
    memcpy(trainer->served, gv_learner_state(work->learner), trainer->parameters * sizeof(float));
    work->steps_max = trainer->options.steps_max;
    work->cpu_percent = trainer->options.config->cpu_percent;
    return load_checkpoint(work, diag);
}

/* Frees what undelivered letters own. */
static void drain(struct gv_mailbox *mailbox)
{
    struct gv_mail mail;
    while (gv_mailbox_take(mailbox, &mail, 0)) {
        if (mail.kind == GV_MAIL_CONFIGURE) {
            free(mail.data);
        }
    }
}

static void *trainer_main(void *argument)
{
    struct work work = {.trainer = argument};
    struct gv_trainer *trainer = argument;
    struct gv_diag *diag = calloc(1, sizeof *diag);
    gv_learner_thread_init();
    struct gv_mail mail = {.kind = GV_MAIL_FAILED, .data = diag, .verdict = GV_ERR_NOMEM};
    if (diag != NULL) {
        mail.verdict = set_up(&work, diag);
    }
    if (mail.verdict == GV_OK) {
        bool model = trainer->options.creator || trainer->checkpoint.state_count > 0;
        struct gv_mail ready = {.kind = GV_MAIL_READY, .value = trainer->checkpoint.age, .index = model ? 1 : 0};
        free(diag);
        gv_mailbox_put(trainer->loop, &ready);
        run(&work);
    } else {
        gv_mailbox_put(trainer->loop, &mail);
    }
    gv_learner_free(&work.learner);
    gv_scratch_free(&work.scratch);
    gv_data_deinit(&work.data);
    drain(trainer->in);
    return NULL;
}

enum gv_err gv_trainer_start(struct gv_trainer *trainer, const struct gv_trainer_options *options,
                             struct gv_mailbox *loop, struct gv_diag *diag)
{
    memset(trainer, 0, sizeof *trainer);
    trainer->options = *options;
    trainer->loop = loop;
    enum gv_err err = gv_model_new(&trainer->model, options->manifest->training.model, diag);
    if (err != GV_OK) {
        return err;
    }
    if (gv_mailbox_new(&trainer->in) != GV_OK || gv_mailbox_new(&trainer->slices) != GV_OK ||
        pthread_create(&trainer->thread, NULL, trainer_main, trainer) != 0) {
        gv_trainer_stop(trainer);
        return gv_diag_set(diag, GV_ERR_NOMEM, "cannot start the trainer thread");
    }
    trainer->running = true;
    return GV_OK;
}

void gv_trainer_stop(struct gv_trainer *trainer)
{
    if (trainer->running) {
        struct gv_mail mail = {.kind = GV_MAIL_STOP};
        gv_mailbox_put(trainer->in, &mail);
        (void)pthread_join(trainer->thread, NULL);
        trainer->running = false;
    }
    gv_mailbox_free(&trainer->in);
    gv_mailbox_free(&trainer->slices);
    gv_model_free(&trainer->model);
    free(trainer->stage);
    free(trainer->served);
    trainer->stage = NULL;
    trainer->served = NULL;
}
