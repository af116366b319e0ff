/*
 * doctor: the daemon, and what others say.
 *
 * Nobody but a machine outside can prove that this one is reached from outside, and the protocol has no message that
 * asks for it. What is shown instead: our own greeting at the advertised address, made from here; the address at which
 * a member sees us; and which members have dialled the running daemon, and from how far away.
 */
#include <errno.h>
#include <inttypes.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>

#include "control.h"
#include "doctor.h"
#include "health.h"
#include "inbound.h"
#include "join.h"
#include "record.h"
#include "scope.h"
#include "store.h"
#include "visit.h"

#define DAEMON_MS 2500
#define GREETING_MS 2000
#define ASKING_S 6 /* no further one is asked after this */

static double number(const json_t *object, const char *key)
{
    return json_number_value(json_object_get(object, key));
}

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text != NULL ? text : "";
}

/* ---- the daemon ------------------------------------------------------------------------------------------ */

/* Who holds the lock of DIR, without taking it: 0 if nobody does. */
static long lock_holder(const char *dir)
{
    char path[GV_STORE_PATH_MAX];
    char line[256];
    struct stat lock;
    long holder = 0;
    if (gv_store_path(path, dir, "lock", NULL) != GV_OK || stat(path, &lock) != 0) {
        return 0;
    }
    FILE *locks = fopen("/proc/locks", "r");
    while (locks != NULL && holder == 0 && fgets(line, sizeof line, locks) != NULL) {
        long pid = 0;
        unsigned long inode = 0;
        if (sscanf(line, "%*s FLOCK %*s %*s %ld %*[^:]:%*[^:]:%lu", &pid, &inode) == 2 && inode == lock.st_ino) {
            holder = pid;
        }
    }
    if (locks != NULL) {
        (void)fclose(locks);
    }
    return holder;
}

static void say_health(struct gv_doctor *d)
{
    char why[GV_HEALTH_BYTES];
    bool first = d->has_member && d->node.chain.count == 1 && number(d->status, "peers_known") == 0;
    if (gv_healthy(why, d->status)) {
        gv_doctor_say(d, GV_VERDICT_OK, "daemon", NULL, "process %ld runs and is %s; neighbours: %.0f", d->pid,
                      text_of(d->status, "state"), number(d->status, "peers_active"));
    } else {
        gv_doctor_say(d, first ? GV_VERDICT_WARN : GV_VERDICT_FAIL, "daemon",
                      first ? "Invite somebody: `grapevine invite DIR`"
                            : "See the checks below, `grapevine peers DIR` and the log",
                      "process %ld runs and is not healthy: %s", d->pid, why);
    }
}

void gv_doctor_ask_daemon(struct gv_doctor *d)
{
    json_t *request = json_pack("{s:s}", "cmd", "status");
    enum gv_err err = gv_control_call(d->node.dir, request, &d->status, DAEMON_MS, &d->silence);
    json_decref(request);
    d->pid = lock_holder(d->node.dir);
    if (err != GV_OK || !json_is_true(json_object_get(d->status, "ok"))) {
        json_decref(d->status);
        d->status = NULL;
    }
}

void gv_doctor_daemon(struct gv_doctor *d)
{
    if (d->status != NULL) {
        say_health(d);
    } else if (d->pid > 0) {
        gv_doctor_say(d, GV_VERDICT_FAIL, "daemon", "Wait if it has just started; else look at the log, then stop it",
                      "process %ld holds %s and does not answer: %s", d->pid, d->node.dir, d->silence.text);
    } else if (d->silence.code == GV_ERR_NOT_FOUND) {
        gv_doctor_say(d, GV_VERDICT_SKIP, "daemon", "Start it with `grapevine run DIR`", "none runs on %s",
                      d->node.dir);
    } else {
        gv_doctor_say(d, GV_VERDICT_FAIL, "daemon", NULL, "%s", d->silence.text);
    }
}

void gv_doctor_listen(struct gv_doctor *d)
{
    struct gv_diag diag = {.code = GV_OK};
    const struct gv_config *config = &d->node.config;
    if (!d->has_config) {
        gv_doctor_say(d, GV_VERDICT_SKIP, "listen", NULL, "the configuration cannot be read");
    } else if (config->listen[0] == '\0') {
        gv_doctor_say(d, GV_VERDICT_OK, "listen", NULL,
                      "dials out only: it exchanges with members that can be dialled, and needs no open port");
    } else if (d->status != NULL) {
        const char *bound = text_of(d->status, "listening");
        gv_doctor_say(d, bound[0] != '\0' ? GV_VERDICT_OK : GV_VERDICT_FAIL, "listen",
                      bound[0] != '\0' ? NULL : "Send it SIGHUP: the daemon runs with an older configuration",
                      "the daemon listens on %s", bound[0] != '\0' ? bound : "nothing");
    } else if (d->pid > 0) {
        gv_doctor_say(d, GV_VERDICT_SKIP, "listen", NULL, "the daemon does not answer");
    } else if (gv_try_listening(config, &diag) != GV_OK) {
        gv_doctor_say(d, GV_VERDICT_FAIL, "listen", "`ss -ltnp` shows who has it; or set another listen in config.ini",
                      "%s", diag.text);
    } else {
        gv_doctor_say(d, GV_VERDICT_OK, "listen", NULL, "%s is free to listen on", config->listen);
    }
}

