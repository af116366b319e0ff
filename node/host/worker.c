/*
 * The worker thread: see worker.h.
 */
#include "worker.h"

#include <stdlib.h>
#include <string.h>

#include "gv/chunks.h"
#include "log.h"
#include "manifest_text.h"
#include "merge.h"
#include "tensor.h"
#include "wire.h"

#define SCRATCH_ELEMENTS 4096u /* decoded piece by piece, so that a chunk crosses memory once */

/* ---- chunks ---------------------------------------------------------------------------------------------- */

/* Where a chunk lies in the stage, elements. False: there is no such chunk. */
static bool place_of(const struct gv_worker *worker, const struct gv_mail *mail, size_t *offset, size_t *count)
{
    if (mail->inline_state) {
        *offset = 0;
        *count = mail->fetch ? worker->trainer->parameters : worker->trainer->exchanged;
        return mail->index == 0;
    }
    uint32_t block = 0;
    uint64_t first = 0;
    uint64_t elements = 0;
    if (!gv_chunk_at(&block, &first, &elements, worker->block_elements, mail->fetch ? 1 : worker->block_count,
                     mail->codec, mail->chunk_bytes, mail->index)) {
        return false;
    }
    for (uint32_t before = 0; before < block; before++) {
        first += worker->block_elements[before];
    }
    *offset = first;
    *count = elements;
    return true;
}

void gv_mail_drop(struct gv_mail *mail)
{
    zmq_msg_t *message = mail->data;
    if (message != NULL) {
        (void)zmq_msg_close(message);
        free(message);
        mail->data = NULL;
    }
}

/* Encodes a chunk of the stage, whose values become what the peer will see, or of the served model. */
static void encode(struct gv_worker *worker, const struct gv_mail *mail)
{
    struct gv_mail done = *mail;
    size_t offset;
    size_t count;
    done.kind = GV_MAIL_ENCODED;
    done.data = NULL;
    done.verdict = GV_ERR_CHUNK;
    zmq_msg_t *message = malloc(sizeof *message);
    if (message != NULL && place_of(worker, mail, &offset, &count)) {
        uint8_t head[GV_CHUNK_HEAD_BYTES_MAX];
        enum gv_codec codec = (enum gv_codec)mail->codec;
        size_t payload = gv_tensor_bytes(codec, count);
        size_t head_bytes = gv_wire_chunk_head(head, mail->nonce, mail->index, (uint32_t)payload);
        if (zmq_msg_init_size(message, head_bytes + payload) == 0) {
            uint8_t *out = zmq_msg_data(message);
            memcpy(out, head, head_bytes);
            if (mail->fetch) {
                gv_tensor_encode(out + head_bytes, codec, worker->trainer->served + offset, count);
            } else {
                gv_tensor_quantise(out + head_bytes, codec, worker->trainer->stage + offset, count);
            }
            done.data = message;
            done.verdict = GV_OK;
            message = NULL;
        }
    }
    free(message);
    gv_mailbox_put(worker->loop, &done);
}

/* The far side of an exchange becomes a delta in place; a fetched model is copied. */
static enum gv_err stage_payload(const struct gv_worker *worker, const struct gv_mail *mail, struct gv_span payload)
{
    size_t offset;
    size_t count;
    enum gv_codec codec = (enum gv_codec)mail->codec;
    if (!place_of(worker, mail, &offset, &count) || payload.bytes != gv_tensor_bytes(codec, count)) {
        return GV_ERR_CHUNK;
    }
    float *stage = worker->trainer->stage + offset;
    if (mail->fetch) {
        return gv_tensor_decode(stage, count, codec, payload.data, payload.bytes);
    }
    float scratch[SCRATCH_ELEMENTS];
    float weight = (float)mail->weight_q16 / (float)GV_Q16_ONE;
    for (size_t done = 0; done < count; done += SCRATCH_ELEMENTS) {
        size_t part = count - done < SCRATCH_ELEMENTS ? count - done : SCRATCH_ELEMENTS;
        size_t from = gv_tensor_bytes(codec, done);
        enum gv_err err = gv_tensor_decode(scratch, part, codec, payload.data + from, gv_tensor_bytes(codec, part));
        if (err != GV_OK) {
            return err;
        }
        if (!gv_merge_stage(stage + done, scratch, part, weight)) {
            return GV_ERR_NONFINITE;
        }
    }
    return GV_OK;
}

