/*
 * status: how the node and its swarm are doing, for people, scripts and monitoring.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "commands.h"
#include "daemon.h"
#include "health.h"
#include "store.h"
#include "units.h"

#define CLOCK_OFFSET_MAX_S 60
#define LABEL_COLUMN 14

static double number(const json_t *object, const char *key)
{
    return json_number_value(json_object_get(object, key));
}

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text != NULL ? text : "";
}

static bool known(const json_t *object, const char *key)
{
    return json_is_number(json_object_get(object, key));
}

static void label(const char *name)
{
    (void)printf("%-*s ", LABEL_COLUMN, name);
}

/* "2d 03:04:05" */
static void print_span(double seconds)
{
    unsigned long long s = seconds > 0 ? (unsigned long long)seconds : 0;
    if (s >= 86400) {
        (void)printf("%llud ", s / 86400);
    }
    (void)printf("%02llu:%02llu:%02llu", s / 3600 % 24, s / 60 % 60, s % 60);
}

static void print_bytes(double bytes)
{
    char text[32];
    (void)gv_bytes_print(text, sizeof text, bytes > 0 ? (uint64_t)bytes : 0);
    (void)fputs(text, stdout);
}

static void print_quality(const json_t *object)
{
    (void)(known(object, "accuracy") ? printf("accuracy %.4f", number(object, "accuracy"))
                                     : printf("accuracy unknown"));
    if (known(object, "loss")) {
        (void)printf(", loss %.4f", number(object, "loss"));
    }
}

static void print_learning(const json_t *status)
{
    label("training");
    (void)printf("%.0f steps, age %.0f, %.0f samples/s", number(status, "steps"), number(status, "age"),
                 number(status, "samples_per_s"));
    if (known(status, "compute_share")) {
        (void)printf(", %.1f %% of the time computing", 100 * number(status, "compute_share"));
    }
    (void)printf("\n");
    label("model");
    print_quality(status);
    if (json_is_false(json_object_get(status, "model_finite"))) {
        (void)printf(", not finite");
    }
    if (known(status, "accuracy")) {
        (void)printf(" (%.0f samples of %s)", number(status, "accuracy_samples"), text_of(status, "accuracy_on"));
    }
    (void)printf("\n");
}

static void print_exchanges(const json_t *status)
{
    label("peers");
    (void)printf("%.0f active, %.0f known\n", number(status, "peers_active"), number(status, "peers_known"));
    label("exchanges");
    (void)printf("%.0f done, %.0f failed, %.0f refused", number(status, "exchanges_done"),
                 number(status, "exchanges_failed"), number(status, "exchanges_refused"));
    if (number(status, "exchanges_in_doubt") > 0) {
        (void)printf(", %.0f in doubt", number(status, "exchanges_in_doubt"));
    }
    if (known(status, "last_exchange_s")) {
        (void)printf("; the last one %.0f s ago", number(status, "last_exchange_s"));
    }
    (void)printf("\n");
    label("traffic");
    print_bytes(number(status, "bytes_sent"));
    (void)printf(" sent, ");
    print_bytes(number(status, "bytes_received"));
    (void)printf(" received; ");
    print_bytes(number(status, "rss_bytes"));
    (void)printf(" memory\n");
}

/* "ERR_BUSY" and so on in words; names of drops have none here and stand for themselves. */
static const char *words_for(const char *key)
{
    static const struct {
        const char *name, *text;
    } reasons[] = {
#define REASON(name, code, text) {#name, text},
        GV_ERR_LIST(REASON)
#undef REASON
    };
    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++) {
        if (strcmp(reasons[i].name, key) == 0) {
            return reasons[i].text;
        }
    }
    return NULL;
}

/* One line a reason, in the order of the reply. */
static void print_reasons(const json_t *status, const char *object, const char *title)
{
    const char *key;
    json_t *count;
    bool first = true;
    json_object_foreach(json_object_get(status, object), key, count)
    {
        const char *words = words_for(key);
        label(first ? title : "");
        (void)printf("%" JSON_INTEGER_FORMAT " %s%s%s%s\n", json_integer_value(count), key, words != NULL ? " (" : "",
                     words != NULL ? words : "", words != NULL ? ")" : "");
        first = false;
    }
}

