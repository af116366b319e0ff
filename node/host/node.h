/*
 * The loop thread's side of a running node: what it owns, and how frames become events and effects become actions.
 *
 *     links -> frames.c -> (worker: signatures) -> gv_node_event() -> core -> effects.c -> links, worker, trainer
 *
 * Everything here belongs to the loop thread. The other threads get letters.
 */
#ifndef GV_NODE_H
#define GV_NODE_H

#include <jansson.h>

#include "clock.h"
#include "config.h"
#include "control.h"
#include "daemon.h"
#include "directory.h"
#include "gv/core.h"
#include "gv/manifest.h"
#include "identity.h"
#include "invite.h"
#include "mailbox.h"
#include "net.h"
#include "observed.h"
#include "reload.h"
#include "shaper.h"
#include "store.h"
#include "tally.h"
#include "trainer.h"
#include "trust.h"
#include "worker.h"

#define GV_PARKED_FRAMES 64
#define GV_QUEUED_EVENTS 256
#define GV_LEAVES_KEPT 64
#define GV_PINNED_MAX 8
#define GV_SENDING_MAX 16
#define GV_VERIFICATIONS_MAX 32
#define GV_WAITING_FRAMES 64
#define GV_WAITING_PER_LINK 8

struct gv_parked { /* a frame with bulk parameters, waiting for the core's APPLY or DROP */
    bool used;
    bool inline_state;
    zmq_msg_t frame;
};

struct gv_waiting { /* a frame behind a greeting that is being verified, or a REFUSE behind records that are */
    uint32_t link;
    zmq_msg_t *frame; /* owned */
};

struct gv_sending { /* chunks of one transfer that were ordered and have not gone to the link */
    uint32_t link;
    uint32_t chunks; /* 0: free */
    uint64_t nonce;
};

struct gv_leave_entry { /* a signed farewell, to be passed on */
    struct gv_id id;
    size_t bytes;
    uint8_t data[GV_LEAVE_BYTES_MAX];
};

struct gv_check_rate { /* per link: signature checks it may cause, tokens in thousandths */
    uint32_t link;
    bool greeted;    /* its one HELLO or WELCOME has come */
    bool verifying;  /* and is at the worker: what follows it waits */
    uint32_t checks; /* frames of it at the worker: a REFUSE waits */
    uint32_t tokens;
    uint64_t updated_us;
};

/* How the node is going down, in order. */
enum gv_ending {
    GV_RUNNING = 0,
    GV_ENDING_EVALUATE,   /* a last evaluation of the finished model */
    GV_ENDING_FAREWELL,   /* waiting for the core's STOPPED */
    GV_ENDING_CHECKPOINT, /* waiting for the last checkpoint */
    GV_ENDED,
};

struct gv_node {
    /* who we are; set up before the loop starts */
    const struct gv_run_options *options;
    const char *dir;
    struct gv_config config;
    struct gv_manifest manifest;
    struct gv_hash layout;
    uint32_t epoch; /* of the model in memory; the manifest may already name the next */
    struct gv_sign_key *sign;
    struct gv_curve_key *curve;
    struct gv_chain member;
    struct gv_swarm_id swarm;
    uint64_t boot;
    bool creator;

    /* our record */
    struct gv_record record;
    uint8_t record_data[GV_RECORD_BYTES_MAX];
    size_t record_bytes;
    struct gv_id id;
    struct gv_observed observed;

    /* what we know */
    struct gv_trust *trust;
    struct gv_directory *directory;
    struct gv_seed seeds[GV_SEEDS_MAX];
    uint32_t seed_count;
    uint32_t announced_book;
    struct gv_leave_entry leaves[GV_LEAVES_KEPT];
    uint32_t leave_next;

