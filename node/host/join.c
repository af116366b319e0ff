/*
 * Joining a swarm: see join.h.
 */
#include "join.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <zmq.h>

#include "data.h"
#include "invite.h"
#include "manifest_text.h"
#include "state.h"
#include "visit.h"

/* Everything a join holds; freed in one place. */
struct joining {
    struct gv_invite invite;
    struct gv_data data;
    bool has_data;
    struct gv_sign_key *sign;
    struct gv_curve_key *curve;
    struct gv_chain chain;
    uint8_t record[GV_RECORD_BYTES_MAX];
    struct gv_visit visit;
    bool visited;
    struct gv_state_draft draft;
};

/* The visit uses incarnation 1 and leaves it on disk, so that the daemon's first start is a newer one. */
#define VISIT_INCARNATION 1u

/* Who joins first and finds the port taken afterwards has used up an invite for nothing. */
enum gv_err gv_try_listening(const struct gv_config *config, struct gv_diag *diag)
{
    if (config->listen[0] == '\0') {
        return GV_OK;
    }
    enum gv_err err = GV_OK;
    const char *host = config->listen + strlen("tcp://");
    bool literal4 = strspn(host, "0123456789.:*") == strlen(host);
    int ipv6 = config->family == GV_FAMILY_IPV4 || literal4 ? 0 : 1; /* as the daemon will */
    void *context = zmq_ctx_new();
    void *socket = context != NULL ? zmq_socket(context, ZMQ_ROUTER) : NULL;
    if (socket == NULL) {
        err = gv_diag_set(diag, GV_ERR_NET, "cannot start ZeroMQ: %s", zmq_strerror(errno));
    } else if (zmq_setsockopt(socket, ZMQ_IPV6, &ipv6, sizeof ipv6) != 0 || zmq_bind(socket, config->listen) != 0) {
        err = gv_diag_set(diag, errno == EADDRINUSE ? GV_ERR_NET : GV_ERR_CONFIG,
                          "cannot listen on %s: %s; free the port or choose another", config->listen,
                          zmq_strerror(errno));
    }
    if (socket != NULL) {
        (void)zmq_close(socket);
    }
    if (context != NULL) {
        (void)zmq_ctx_term(context);
    }
    return err;
}

static enum gv_err load_data(struct joining *j, const char *spec, struct gv_diag *diag)
{
    if (spec[0] == '\0') {
        return GV_OK;
    }
    enum gv_err err = gv_data_load(&j->data, spec, diag);
    j->has_data = err == GV_OK;
    return err;
}

static enum gv_err make_identity(struct joining *j, struct gv_diag *diag)
{
    enum gv_err err = gv_sign_key_new(&j->sign);
    if (err == GV_OK) {
        err = gv_curve_key_new(&j->curve);
    }
    if (err == GV_OK) {
        err = gv_invite_accept(&j->chain, &j->invite, gv_sign_key_public(j->sign), (uint64_t)time(NULL));
    }
    return err == GV_OK ? GV_OK : gv_diag_set(diag, err, "cannot make an identity: %s", gv_err_text((int)err));
}

static enum gv_err make_record(struct joining *j, const struct gv_config *config, struct gv_diag *diag)
{
    struct gv_record record;
    memset(&record, 0, sizeof record);
    record.swarm = gv_swarm_id_of(&j->invite.root);
    record.identity = *gv_sign_key_public(j->sign);
    record.curve = *gv_curve_key_public(j->curve);
    record.incarnation = VISIT_INCARNATION;
    gv_random(&record.boot, sizeof record.boot);
    record.issued_s = (uint64_t)time(NULL);
    record.chain = j->chain;
    if (config->advertise[0] != '\0') {
        memcpy(record.endpoints[0], config->advertise, sizeof config->advertise);
        record.endpoint_count = 1;
    }
    j->visit.boot = record.boot;
    j->visit.record = j->record;
    enum gv_err err = gv_record_sign(j->record, &j->visit.record_bytes, &record, j->sign);
    return err == GV_OK ? GV_OK : gv_diag_set(diag, err, "cannot sign our record: %s", gv_err_text((int)err));
}

