/*
 * A new state DIR: see state.h.
 */
#include "state.h"

#include <string.h>
#include <unistd.h>

#include "control_path.h"
#include "store.h"

enum gv_err gv_state_begin(struct gv_state_draft *draft, const char *dir, struct gv_diag *diag)
{
    draft->dir = NULL;
    draft->lock = -1;
    draft->made = access(dir, F_OK) != 0;
    struct sockaddr_un address; /* no node could run where its control socket has no room */
    enum gv_err err = gv_control_address(&address, dir, diag);
    if (err == GV_OK) {
        err = gv_store_create(dir, diag);
    }
    if (err != GV_OK) {
        return err;
    }
    err = gv_store_lock(&draft->lock, dir, diag);
    if (err != GV_OK) {
        return err; /* another process makes a node here: its files are not ours to remove */
    }
    err = gv_store_check_free(dir, diag); /* or has made it since we looked */
    if (err != GV_OK) {
        (void)close(draft->lock);
        return err;
    }
    draft->dir = dir;
    return GV_OK;
}

static enum gv_err write_peers(const char *dir, const struct gv_state_files *files, struct gv_diag *diag)
{
    struct gv_directory *directory = NULL;
    struct gv_ref ref;
    enum gv_err err = gv_directory_new(&directory, 1);
    if (err == GV_OK && files->peer != NULL) {
        err =
            gv_directory_put(directory, &ref, files->peer, files->peer_bytes.data, files->peer_bytes.bytes, NULL, NULL);
    }
    if (err != GV_OK) {
        (void)gv_diag_set(diag, err, "%s/peers: %s", dir, gv_err_text((int)err));
    } else {
        err = gv_store_save_peers(dir, files->seeds, files->seed_count, directory, diag);
    }
    gv_directory_free(&directory);
    return err;
}

/* The manifest comes last: without it the DIR holds no node. */
enum gv_err gv_state_write(const struct gv_state_draft *draft, const struct gv_state_files *files, struct gv_diag *diag)
{
    char path[GV_STORE_PATH_MAX];
    enum gv_err err = gv_store_path(path, draft->dir, "config.ini", diag);
    if (err == GV_OK) {
        err = gv_config_save(files->config, path, diag);
    }
    if (err == GV_OK) {
        err = gv_store_path(path, draft->dir, "node.key", diag);
    }
    if (err == GV_OK) {
        err = gv_node_keys_save(path, files->sign, files->curve, diag);
    }
    if (err == GV_OK) {
        err = gv_store_save_member(draft->dir, files->chain, diag);
    }
    if (err == GV_OK) {
        err = gv_store_save_incarnation(draft->dir, files->incarnation, diag);
    }
    if (err == GV_OK) {
        err = write_peers(draft->dir, files, diag);
    }
    if (err == GV_OK) {
        err = gv_store_save_manifest(draft->dir, files->manifest, diag);
    }
    return err;
}

void gv_state_keep(struct gv_state_draft *draft)
{
    if (draft->dir != NULL) {
        (void)close(draft->lock);
        draft->dir = NULL;
    }
}

void gv_state_drop(struct gv_state_draft *draft)
{
    if (draft->dir != NULL) {
        gv_store_discard(draft->dir, draft->made);
        (void)close(draft->lock);
        draft->dir = NULL;
    }
}