    /* the machine */
    void *core_memory;
    struct gv_core *core;
    struct gv_effects *effects;
    bool started; /* START was given to the core */
    struct gv_net *net;
    struct gv_mailbox *mail;
    struct gv_trainer trainer;
    struct gv_worker worker;
    struct gv_control *control;
    struct gv_reload reload;
    uint8_t *scratch; /* GV_FRAME_BYTES_MAX, a frame being encoded */
    struct gv_parked parked[GV_PARKED_FRAMES];
    struct gv_event queue[GV_QUEUED_EVENTS]; /* events that effects caused */
    uint32_t queue_first, queue_count;
    bool stepping;
    const struct gv_bulk *current_bulk;   /* of the message the core looks at */
    const struct gv_chain *current_chain; /* of the HELLO the core looks at */
    struct gv_check_rate check_rates[GV_LINK_SLOTS];
    uint32_t verifications;                       /* at the worker */
    struct gv_waiting waiting[GV_WAITING_FRAMES]; /* in order of arrival */
    uint32_t waiting_count;
    uint64_t pins[GV_PINNED_MAX]; /* nonces of the fetches that the served model stands still for */
    uint32_t pin_count;
    struct gv_sending sending[GV_SENDING_MAX];
    bool has_snapshot;
    uint64_t snapshot; /* nonce of the SNAPSHOT that was ordered last, until it is cancelled */
    uint32_t snapshot_codec;
    uint32_t stage_lent; /* SNAPSHOTs, COMMITs, ADOPTs not answered: worker jobs on the stage wait in `held` */
    struct gv_mail held[GV_PARKED_FRAMES];
    uint32_t held_count;
    struct gv_shaper up, down;

    /* what a person sees */
    uint64_t started_us;
    uint64_t steps;                         /* of this process */
    uint64_t exchanges_before;              /* of earlier processes */
    uint64_t loss, accuracy, samples_per_s; /* Q16; a loss may be GV_LOSS_NOT_FINITE */
    uint64_t evaluated;                     /* samples; 0: no evaluation */
    uint64_t evaluated_loss;                /* the same, of that evaluation; `loss` is the running mean of training */
    bool diverged;                          /* a loss or a snapshot was not finite, and nothing was merged since */
    uint64_t compute_us, wall_us;
    uint64_t alarms;
    char last_alarm[160];
    struct gv_drops drops; /* of frames and events; the links count their own */
    struct gv_tally tally;
    bool core_trains, in_hours, paused;
    bool again; /* this process is a start of our own making */
    bool settled, found;
    bool admitted;              /* some peer has let us in since the start */
    uint32_t refused_admission; /* times a peer said that our invite admits nobody any more */
    uint64_t inviters_us;       /* since when a manifest that shuts members out waits for them to hear of it; 0: none */
    uint64_t misfit_us;         /* since when we look for a manifest that fits our data; 0: it fits */

    /* timers, monotonic */
    uint64_t checkpoint_us, evaluate_us, peers_us, trust_us, invites_us, hours_us, persist_us, manifest_us;
    bool checkpointing, trust_dirty, peers_dirty, manifest_dirty;
    bool training_dirty;     /* the trainer does not know the manifest's hyperparameters yet */
    bool train_switch_dirty; /* nor whether it is to train */
    bool trust_news;         /* entries have come that gv_node_trust_changed() has not looked at */
    uint64_t trust_look_us;  /* when it last did for those */
    uint64_t checkpoints;    /* written by this process */
    uint64_t checkpoints_failed;
    enum gv_err checkpoint_error; /* of the last one */
    uint64_t persist_wanted;      /* an incarnation that must reach the disk; 0: none */

    int *ready_fd; /* the parent of --daemon waits here for our readiness */
    enum gv_ending ending;
    uint64_t ending_us;
    int exit_code;
    bool last_ordered; /* the checkpoint that began after the farewell */
    bool restart;      /* leave the process image and start again: new manifest layout, new configuration */
    bool leaving;
    struct gv_diag diag;
};

/** Gives an event to the core (stamping its times) and acts on the effects, and on the events those cause. */
void gv_node_event(struct gv_node *node, struct gv_event *event);