/* ---- greetings ------------------------------------------------------------------------------------------- */

/* HELLO to one member as ourselves, over a link key made for it, so that no link of the daemon's is disturbed. */
static enum gv_err greet(struct gv_doctor *d, const struct gv_seed *seed, struct gv_asked *asked)
{
    struct gv_diag diag;
    struct gv_curve_key *curve = NULL;
    struct gv_record *record = calloc(1, sizeof *record);
    struct gv_visit *visit = calloc(1, sizeof *visit);
    struct gv_invite *invite = calloc(1, sizeof *invite);
    uint8_t bytes[GV_RECORD_BYTES_MAX];
    enum gv_err err = record != NULL && visit != NULL && invite != NULL ? gv_curve_key_new(&curve) : GV_ERR_NOMEM;
    if (err == GV_OK) {
        *record = (struct gv_record){.swarm = gv_swarm_id_of(&d->node.manifest.root),
                                     .identity = *gv_sign_key_public(d->node.sign),
                                     .curve = *gv_curve_key_public(curve),
                                     .incarnation = 1,
                                     .issued_s = (uint64_t)time(NULL),
                                     .chain = d->node.chain};
        gv_random(&record->boot, sizeof record->boot);
        visit->record = bytes;
        err = gv_record_sign(bytes, &visit->record_bytes, record, d->node.sign);
    }
    if (err == GV_OK) {
        invite->root = d->node.manifest.root;
        invite->seed_count = 1;
        invite->seeds[0] = *seed;
        visit->invite = invite;
        visit->curve = curve;
        visit->family = d->node.config.family;
        visit->boot = record->boot;
        visit->greeting_only = true;
        visit->answer_ms = GREETING_MS;
        err = gv_visit(visit, &diag);
    }
    memset(asked, 0, sizeof *asked);
    memcpy(asked->endpoint, seed->endpoint, sizeof asked->endpoint);
    asked->err = err;
    if (err == GV_OK) {
        memcpy(asked->observed, visit->observed, sizeof asked->observed);
        asked->offset_s = (int64_t)visit->wall_s - (int64_t)time(NULL);
    } else {
        bool spoke = visit != NULL && visit->outcome[0] != '\0';
        (void)snprintf(asked->why, sizeof asked->why, "%s", spoke ? visit->outcome : gv_err_text((int)err));
    }
    gv_curve_key_free(&curve);
    free(record);
    free(visit);
    free(invite);
    return err;
}

/* Where others are told to dial us, "" if nowhere is known. */
static const char *advertised(const struct gv_doctor *d)
{
    const char *told = json_string_value(json_array_get(json_object_get(d->status, "endpoints"), 0));
    if (told != NULL) {
        return told;
    }
    const struct gv_config *c = &d->node.config;
    bool concrete = c->listen[0] != '\0' && gv_scope_of(c->listen) != GV_SCOPE_ANY;
    return c->advertise[0] != '\0' ? c->advertise : (concrete ? c->listen : "");
}

void gv_doctor_advertised(struct gv_doctor *d)
{
    struct gv_seed self;
    struct gv_asked answer;
    const char *endpoint = advertised(d);
    if (!d->has_config || d->node.config.listen[0] == '\0') {
        return; /* said by the check before */
    }
    if (endpoint[0] == '\0') {
        gv_doctor_say(d, d->status != NULL ? GV_VERDICT_WARN : GV_VERDICT_SKIP, "advertise",
                      "Set advertise = tcp://HOST:PORT in config.ini if no member can tell it",
                      "under which address others reach this node is not known");
        return;
    }
    if (d->status == NULL || !d->belongs) {
        gv_doctor_say(d, GV_VERDICT_SKIP, "advertise", NULL, "%s: nobody answers there while no daemon runs", endpoint);
        return;
    }
    memset(&self, 0, sizeof self);
    (void)snprintf(self.endpoint, sizeof self.endpoint, "%s", endpoint);
    self.curve = *gv_curve_key_public(d->node.curve);
    enum gv_err err = greet(d, &self, &answer);
    if (err == GV_OK) {
        gv_doctor_say(d, GV_VERDICT_OK, "advertise", NULL,
                      "the encrypted handshake with ourselves at %s succeeds, from this machine", endpoint);
    } else {
        gv_doctor_say(
            d, GV_VERDICT_WARN, "advertise",
            "Check advertise, the firewall and the router's forwarding; some routers cannot be dialled from inside",
            "%s cannot be reached from this machine with this node's key: %s", endpoint, answer.why);
    }
}

