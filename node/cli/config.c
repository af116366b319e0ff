/*
 * config: the node's settings and where each comes from.
 */
#include "config.h"

#include <stdio.h>

#include "cli.h"
#include "commands.h"
#include "store.h"

int gv_cmd_config(const struct gv_args *args)
{
    char path[GV_STORE_PATH_MAX];
    char value[GV_DATA_SPEC_BYTES_MAX];
    const char *key;
    const char *origin;
    struct gv_config config;
    struct gv_diag diag = {.code = GV_OK};
    if (!gv_store_exists(args->positional[0])) {
        (void)gv_diag_set(&diag, GV_ERR_CONFIG, "%s holds no node", args->positional[0]);
        return gv_cli_fail(args, &diag);
    }
    if (gv_store_path(path, args->positional[0], "config.ini", &diag) != GV_OK ||
        gv_config_load(&config, path, &diag) != GV_OK) {
        return gv_cli_fail(args, &diag);
    }
    for (uint32_t i = 0; gv_config_item(&config, i, &key, value, sizeof value, &origin); i++) {
        (void)printf("%-11s = %-32s # %s\n", key, value, origin);
    }
    return gv_cli_finish(args);
}