static void apply(struct gv_worker *worker, struct gv_mail *mail)
{
    struct gv_mail done = *mail;
    done.kind = GV_MAIL_APPLIED;
    done.data = NULL;
    zmq_msg_t *frame = mail->data;
    struct gv_msg msg;
    struct gv_bulk bulk;
    done.verdict = gv_wire_decode(&msg, &bulk, zmq_msg_data(frame), zmq_msg_size(frame));
    if (done.verdict == GV_OK) {
        done.verdict = bulk.count == 1 ? stage_payload(worker, mail, bulk.item[0]) : GV_ERR_CHUNK;
    }
    gv_mail_drop(mail);
    gv_mailbox_put(worker->loop, &done);
}

/* ---- signatures ------------------------------------------------------------------------------------------ */

void gv_verification_free(struct gv_verification **verification)
{
    struct gv_verification *old = *verification;
    if (old == NULL) {
        return;
    }
    (void)zmq_msg_close(&old->frame);
    if (old->has_manifest) {
        gv_manifest_deinit(&old->manifest);
    }
    free(old->records);
    free(old->verdicts);
    free(old);
    *verification = NULL;
}

static void verify_records(const struct gv_worker *worker, struct gv_verification *job)
{
    job->records = calloc(job->bulk.count, sizeof *job->records);
    job->verdicts = calloc(job->bulk.count, sizeof *job->verdicts);
    if (job->records == NULL || job->verdicts == NULL) {
        job->verdict = GV_ERR_NOMEM;
        return;
    }
    job->count = job->bulk.count;
    for (uint32_t i = 0; i < job->count; i++) {
        const struct gv_span *item = &job->bulk.item[i];
        job->verdicts[i] = gv_record_verify(&job->records[i], &worker->root, item->data, item->bytes);
    }
    job->verdict = job->count > 0 ? job->verdicts[0] : GV_ERR_MALFORMED;
}

static void verify(struct gv_worker *worker, const struct gv_mail *mail)
{
    struct gv_verification *job = mail->data;
    struct gv_mail done = {.kind = GV_MAIL_VERIFIED, .link = job->link, .data = job};
    const struct gv_span *first = &job->bulk.item[0];
    if (job->bulk.count == 0) {
        job->verdict = GV_ERR_MALFORMED;
    } else if (job->msg.kind == GV_KIND_LEAVE) {
        struct gv_swarm_id swarm = gv_swarm_id_of(&worker->root);
        job->verdict =
            gv_leave_verify(&job->msg.u.leave.id, &job->msg.u.leave.incarnation, &swarm, first->data, first->bytes);
    } else if (job->msg.kind == GV_KIND_MANIFEST) {
        job->verdict = gv_manifest_parse(&job->manifest, (const char *)first->data, first->bytes, &worker->root, NULL);
        job->has_manifest = job->verdict == GV_OK;
    } else {
        verify_records(worker, job);
    }
    gv_mailbox_put(worker->loop, &done);
}

/* ---- files ----------------------------------------------------------------------------------------------- */

void gv_save_free(struct gv_save **save)
{
    struct gv_save *old = *save;
    if (old != NULL) {
        free(old->data);
        gv_directory_free(&old->directory);
        free(old);
        *save = NULL;
    }
}

static void save(const struct gv_worker *worker, const struct gv_mail *mail)
{
    struct gv_save *job = mail->data;
    struct gv_diag diag;
    enum gv_err err;
    if (job->what == GV_SAVE_PEERS) {
        err = gv_store_save_peers(worker->dir, job->seeds, job->seed_count, job->directory, &diag);
    } else {
        err = gv_store_write(worker->dir, "trust", job->data, job->bytes, 0600, &diag);
    }
    if (err != GV_OK) {
        struct gv_mail failed = {.kind = GV_MAIL_UNSAVED, .index = (uint32_t)job->what};
        gv_log_limited(GV_LEVEL_BROKEN, "save", "cannot save", "why=\"%s\"", diag.text);
        gv_mailbox_put(worker->loop, &failed);
    }
    gv_save_free(&job);
}

static void persist(struct gv_worker *worker, const struct gv_mail *mail)
{
    struct gv_diag diag;
    struct gv_mail done = {.kind = GV_MAIL_PERSISTED, .value = mail->value};
    done.verdict = gv_store_save_incarnation(worker->dir, mail->value, &diag);
    if (done.verdict != GV_OK) {
        gv_log_limited(GV_LEVEL_BROKEN, "incarnation", "cannot save the incarnation", "why=\"%s\"", diag.text);
    }
    gv_mailbox_put(worker->loop, &done);
}