static void ask(struct gv_doctor *d, const struct gv_seed *seed, time_t begun)
{
    bool own = memcmp(seed->curve.b, gv_curve_key_public(d->node.curve)->b, sizeof seed->curve.b) == 0;
    if (!own && d->asked_count < GV_DOCTOR_ASKED_MAX && time(NULL) - begun < ASKING_S) {
        (void)!greet(d, seed, &d->asked[d->asked_count++]);
    }
}

static void ask_all(struct gv_doctor *d)
{
    time_t begun = time(NULL);
    uint64_t below = UINT64_MAX;
    for (uint32_t i = 0; i < d->seed_count; i++) {
        ask(d, &d->seeds[i], begun);
    }
    for (uint32_t n = 0; n < GV_DOCTOR_ASKED_MAX; n++) { /* the newest records, one after the other */
        const struct gv_record *newest = NULL;
        for (uint32_t i = 0; i < gv_directory_count(d->directory); i++) {
            struct gv_span bytes;
            const struct gv_record *record = gv_directory_at(d->directory, i, &bytes);
            bool better = newest == NULL || record->issued_s > newest->issued_s;
            newest = record->endpoint_count > 0 && record->issued_s < below && better ? record : newest;
        }
        if (newest == NULL) {
            return;
        }
        below = newest->issued_s;
        struct gv_seed seed = {.curve = newest->curve};
        memcpy(seed.endpoint, newest->endpoints[0], sizeof seed.endpoint);
        bool again = false;
        for (uint32_t i = 0; i < d->asked_count; i++) {
            again = again || strcmp(d->asked[i].endpoint, seed.endpoint) == 0;
        }
        if (!again) {
            ask(d, &seed, begun);
        }
    }
}

/* Silence may be theirs; a refusal is about us. */
static bool is_refusal(enum gv_err err)
{
    return err == GV_ERR_EXPIRED || err == GV_ERR_USED_UP || err == GV_ERR_CLOSED || err == GV_ERR_REVOKED ||
           err == GV_ERR_CHAIN || err == GV_ERR_LEFT || err == GV_ERR_SWARM || err == GV_ERR_SIGNATURE;
}

void gv_doctor_dial(struct gv_doctor *d)
{
    char all[768] = "";
    size_t used = 0;
    uint32_t welcomed = 0;
    bool refused = false;
    if (!d->belongs || d->directory == NULL || !d->has_config) {
        gv_doctor_say(d, GV_VERDICT_SKIP, "dial", NULL, "without keys and a membership nobody can be greeted");
        return;
    }
    ask_all(d);
    for (uint32_t i = 0; i < d->asked_count; i++) {
        const struct gv_asked *asked = &d->asked[i];
        int more = snprintf(all + used, sizeof all - used, "%s%s%s%s", i > 0 ? "; " : "", asked->endpoint,
                            asked->err == GV_OK ? " welcomes this node" : ": ", asked->why);
        used = more < 0 || (size_t)more >= sizeof all - used ? sizeof all - 1 : used + (size_t)more;
        welcomed += asked->err == GV_OK ? 1 : 0;
        refused = refused || is_refusal(asked->err);
    }
    if (d->asked_count == 0) {
        bool first = d->node.chain.count == 1;
        gv_doctor_say(d, first ? GV_VERDICT_SKIP : GV_VERDICT_WARN, "dial",
                      first
                          ? NULL
                          : "Ask a member for a new invite; `grapevine inspect TOKEN` lists its seeds. With this node "
                            "stopped, put each into DIR/peers as a line `seed ADDRESS KEY`, 3 at most",
                      "this node knows no other to dial");
    } else if (refused) {
        gv_doctor_say(d, GV_VERDICT_FAIL, "dial", "Ask a member for a new invite and join in an empty folder", "%s",
                      all);
    } else if (welcomed == 0) {
        gv_doctor_say(d, GV_VERDICT_FAIL, "dial",
                      "Check that these run, this machine's network, and outgoing firewalls", "%s", all);
    } else {
        gv_doctor_say(d, GV_VERDICT_OK, "dial", NULL, "%s", all);
    }
}

/* ---- from outside ---------------------------------------------------------------------------------------- */