static enum gv_err ask_seeds(struct joining *j, const struct gv_config *config, struct gv_diag *diag)
{
    enum gv_err err = make_record(j, config, diag);
    if (err != GV_OK) {
        return err;
    }
    j->visit.invite = &j->invite;
    j->visit.curve = j->curve;
    j->visit.family = config->family;
    err = gv_visit(&j->visit, diag);
    j->visited = err == GV_OK;
    return err;
}

static enum gv_err fit_data(struct joining *j, const struct gv_config *config, struct gv_diag *diag)
{
    if (!j->has_data) {
        return GV_OK;
    }
    enum gv_err err = gv_data_fit(&j->data, &j->visit.manifest.schema, diag);
    if (err == GV_OK && config->shard_count > 1) {
        err = gv_data_shard(&j->data, config->partition, config->shard_index, config->shard_count,
                            j->visit.manifest.training.seed, diag);
    }
    if (err != GV_OK) {
        (void)gv_diag_wrap(diag, "data %s", config->data);
    }
    return err;
}

static enum gv_err write_state(struct joining *j, const struct gv_config *config, struct gv_diag *diag)
{
    struct gv_state_files files = {
        .sign = j->sign,
        .curve = j->curve,
        .chain = &j->chain,
        .manifest = &j->visit.manifest,
        .config = config,
        .incarnation = VISIT_INCARNATION,
        .seeds = j->invite.seeds,
        .seed_count = j->invite.seed_count,
        .peer = &j->visit.host,
        .peer_bytes = {.data = j->visit.host_bytes, .bytes = j->visit.host_bytes_count},
    };
    return gv_state_write(&j->draft, &files, diag);
}

static enum gv_err run_join(struct joining *j, const struct gv_join_options *options, struct gv_diag *diag)
{
    enum gv_err err = gv_invite_decode(&j->invite, options->token, diag);
    if (err == GV_OK) {
        err = gv_try_listening(options->config, diag);
    }
    if (err == GV_OK) {
        err = gv_state_begin(&j->draft, options->dir, diag);
    }
    if (err == GV_OK) {
        err = load_data(j, options->config->data, diag);
    }
    if (err == GV_OK) {
        err = make_identity(j, diag);
    }
    if (err == GV_OK) {
        err = ask_seeds(j, options->config, diag);
    }
    if (err == GV_OK) {
        err = fit_data(j, options->config, diag);
    }
    if (err == GV_OK) {
        err = write_state(j, options->config, diag);
    }
    return err;
}

static void report(struct gv_join_result *result, const struct joining *j)
{
    memset(result, 0, sizeof *result);
    memcpy(result->name, j->visit.manifest.name, sizeof result->name);
    memcpy(result->model, j->visit.manifest.training.model, sizeof result->model);
    memcpy(result->seed, j->invite.seeds[j->visit.seed].endpoint, sizeof result->seed);
    result->id = gv_id_of(gv_sign_key_public(j->sign));
    result->manifest_version = j->visit.manifest.version;
    result->skipped_rows = j->has_data ? j->data.skipped_rows : 0;
}

enum gv_err gv_join(const struct gv_join_options *options, struct gv_join_result *result, struct gv_diag *diag)
{
    struct gv_diag local;
    diag = diag != NULL ? diag : &local;
    struct joining *j = calloc(1, sizeof *j);
    if (j == NULL) {
        return gv_diag_set(diag, GV_ERR_NOMEM, "%s", gv_err_text(GV_ERR_NOMEM));
    }
    enum gv_err err = run_join(j, options, diag);
    if (err == GV_OK) {
        report(result, j);
        gv_state_keep(&j->draft);
    } else {
        gv_state_drop(&j->draft);
    }
    if (j->visited) {
        gv_manifest_deinit(&j->visit.manifest);
    }
    if (j->has_data) {
        gv_data_deinit(&j->data);
    }
    gv_sign_key_free(&j->sign);
    gv_curve_key_free(&j->curve);
    sodium_memzero(&j->invite, sizeof j->invite);
    free(j);
    return err;
}