/* ---- thread ---------------------------------------------------------------------------------------------- */

static void obey(struct gv_worker *worker, struct gv_mail *mail)
{
    switch (mail->kind) {
    case GV_MAIL_ENCODE:
        encode(worker, mail);
        return;
    case GV_MAIL_APPLY:
        apply(worker, mail);
        return;
    case GV_MAIL_RELAY:
        mail->kind = mail->relay;
        gv_mailbox_put(worker->trainer->in, mail);
        return;
    case GV_MAIL_VERIFY:
        verify(worker, mail);
        return;
    case GV_MAIL_PERSIST:
        persist(worker, mail);
        return;
    case GV_MAIL_SAVE:
        save(worker, mail);
        return;
    case GV_MAIL_STOP:
        worker->stopping = true;
        return;
    default:
        GV_UNREACHABLE("a letter for another thread");
    }
}

/* What a checkpoint must not hold up: a large one takes seconds of waiting for the trainer's slices. */
static void work_meanwhile(struct gv_worker *worker)
{
    struct gv_mail mail;
    while (gv_mailbox_take(worker->in, &mail, 0)) {
        obey(worker, &mail);
    }
}

struct slice_reader {
    struct gv_worker *worker;
    size_t state_count;
};

/* Asks the trainer for a piece of [state | served], which it copies at its next step boundary. */
static enum gv_err read_slice(void *context, float *out, size_t offset, size_t count)
{
    const struct slice_reader *reader = context;
    while (count > 0) {
        bool served = offset >= reader->state_count;
        size_t left = served ? count : reader->state_count - offset;
        struct gv_slice slice = {.out = out,
                                 .offset = served ? offset - reader->state_count : offset,
                                 .count = left < count ? left : count,
                                 .served = served};
        struct gv_mail mail = {.kind = GV_MAIL_SLICE, .data = &slice};
        gv_mailbox_put(reader->worker->trainer->in, &mail);
        while (!gv_mailbox_take(reader->worker->trainer->slices, &mail, 1)) {
            work_meanwhile(reader->worker);
        }
        out += slice.count;
        offset += slice.count;
        count -= slice.count;
    }
    return GV_OK;
}

static void checkpoint(struct gv_worker *worker, const struct gv_mail *mail)
{
    struct gv_checkpoint *header = mail->data;
    struct gv_mail done = {.kind = GV_MAIL_CHECKPOINTED, .nonce = mail->nonce};
    struct slice_reader reader = {.worker = worker, .state_count = header->state_count};
    struct gv_diag diag;
    done.verdict = gv_store_stream_checkpoint(worker->dir, header, read_slice, &reader, &diag);
    if (done.verdict != GV_OK) {
        gv_log_limited(GV_LEVEL_BROKEN, "checkpoint", "cannot write a checkpoint", "why=\"%s\"", diag.text);
    }
    free(header);
    gv_mailbox_put(worker->loop, &done);
}

static void *worker_main(void *argument)
{
    struct gv_worker *worker = argument;
    struct gv_mail mail;
    gv_learner_thread_init(); /* deltas round as the trainer rounds */
    while (!worker->stopping && gv_mailbox_take(worker->in, &mail, -1)) {
        if (mail.kind == GV_MAIL_CHECKPOINT) { /* the loop orders one at a time */
            checkpoint(worker, &mail);
        } else {
            obey(worker, &mail);
        }
    }
    return NULL;
}

enum gv_err gv_worker_start(struct gv_worker *worker, struct gv_diag *diag)
{
    if (gv_mailbox_new(&worker->in) != GV_OK || pthread_create(&worker->thread, NULL, worker_main, worker) != 0) {
        gv_mailbox_free(&worker->in);
        return gv_diag_set(diag, GV_ERR_NOMEM, "cannot start the worker thread");
    }
    worker->running = true;
    return GV_OK;
}

void gv_worker_stop(struct gv_worker *worker)
{
    if (worker->running) {
        struct gv_mail mail = {.kind = GV_MAIL_STOP};
        gv_mailbox_put(worker->in, &mail);
        (void)pthread_join(worker->thread, NULL);
        worker->running = false;
    }
    gv_mailbox_free(&worker->in);
}