/** The callbacks for the links, with the node as context. */
struct gv_net_handler gv_node_net_handler(struct gv_node *node);
/** The worker's answer to a GV_MAIL_VERIFY; takes the job. */
void gv_node_verified(struct gv_node *node, struct gv_verification *job);
/** A frame of this link has been looked at: delivers what waited behind it, once none of the link is at the worker. */
void gv_node_checked(struct gv_node *node, uint32_t link);
/** A frame that waits under this handle, or NULL. */
struct gv_parked *gv_node_parked(struct gv_node *node, uint32_t handle);

/** Executes one effect. */
void gv_node_act(struct gv_node *node, struct gv_effect *effect);
/** The worker's answer to an ENCODE; takes its frame. */
void gv_node_encoded(struct gv_node *node, struct gv_mail *mail);
/** Passes on what the caps now allow. */
void gv_node_shape(struct gv_node *node, uint64_t now_us);
/** The stage is the worker's again: what waited for it goes there. */
void gv_node_stage_returned(struct gv_node *node);
/** Sends a letter to the worker; logs and frees nothing if its box is full (false), or half full for what can wait. */
bool gv_node_order(struct gv_node *node, const struct gv_mail *mail);

/** Signs our record with the fields in node->record. */
GV_NODISCARD enum gv_err gv_node_sign_record(struct gv_node *node);
/** An admitted peer told us how it sees us ("tcp://host:port"). */
void gv_node_observed(struct gv_node *node, const struct gv_id *peer, const char *endpoint);
/** Fills node->record's endpoints from configuration and observation; true if they changed. */
bool gv_node_endpoints(struct gv_node *node);

/**
 * A verified manifest arrived (or a person gave one): takes it over if it is newer. Takes *manifest's memory. An error,
 * and the old one in force: it needs a new start and cannot be saved.
 */
GV_NODISCARD enum gv_err gv_node_take_manifest(struct gv_node *node, struct gv_manifest *manifest,
                                               struct gv_diag *diag);
/** Saves the one in force, which could not be saved before. */
void gv_node_save_manifest(struct gv_node *node);
/** Hands the hyperparameters in force to the trainer; training_dirty if it has no room for them. */
void gv_node_configure_trainer(struct gv_node *node);
/** What the core must know of the manifest. */
struct gv_core_manifest gv_node_core_manifest(const struct gv_node *node);
/** Entries were added to the trust set: drops who is no longer a member, tells the core. */
void gv_node_trust_changed(struct gv_node *node);

/** Closes the invites of ours (file `invites`) that have expired. */
void gv_node_close_invites(struct gv_node *node);
/** Whoever is no member by the manifest's rule for inviters is none from now on. */
void gv_node_enforce_inviters(struct gv_node *node);

/** Adds to a status what went wrong, by name. */
void gv_node_troubles(const struct gv_node *node, json_t *reply, const struct gv_core_stats *core,
                      const struct gv_net_stats *net);

/** The handler of the control socket. */
json_t *gv_node_request(void *context, const json_t *request);

/** Tells the service manager and the waiting parent that the node listens and trains. */
void gv_node_announce_ready(struct gv_node *node);

/** Runs until the node ends. */
void gv_node_loop(struct gv_node *node);
/** Starts the way down to a new start with what is on disk, unless it is on the way down already. */
void gv_node_restart(struct gv_node *node);
/** Starts the way down. */
void gv_node_end(struct gv_node *node, int exit_code);
/** Whether there is a model of the swarm's: only that is written down. */
bool gv_node_has_model(const struct gv_node *node);
/** Orders a checkpoint; false if one is under way, there is nothing to write or no room at the worker. */
bool gv_node_checkpoint(struct gv_node *node);
/** The farewell is over: a last checkpoint, after the one under way and when the worker has room; then the end. */
void gv_node_last_checkpoint(struct gv_node *node);
/** Hands copies of the address book and the trust set to the worker. */
void gv_node_save_peers(struct gv_node *node);
void gv_node_save_trust(struct gv_node *node);
/** Training as the core, the hours and the person want it. */
void gv_node_update_training(struct gv_node *node);

#endif
