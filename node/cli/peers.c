/*
 * peers: whom the node knows, as the running daemon says, and why each is where it is.
 *
 *     role   active (a neighbour), linked, passive (known), former (no longer any of these); ? if it is suspected
 *     link   out (dialled by us), in (it dialled), dialling
 */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "commands.h"
#include "daemon.h"

#define ID_DIGITS 16

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text != NULL ? text : "";
}

/* A number of a column, or "-" where it is not known. */
static void print_number(const json_t *peer, const char *key, int width, int digits)
{
    const json_t *value = json_object_get(peer, key);
    if (json_is_number(value)) {
        (void)printf(" %*.*f", width, digits, json_number_value(value));
    } else {
        (void)printf(" %*s", width, "-");
    }
}

static double left(const json_t *peer, const char *key)
{
    return json_number_value(json_object_get(peer, key));
}

static const char *how_linked(const json_t *peer)
{
    if (json_is_number(json_object_get(peer, "heard_s"))) {
        return json_is_true(json_object_get(peer, "dialled")) ? "out" : "in";
    }
    return json_is_true(json_object_get(peer, "dialling")) ? "dialling" : "-";
}

/* Back-offs that are not over, each with what it holds up. */
static void print_waits(const json_t *peer)
{
    static const struct {
        const char *key, *text;
    } waits[] = {
        {"shut_out_s", "shut out for"},
        {"dial_after_s", "no dial for"},
        {"neighbour_after_s", "no neighbour for"},
        {"exchange_after_s", "no exchange for"},
    };
    bool active = strcmp(text_of(peer, "role"), "active") == 0;
    bool linked = json_is_number(json_object_get(peer, "heard_s"));
    for (size_t i = 0; i < sizeof waits / sizeof waits[0]; i++) {
        bool moot = (i == 1 && linked) || (i == 2 && active);
        double seconds = left(peer, waits[i].key);
        if (seconds > 0 && !moot) {
            (void)printf("; %s %.*f s", waits[i].text, seconds < 10 ? 1 : 0, seconds);
        }
    }
}

static void print_peer(const json_t *peer)
{
    char state[24];
    const char *endpoint = text_of(peer, "endpoint");
    const char *error = text_of(peer, "last_error");
    bool former = strcmp(text_of(peer, "role"), "former") == 0;
    (void)snprintf(state, sizeof state, "%s%s", text_of(peer, "role"),
                   json_is_true(json_object_get(peer, "suspected")) ? "?" : "");
    (void)printf("%-*.*s %-9s %-8s", ID_DIGITS, ID_DIGITS, text_of(peer, "node_id"), state, how_linked(peer));
    print_number(peer, "rtt_ms", 9, 1);
    print_number(peer, "heard_s", 9, 1);
    print_number(peer, "score", 6, 2);
    (void)printf("  %s", endpoint[0] != '\0' ? endpoint : (former ? "-" : "outbound only"));
    if (error[0] != '\0') {
        (void)printf("  %s, %.0f s ago", error, left(peer, "last_error_s"));
        if (left(peer, "dial_failures") > 1) {
            (void)printf(" (%.0f dials in a row)", left(peer, "dial_failures"));
        }
    }
    if (json_is_true(json_object_get(peer, "asked"))) {
        (void)printf("; asked to be a neighbour");
    }
    print_waits(peer);
    (void)printf("\n");
}

int gv_cmd_peers(const struct gv_args *args)
{
    struct gv_diag diag = {.code = GV_OK};
    json_t *reply = NULL;
    int code;
    enum gv_err err = gv_cli_call(args->positional[0], json_pack("{s:s}", "cmd", "peers"), &reply, &diag);
    if (err != GV_OK) {
        code = gv_cli_fail(args, &diag);
        return err == GV_ERR_NOT_FOUND ? GV_EXIT_FAILED : code;
    }
    const json_t *peers = json_object_get(reply, "peers");
    if (gv_arg_given(args, "json")) {
        code = gv_cli_print_json(args, peers);
    } else {
        static const char *const roles[] = {"active", "linked", "passive", "former"};
        (void)printf("%-*s %-9s %-8s %9s %9s %6s  %s\n", ID_DIGITS, "node", "role", "link", "rtt ms", "heard s",
                     "score", "address, last failure, and what is held up");
        for (size_t role = 0; role < sizeof roles / sizeof roles[0]; role++) {
            for (size_t i = 0; i < json_array_size(peers); i++) {
                const json_t *peer = json_array_get(peers, i);
                if (strcmp(text_of(peer, "role"), roles[role]) == 0) {
                    print_peer(peer);
                }
            }
        }
        code = gv_cli_finish(args);
    }
    json_decref(reply);
    return code;
}
