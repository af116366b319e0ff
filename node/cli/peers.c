/*
 * peers: whom the node knows, as the running daemon says.
 */
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

static void print_peer(const json_t *peer)
{
    char state[24];
    (void)snprintf(state, sizeof state, "%s%s", text_of(peer, "role"),
                   json_is_true(json_object_get(peer, "suspected")) ? "?" : "");
    (void)printf("%-*.*s %-9s", ID_DIGITS, ID_DIGITS, text_of(peer, "node_id"), state);
    print_number(peer, "rtt_ms", 9, 1);
    print_number(peer, "heard_s", 9, 1);
    print_number(peer, "score", 6, 2);
    const char *endpoint = text_of(peer, "endpoint");
    (void)printf("  %s", endpoint[0] != '\0' ? endpoint : "outbound only");
    if (text_of(peer, "last_error")[0] != '\0') {
        (void)printf("  (%s)", text_of(peer, "last_error"));
    }
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
        static const char *const roles[] = {"active", "linked", "passive"};
        (void)printf("%-*s %-9s %9s %9s %6s  %s\n", ID_DIGITS, "node", "role", "rtt ms", "heard s", "score", "address");
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