static void print_dials(const json_t *status)
{
    static const char *const targets[] = {"seeds", "book", "peers"};
    const json_t *dials = json_object_get(status, "dials");
    double begun = 0;
    double failed = 0;
    for (size_t i = 0; i < sizeof targets / sizeof targets[0]; i++) {
        begun += number(json_object_get(dials, targets[i]), "begun");
        failed += number(json_object_get(dials, targets[i]), "failed");
    }
    const json_t *by = json_object_get(status, "dialled_by");
    double private = number(by, "private");
    double public = number(by, "public");
    label("dials");
    (void)printf("%.0f begun, %.0f failed; %.0f peers have dialled this node", begun, failed,
                 number(by, "loopback") + private + public);
    if (private + public > 0) {
        (void)printf(", %.0f of them from public addresses", public);
    }
    (void)printf("\n");
}

static void print_troubles(const json_t *status)
{
    print_reasons(status, "dial_failures", "why they fail");
    print_reasons(status, "refused_by_peers", "refused us");
    print_reasons(status, "declined_by_peers", "turned down");
    print_reasons(status, "refusals", "refused/failed");
    print_reasons(status, "shut_out", "shut out");
    print_reasons(status, "drops", "dropped");
    if (number(status, "alarms") > 0) {
        label("ALARMS");
        (void)printf("%.0f; the last one: %s\n", number(status, "alarms"), text_of(status, "last_alarm"));
    }
    if (text_of(status, "checkpoint_error")[0] != '\0') {
        label("checkpoint");
        (void)printf("cannot be written: %s\n", text_of(status, "checkpoint_error"));
    }
    if (json_is_true(json_object_get(status, "checkpoint_damaged"))) {
        label("checkpoint");
        (void)printf("one of the two was damaged at the start; the other was used\n");
    }
    double offset = number(status, "clock_offset_s");
    if (offset > CLOCK_OFFSET_MAX_S || offset < -CLOCK_OFFSET_MAX_S) {
        label("clock");
        (void)printf("%.0f s away from the swarm's\n", offset);
    }
}

static void print_status(const json_t *status)
{
    const json_t *swarm = json_object_get(status, "swarm");
    const json_t *endpoints = json_object_get(status, "endpoints");
    label("state");
    bool resting = json_is_true(json_object_get(status, "resting"));
    (void)printf("%s%s, up ", text_of(status, "state"), resting ? ", at rest" : "");
    print_span(number(status, "uptime_s"));
    (void)printf("\n");
    if (text_of(status, "lonely")[0] != '\0') {
        label("");
        (void)printf("%s\n", text_of(status, "lonely"));
    }
    label("node");
    (void)printf("%s, incarnation %.0f\n", text_of(status, "node_id"), number(status, "incarnation"));
    label("reached at");
    if (json_array_size(endpoints) == 0) {
        (void)printf("%s", text_of(status, "listening")[0] != '\0' ? "no known address" : "nothing: dials out only");
    }
    for (size_t i = 0; i < json_array_size(endpoints); i++) {
        (void)printf("%s%s", i > 0 ? ", " : "", json_string_value(json_array_get(endpoints, i)));
    }
    (void)printf("\n");
    label("swarm");
    (void)printf("%s, manifest %.0f, about %.0f nodes; ", text_of(swarm, "name"), number(status, "manifest_version"),
                 number(swarm, "nodes"));
    print_quality(swarm);
    (void)printf("\n");
    print_learning(status);
    print_exchanges(status);
    print_dials(status);
    print_troubles(status);
}

/* What the disk knows when no daemon runs. */
static void print_disk(const struct gv_args *args, const char *dir)
{
    struct gv_node_dir node;
    struct gv_checkpoint checkpoint;
    struct gv_diag diag = {.code = GV_OK};
    bool damaged = false;
    char hex[2 * GV_ID_BYTES + 1];
    enum gv_err err = gv_node_dir_open(&node, dir, &diag);
    if (err == GV_OK) {
        err = gv_node_dir_keys(&node, &diag);
    }
    if (err != GV_OK) {
        gv_cli_note(args, "%s", diag.text);
        gv_node_dir_close(&node);
        return;
    }
    struct gv_id id = gv_id_of(gv_sign_key_public(node.sign));
    gv_id_hex(hex, &id, 2 * GV_ID_BYTES);
    label("on disk");
    (void)printf("node %s of swarm %s, manifest %" PRIu64 ", model %s\n", hex, node.manifest.name,
                 node.manifest.version, node.manifest.training.model);
    label("checkpoint");
    err = gv_store_load_checkpoint(dir, &checkpoint, NULL, NULL, &damaged, &diag);
    if (err == GV_OK) {
        (void)printf("%" PRIu64 " steps, age %.0f, %" PRIu64 " exchanges%s\n", checkpoint.steps,
                     (double)checkpoint.age / 65536.0, checkpoint.exchanges, damaged ? " (one slot is damaged)" : "");
    } else {
        (void)printf("%s\n", err == GV_ERR_NOT_FOUND ? "none" : diag.text);
    }
    gv_node_dir_close(&node);
}

