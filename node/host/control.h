/*
 * The control socket DIR/control.sock (0600): one JSON object a line in, one JSON object a line out.
 *
 *     {"cmd": "status"} -> {"ok": true, ...}        {"cmd": "nonsense"} -> {"ok": false, "code": 200, "error": "..."}
 *
 * The server part is driven by the daemon's loop and never blocks it; the client part is for the subcommands.
 */
#ifndef GV_CONTROL_H
#define GV_CONTROL_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "gv/err.h"

#define GV_CONTROL_CLIENTS_MAX 8
#define GV_CONTROL_LINE_MAX (1024 * 1024)

struct gv_control;

/** Answers a request; returns a new reference to the reply object, never NULL. */
typedef json_t *(*gv_control_handler)(void *context, const json_t *request);

/** Binds the socket (removing a stale one: the caller holds the DIR's lock). GV_ERR_PATH if the path is too long for a
 *  socket address, with both lengths. */
GV_NODISCARD enum gv_err gv_control_new(struct gv_control **control, const char *dir, gv_control_handler handler,
                                        void *context, struct gv_diag *diag);
void gv_control_free(struct gv_control **control); /* also removes the socket file */

/** Descriptors to poll for reading (and writing where a reply is pending); at most GV_CONTROL_CLIENTS_MAX + 1. */
struct gv_control_poll {
    int fd;
    bool write;
};
uint32_t gv_control_fds(const struct gv_control *control, struct gv_control_poll *fds);
/** Does whatever can be done without blocking. Idle clients are dropped after 30 s. */
void gv_control_step(struct gv_control *control, uint64_t now_us);

/** Client: sends a request and waits for the reply (new reference). GV_ERR_NOT_FOUND: no daemon runs on this DIR.
 *  GV_ERR_STOPPING: it ended, or started again, before it answered. On an error *reply stays as it was. */
GV_NODISCARD enum gv_err gv_control_call(const char *dir, const json_t *request, json_t **reply, int timeout_ms,
                                         struct gv_diag *diag);

#endif
