/*
 * Configuration and data read again: see reload.h.
 */
#include "reload.h"

#include <string.h>

#include "data.h"
#include "log.h"
#include "manifest_text.h"
#include "node.h"

static enum gv_err check_data(const struct gv_reload *reload, struct gv_diag *diag)
{
    const struct gv_config *config = &reload->config;
    struct gv_manifest manifest; /* from disk: the node's own may change meanwhile */
    struct gv_data data;
    memset(&data, 0, sizeof data);
    enum gv_err err = gv_store_load_manifest(reload->dir, &manifest, NULL, diag);
    if (err != GV_OK) {
        return err;
    }
    err = gv_data_load(&data, config->data, diag);
    if (err == GV_OK) {
        err = gv_data_fit(&data, &manifest.schema, diag);
    }
    if (err == GV_OK && config->shard_count > 1) {
        err = gv_data_shard(&data, config->partition, config->shard_index, config->shard_count, manifest.training.seed,
                            diag);
    }
    gv_data_deinit(&data);
    gv_manifest_deinit(&manifest);
    return err;
}

static void *check(void *argument)
{
    struct gv_reload *reload = argument;
    reload->err = check_data(reload, &reload->diag);
    atomic_store(&reload->done, true);
    return NULL;
}

static enum gv_err refuse(const struct gv_diag *diag)
{
    gv_log(GV_LEVEL_UNUSUAL, "reload refused, running on as before", "why=\"%s\"", diag->text);
    return diag->code;
}

static void restart(struct gv_node *node)
{
    gv_log(GV_LEVEL_INFO, "reload", "how=\"restart with a checkpoint\"");
    gv_node_restart(node);
}

enum gv_err gv_node_reload(struct gv_node *node, struct gv_diag *diag)
{
    struct gv_reload *reload = &node->reload;
    char path[GV_STORE_PATH_MAX];
    if (reload->running) {
        reload->once_more = true;
        return GV_OK;
    }
    reload->dir = node->dir;
    enum gv_err err = gv_store_path(path, node->dir, "config.ini", diag);
    err = err == GV_OK ? gv_config_load(&reload->config, path, diag) : err;
    err = err == GV_OK ? gv_net_try_listening(node->net, reload->config.listen, reload->config.family, diag) : err;
    if (err != GV_OK) {
        return refuse(diag);
    }
    if (reload->config.data[0] == '\0') {
        restart(node);
        return GV_OK;
    }
    atomic_store(&reload->done, false);
    int error = pthread_create(&reload->thread, NULL, check, reload);
    if (error != 0) {
        (void)gv_diag_set(diag, GV_ERR_NOMEM, "cannot start a thread to read the data: %s", strerror(error));
        return refuse(diag);
    }
    reload->running = true;
    return GV_OK;
}

void gv_node_reload_look(struct gv_node *node)
{
    struct gv_reload *reload = &node->reload;
    struct gv_diag diag;
    if (!reload->running || !atomic_load(&reload->done)) {
        return;
    }
    gv_reload_stop(reload);
    if (reload->once_more) {
        reload->once_more = false;
        (void)!gv_node_reload(node, &diag);
    } else if (reload->err != GV_OK) {
        (void)refuse(&reload->diag);
    } else {
        restart(node);
    }
}

void gv_reload_stop(struct gv_reload *reload)
{
    if (reload->running) {
        (void)pthread_join(reload->thread, NULL);
        reload->running = false;
    }
}