/* The same for scripts: the fields of a running node's status that are on disk. */
static int print_disk_json(const struct gv_args *args, const char *dir)
{
    struct gv_node_dir node;
    struct gv_checkpoint checkpoint;
    struct gv_diag diag = {.code = GV_OK};
    bool damaged = false;
    char hex[2 * GV_ID_BYTES + 1];
    json_t *object = json_pack("{s:s}", "state", "stopped");
    enum gv_err err = gv_node_dir_open(&node, dir, &diag);
    if (err == GV_OK) {
        err = gv_node_dir_keys(&node, &diag);
    }
    if (err == GV_OK) {
        struct gv_id id = gv_id_of(gv_sign_key_public(node.sign));
        gv_id_hex(hex, &id, 2 * GV_ID_BYTES);
        enum gv_err standing = gv_cli_standing(dir, NULL);
        json_t *more = json_pack("{s:s,s:{s:s},s:I,s:I,s:s,s:s}", "node_id", hex, "swarm", "name", node.manifest.name,
                                 "manifest_version", (json_int_t)node.manifest.version, "epoch",
                                 (json_int_t)node.manifest.epoch, "model", node.manifest.training.model, "membership",
                                 standing == GV_OK         ? "member"
                                 : standing == GV_ERR_LEFT ? "left"
                                                           : "ended");
        (void)json_object_update_new(object, more);
        if (gv_store_load_checkpoint(dir, &checkpoint, NULL, NULL, &damaged, NULL) == GV_OK) {
            more = json_pack("{s:I,s:f,s:I,s:b}", "steps", (json_int_t)checkpoint.steps, "age",
                             (double)checkpoint.age / 65536.0, "exchanges_done", (json_int_t)checkpoint.exchanges,
                             "checkpoint_damaged", damaged);
            (void)json_object_update_new(object, more);
        }
    } else {
        (void)json_object_set_new(object, "error", gv_cli_json_text(diag.text));
    }
    gv_node_dir_close(&node);
    int code = gv_cli_print_json(args, object);
    json_decref(object);
    return code;
}

int gv_cmd_status(const struct gv_args *args)
{
    struct gv_diag diag = {.code = GV_OK};
    const char *dir = args->positional[0];
    json_t *status = NULL;
    int code = GV_EXIT_OK;
    enum gv_err err = gv_cli_call(dir, json_pack("{s:s}", "cmd", "status"), &status, &diag);
    if (err != GV_OK) {
        code = gv_cli_fail(args, &diag);
        if (err == GV_ERR_NOT_FOUND && gv_store_exists(dir)) {
            if (gv_arg_given(args, "json")) {
                (void)print_disk_json(args, dir);
            } else {
                print_disk(args, dir);
            }
        }
        return err == GV_ERR_NOT_FOUND ? GV_EXIT_FAILED : code;
    }
    char why[GV_HEALTH_BYTES];
    bool healthy = gv_healthy(why, status) || !gv_arg_given(args, "check");
    if (gv_arg_given(args, "json")) {
        (void)json_object_del(status, "ok");
        code = gv_cli_print_json(args, status);
    } else if (gv_arg_given(args, "check")) {
        (void)printf("%s\n", healthy ? "healthy" : why);
        code = gv_cli_finish(args);
    } else {
        print_status(status);
        code = gv_cli_finish(args);
    }
    if (!healthy) {
        gv_cli_note(args, "not healthy: %s", why);
        code = GV_EXIT_FAILED;
    }
    json_decref(status);
    return code;
}
