/*
 * The worker thread: codecs, merging into the stage, signatures, files. The loop must answer a PING while an fsync
 * takes a second; so whatever takes long happens here, first in first out.
 */
#ifndef GV_WORKER_H
#define GV_WORKER_H

#include <pthread.h>
#include <zmq.h>

#include "directory.h"
#include "gv/err.h"
#include "gv/manifest.h"
#include "gv/msg.h"
#include "invite.h"
#include "mailbox.h"
#include "record.h"
#include "store.h"
#include "trainer.h"

/* A frame whose signatures are to be checked: GV_MAIL_VERIFY, and back with VERIFIED. Owned by the letter. */
struct gv_verification {
    uint32_t link;
    struct gv_msg msg;
    struct gv_bulk bulk; /* borrows from frame */
    zmq_msg_t frame;
    uint32_t count;              /* records: as many as bulk items */
    struct gv_record *records;   /* (count), owned; those with verdict GV_OK are filled */
    enum gv_err *verdicts;       /* (count), owned */
    struct gv_manifest manifest; /* MANIFEST; owned if has_manifest */
    bool has_manifest;
    enum gv_err verdict; /* LEAVE, MANIFEST, or the first record's */
};

void gv_verification_free(struct gv_verification **verification);

/* A file to write: GV_MAIL_SAVE. Owned by the letter. */
enum gv_save_what { GV_SAVE_PEERS, GV_SAVE_TRUST };
struct gv_save {
    enum gv_save_what what;
    uint8_t *data; /* TRUST, owned */
    size_t bytes;
    struct gv_directory *directory; /* PEERS, a copy, owned */
    struct gv_seed seeds[GV_SEEDS_MAX];
    uint32_t seed_count;
};

void gv_save_free(struct gv_save **save);

struct gv_worker {
    struct gv_mailbox *in;      /* owned */
    struct gv_mailbox *loop;    /* borrowed */
    struct gv_trainer *trainer; /* borrowed; its stage and served model are lent by messages */
    const char *dir;
    struct gv_sign_public root;
    uint32_t block_count;
    uint64_t block_elements[GV_BLOCKS_MAX];
    pthread_t thread;
    bool running;
    bool stopping; /* the thread's own */
};

/** Frees what an APPLY, ENCODE or ENCODED letter owns. */
void gv_mail_drop(struct gv_mail *mail);

/** The other fields are set by the caller first. */
GV_NODISCARD enum gv_err gv_worker_start(struct gv_worker *worker, struct gv_diag *diag);
/** Does what is queued, then ends and frees. */
void gv_worker_stop(struct gv_worker *worker);

#endif
