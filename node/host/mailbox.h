/*
 * Mailboxes: how the loop, the worker and the trainer talk. Whole messages, first in first out, bounded; a descriptor
 * becomes readable while there is mail, so that the loop can poll it beside its sockets.
 *
 * The lock guards the queue alone: whatever a letter points to belongs to its receiver from then on.
 */
#ifndef GV_MAILBOX_H
#define GV_MAILBOX_H

#include <stdbool.h>
#include <stdint.h>

#include "gv/err.h"

#define GV_MAILBOX_LETTERS 1024
#define GV_MAILBOX_SPARE 512 /* of them, not for letters that can be refused */

/* Orders and answers between the threads. */
enum gv_mail_kind {
    /* loop -> worker */
    GV_MAIL_ENCODE = 1, /* work.*: encode a chunk from the stage or the served model, answer ENCODED */
    GV_MAIL_APPLY,      /* work.*, data = the frame: decode into the stage, answer APPLIED */
    GV_MAIL_RELAY,      /* pass `relay` on to the trainer once all work before it is done */
    GV_MAIL_VERIFY,     /* data = struct gv_verification: check signatures, answer VERIFIED */
    GV_MAIL_PERSIST,    /* value = incarnation to put on disk, answer PERSISTED */
    GV_MAIL_SAVE,       /* data = struct gv_save: write a file of the state DIR, answer UNSAVED if that fails */
    GV_MAIL_CHECKPOINT, /* write a checkpoint, answer CHECKPOINTED */

    /* loop (or worker's relay) -> trainer */
    GV_MAIL_TRAIN,     /* value = 1 on, 0 off */
    GV_MAIL_SNAPSHOT,  /* copy the exchanged blocks into the stage, answer SNAPSHOT_READY */
    GV_MAIL_COMMIT,    /* add the stage to the live state, signed value = age delta Q16, answer MERGED */
    GV_MAIL_ADOPT,     /* the stage replaces the parameters, value = age Q16, answer MERGED */
    GV_MAIL_PIN,       /* freeze the served model, answer PINNED */
    GV_MAIL_UNPIN,     /* let it move again */
    GV_MAIL_CANCEL,    /* a SNAPSHOT is no longer wanted; answered like one that is done if it was still to be made */
    GV_MAIL_SLICE,     /* worker -> trainer: data = struct gv_slice to fill */
    GV_MAIL_CONFIGURE, /* data = struct gv_training, takes: newer hyperparameters for the same layout */
    GV_MAIL_EVALUATE,  /* evaluate now, answer METRICS */

    /* trainer, worker -> loop */
    GV_MAIL_READY,  /* data and model are loaded; value = age Q16, index = 1 if there is a model to start from */
    GV_MAIL_FAILED, /* the thread cannot go on: data = struct gv_diag */
    GV_MAIL_STEPS,  /* value = total steps, rate = samples/s Q16, loss Q16; index = 1 if a round is done */
    GV_MAIL_METRICS,
    GV_MAIL_SNAPSHOT_READY,
    GV_MAIL_MERGED,
    GV_MAIL_PINNED,
    GV_MAIL_ENCODED, /* data = zmq_msg_t to send on link */
    GV_MAIL_APPLIED,
    GV_MAIL_VERIFIED,
    GV_MAIL_PERSISTED,
    GV_MAIL_CHECKPOINTED,
    GV_MAIL_UNSAVED, /* index = enum gv_save_what */

    GV_MAIL_RESOLVED, /* a look-up -> resolver */

    GV_MAIL_STOP, /* to any thread: finish and return */
};

struct gv_mail {
    enum gv_mail_kind kind;
    enum gv_mail_kind relay; /* RELAY: the kind to pass on */
    enum gv_err verdict;
    uint32_t link;
    uint32_t index;
    uint32_t codec;
    uint32_t chunk_bytes;
    uint32_t weight_q16;
    bool fetch; /* the bytes are a model, not the far side of an exchange; ENCODE: from the served model */
    bool inline_state;
    uint64_t nonce;
    uint64_t value;
    uint64_t loss, rate, accuracy; /* Q16 */
    uint64_t compute_us, wall_us;  /* STEPS: of the trainer's time while it was to train, since its start */
    uint64_t samples;              /* METRICS: how many were looked at */
    void *data;                    /* owned by the receiver */
};

struct gv_mailbox;

GV_NODISCARD enum gv_err gv_mailbox_new(struct gv_mailbox **mailbox);
void gv_mailbox_free(struct gv_mailbox **mailbox); /* letters still inside must have been taken out */

/** Readable while there is mail. */
int gv_mailbox_fd(const struct gv_mailbox *mailbox);

/** Copies a letter in; false if the box is full (nothing is taken then). */
bool gv_mailbox_try_put(struct gv_mailbox *mailbox, const struct gv_mail *mail);
/** The same, but leaves GV_MAILBOX_SPARE places free. */
bool gv_mailbox_offer(struct gv_mailbox *mailbox, const struct gv_mail *mail);
/** The same, waiting for room: for the worker and the trainer, whom the loop never waits for. */
void gv_mailbox_put(struct gv_mailbox *mailbox, const struct gv_mail *mail);

/** Takes the oldest letter; false if there is none within timeout_ms (0: do not wait, -1: for ever). */
bool gv_mailbox_take(struct gv_mailbox *mailbox, struct gv_mail *mail, int timeout_ms);

#endif