/* Whether one of the addresses that a name stands for is this one. */
static bool stands_for(const char *name, const char *host)
{
    struct addrinfo *list = NULL;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    bool found = false;
    if (getaddrinfo(name, NULL, &hints, &list) != 0) {
        return false;
    }
    for (const struct addrinfo *one = list; one != NULL && !found; one = one->ai_next) {
        char text[GV_ENDPOINT_BYTES_MAX + 1];
        char its[GV_ENDPOINT_BYTES_MAX + 1];
        uint32_t port;
        struct sockaddr_storage address = {0};
        memcpy(&address, one->ai_addr, one->ai_addrlen);
        (void)gv_address_text(text, &address);
        char endpoint[GV_ENDPOINT_BYTES_MAX + 1];
        (void)snprintf(endpoint, sizeof endpoint, "%s", text);
        found = gv_endpoint_split(its, &port, endpoint) && strcmp(its, host) == 0;
    }
    freeaddrinfo(list);
    return found;
}

void gv_doctor_observed(struct gv_doctor *d)
{
    const struct gv_asked *witness = NULL;
    char told[GV_ENDPOINT_BYTES_MAX + 1] = "";
    char seen[GV_ENDPOINT_BYTES_MAX + 1] = "";
    uint32_t port = 0;
    for (uint32_t i = 0; i < d->asked_count && witness == NULL; i++) {
        witness = d->asked[i].err == GV_OK && d->asked[i].observed[0] != '\0' ? &d->asked[i] : NULL;
    }
    if (witness == NULL || !gv_endpoint_split(seen, &port, witness->observed)) {
        gv_doctor_say(d, GV_VERDICT_SKIP, "seen at", NULL, "nobody answered who could tell how it sees this machine");
        return;
    }
    bool listens = d->node.config.listen[0] != '\0' && gv_endpoint_split(told, &port, advertised(d));
    bool same =
        listens && (strcmp(told, seen) == 0 || (gv_scope_of(advertised(d)) == GV_SCOPE_NAME && stands_for(told, seen)));
    if (!listens || same) {
        gv_doctor_say(d, GV_VERDICT_OK, "seen at", NULL, "%s sees this machine at %s%s", witness->endpoint, seen,
                      same ? ", which is the address it advertises" : "");
    } else {
        gv_doctor_say(d, GV_VERDICT_WARN, "seen at", "Correct advertise, unless something forwards from there to here",
                      "%s sees this machine at %s, and it advertises %s", witness->endpoint, seen, told);
    }
}

void gv_doctor_inbound(struct gv_doctor *d)
{
    const json_t *by = json_object_get(d->status, "dialled_by");
    double near = number(by, "loopback") + number(by, "private");
    double far = number(by, "public");
    if (!d->has_config || d->node.config.listen[0] == '\0') {
        return;
    }
    if (d->status == NULL) {
        gv_doctor_say(d, GV_VERDICT_SKIP, "reached", NULL, "only a running daemon knows who has dialled it");
    } else if (far > 0) {
        gv_doctor_say(d, GV_VERDICT_OK, "reached", NULL,
                      "dialled from public addresses by %.0f of the members, the last time %.0f s ago", far,
                      number(by, "last_s"));
    } else if (near > 0) {
        bool enough = gv_scope_of(advertised(d)) < GV_SCOPE_PUBLIC;
        gv_doctor_say(
            d, enough ? GV_VERDICT_OK : GV_VERDICT_WARN, "reached",
            enough ? NULL : "Ask a member elsewhere whether `grapevine peers` lists this node with link \"out\"",
            "dialled by %.0f of the members from this machine or its network, by none from further away", near);
    } else if (gv_scope_of(advertised(d)) == GV_SCOPE_LOOPBACK) {
        gv_doctor_say(d, GV_VERDICT_OK, "reached", NULL,
                      "nobody has dialled this node yet, and only this machine can: it is advertised as %s",
                      advertised(d));
    } else {
        gv_doctor_say(
            d, GV_VERDICT_WARN, "reached",
            "From a machine outside, try: nc -vz HOST PORT. If it fails, open and forward the port, or remove listen",
            "nobody has dialled this node in the %.0f s since it started, so whether it can be reached is not known",
            number(d->status, "uptime_s"));
    }
}

void gv_doctor_times(struct gv_doctor *d)
{
    uint64_t now_s = (uint64_t)time(NULL);
    for (uint32_t i = 0; i < d->asked_count; i++) {
        if (d->asked[i].err == GV_OK) {
            gv_doctor_clock(d, now_s, true, d->asked[i].offset_s, d->asked[i].endpoint);
            return;
        }
    }
    bool met = d->status != NULL && number(d->status, "peers_active") > 0;
    gv_doctor_clock(d, now_s, met, met ? (int64_t)number(d->status, "clock_offset_s") : 0, "the swarm's median");
}
