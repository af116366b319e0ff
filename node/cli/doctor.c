/*
 * doctor: the command, the order of the checks, and how they are reported.
 */
#include "doctor.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "daemon.h"
#include "store.h"

#define CHECK_COLUMN 11
#define TEXT_BYTES 1024

static const char *const VERDICTS[GV_VERDICTS] = {"ok", "warn", "fail", "skip"};

void gv_doctor_say(struct gv_doctor *d, enum gv_verdict verdict, const char *check, const char *advice,
                   const char *format, ...)
{
    char text[TEXT_BYTES];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    d->counts[verdict]++;
    (void)json_array_append_new(d->checks, json_pack("{s:s,s:s,s:o,s:s?}", "check", check, "verdict", VERDICTS[verdict],
                                                     "found", gv_cli_json_text(text), "advice", advice));
    if (!d->quiet) {
        (void)printf("%-4s  %-*s %s%s%s\n", VERDICTS[verdict], CHECK_COLUMN, check, text, advice != NULL ? ". " : "",
                     advice != NULL ? advice : "");
        (void)fflush(stdout); /* some checks take seconds */
    }
}

/* Quick ones first; those that wait for others last. */
static void (*const CHECKS[])(struct gv_doctor *d) = {
    gv_doctor_config,     gv_doctor_keys, gv_doctor_membership, gv_doctor_invites,     gv_doctor_disk,
    gv_doctor_blas,       gv_doctor_zmq,  gv_doctor_daemon,     gv_doctor_descriptors, gv_doctor_listen,
    gv_doctor_advertised, gv_doctor_dial, gv_doctor_observed,   gv_doctor_inbound,     gv_doctor_times,
};

static int report(const struct gv_args *args, struct gv_doctor *d)
{
    uint32_t failed = d->counts[GV_VERDICT_FAIL];
    int code = GV_EXIT_OK;
    if (d->quiet) {
        json_t *object =
            json_pack("{s:o,s:b,s:i,s:i,s:O}", "dir", gv_cli_json_text(d->node.dir), "ok", failed == 0, "failed",
                      (int)failed, "warned", (int)d->counts[GV_VERDICT_WARN], "checks", d->checks);
        code = gv_cli_print_json(args, object);
        json_decref(object);
    } else {
        code = gv_cli_finish(args);
    }
    if (failed > 0) {
        gv_cli_note(args, "%u check%s failed", failed, failed == 1 ? "" : "s");
    }
    return failed > 0 ? GV_EXIT_FAILED : code;
}

int gv_cmd_doctor(const struct gv_args *args)
{
    struct gv_diag diag = {.code = GV_OK};
    const char *dir = args->positional[0];
    if (!gv_store_exists(dir)) {
        (void)gv_diag_set(&diag, GV_ERR_CONFIG,
                          "%s holds no node; make one with `grapevine create` or `grapevine join`", dir);
        return gv_cli_fail(args, &diag);
    }
    struct gv_doctor *d = calloc(1, sizeof *d);
    json_t *checks = json_array();
    if (d == NULL || checks == NULL) {
        free(d);
        json_decref(checks);
        (void)gv_diag_set(&diag, GV_ERR_NOMEM, "%s", gv_err_text(GV_ERR_NOMEM));
        return gv_cli_fail(args, &diag);
    }
    d->node.dir = dir;
    d->quiet = gv_arg_given(args, "json");
    d->checks = checks;
    gv_doctor_ask_daemon(d); /* it knows more of its membership than DIR shows */
    for (size_t i = 0; i < sizeof CHECKS / sizeof CHECKS[0]; i++) {
        CHECKS[i](d);
    }
    int code = report(args, d);
    json_decref(d->status);
    json_decref(d->checks);
    gv_directory_free(&d->directory);
    gv_trust_free(&d->trust);
    gv_node_dir_close(&d->node);
    free(d);
    return code;
}
