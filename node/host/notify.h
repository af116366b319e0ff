/*
 * Readiness for a service manager: one datagram to the socket named by NOTIFY_SOCKET, as sd_notify(3) describes it.
 */
#ifndef GV_NOTIFY_H
#define GV_NOTIFY_H

/** Sends a state ("READY=1"). Does nothing where nobody listens. */
void gv_notify(const char *state);

#endif
