/*
 * join: from a token to a state DIR.
 */
#include "join.h"

#include <sodium.h>

#include "cli.h"
#include "commands.h"
#include "daemon.h"
#include "invite.h"

/* Silence and a seed that is merely full or ending may pass; scripts wait and try again. */
static bool may_pass(enum gv_err err)
{
    switch (err) {
    case GV_ERR_TIMEOUT:
    case GV_ERR_BUSY:
    case GV_ERR_CROWDED:
    case GV_ERR_RATE:
    case GV_ERR_STOPPING:
    case GV_ERR_LINK_LOST:
        return true;
    default:
        return false;
    }
}

int gv_cmd_join(const struct gv_args *args)
{
    char token[GV_TOKEN_TEXT_MAX + 1];
    char hex[9];
    struct gv_config config;
    struct gv_join_result result;
    struct gv_diag diag = {.code = GV_OK};
    struct gv_join_options options = {.token = token, .dir = args->positional[1], .config = &config};
    gv_config_defaults(&config);
    enum gv_err err = gv_cli_token(token, args->positional[0], &diag);
    if (err == GV_OK) {
        err = gv_cli_configure(&config, args, &diag);
    }
    if (err == GV_OK) {
        err = gv_join(&options, &result, &diag);
    }
    sodium_memzero(token, sizeof token);
    if (err != GV_OK) {
        int code = gv_cli_fail(args, &diag);
        return may_pass(err) ? GV_EXIT_TRY_LATER : code;
    }
    gv_id_hex(hex, &result.id, 8);
    gv_cli_note_skipped(args, result.skipped_rows);
    if (config.data[0] == '\0') {
        gv_cli_note(args, "no --data: this node will serve and relay, and not train");
    }
    gv_cli_note(args, "joined \"%s\" (model %s, manifest %llu) through %s; this node is %s", result.name, result.model,
                (unsigned long long)result.manifest_version, result.seed, hex);
    gv_cli_note(args, "next: grapevine run %s", args->positional[1]);
    return GV_EXIT_OK;
}
