/*
 * export: the model as safetensors: an 8-byte little-endian header length, a JSON header, then the tensors.
 * Source: https://github.com/huggingface/safetensors, README, "Format".
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "commands.h"
#include "daemon.h"
#include "served.h"
#include "store_file.h"

#define HEADER_ALIGN 8u /* the header is padded with blanks, so that the tensors lie aligned */

GV_PRINTF(3, 4)
static void set_text(json_t *object, const char *key, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void)json_object_set_new(object, key, json_vsprintf(format, args));
    va_end(args);
}

/* An array as text, since metadata may hold nothing but text. Takes the reference. */
static void set_array(json_t *object, const char *key, json_t *array)
{
    char *text = json_dumps(array, JSON_COMPACT | JSON_REAL_PRECISION(9));
    (void)json_object_set_new(object, key, text != NULL ? json_string(text) : json_null());
    free(text);
    json_decref(array);
}

static json_t *reals(const float *values, uint32_t count)
{
    json_t *array = json_array();
    for (uint32_t i = 0; i < count; i++) {
        (void)json_array_append_new(array, json_real((double)values[i]));
    }
    return array;
}

/* What another program needs to use the tensors: the architecture, the classes, the scaling of the features. */
static json_t *metadata(const struct gv_served *served)
{
    const struct gv_manifest *manifest = &served->node.manifest;
    static const char *const scalings[] = {"none", "unit", "standard"};
    json_t *object = json_object();
    json_t *classes = json_array();
    char hex[2 * GV_ID_BYTES + 1];
    struct gv_swarm_id swarm = gv_swarm_id_of(&manifest->root);
    struct gv_id id;
    memcpy(id.b, swarm.b, sizeof id.b);
    gv_id_hex(hex, &id, 2 * GV_ID_BYTES);
    for (uint32_t i = 0; i < manifest->schema.classes; i++) {
        (void)json_array_append_new(classes, json_string(manifest->schema.class_names[i]));
    }
    set_text(object, "format", "grapevine");
    set_text(object, "swarm", "%s", manifest->name);
    set_text(object, "swarm_id", "%s", hex);
    set_text(object, "manifest_version", "%" PRIu64, manifest->version);
    set_text(object, "which", "%s", gv_served_name(served));
    set_text(object, "age", "%.4f", served->age);
    set_text(object, "steps", "%" PRIu64, served->steps);
    set_text(object, "model", "%s", manifest->training.model);
    set_array(object, "classes", classes);
    set_text(object, "scaling", "%s",
             scalings[manifest->schema.scaling <= GV_SCALING_STANDARD ? manifest->schema.scaling : 0]);
    set_array(object, "mean", reals(manifest->schema.mean, manifest->schema.scale_count));
    set_array(object, "deviation", reals(manifest->schema.deviation, manifest->schema.scale_count));
    return object;
}

static size_t view_elements(const struct gv_view *view)
{
    return view->rank == 2 ? (size_t)view->shape[0] * view->shape[1] : view->shape[0];
}

/* The header with each tensor's place, in the order in which they will be written. */
static json_t *make_header(const struct gv_served *served)
{
    const struct gv_layout *layout = gv_model_layout(served->model);
    json_t *header = json_object();
    json_int_t at = 0;
    (void)json_object_set_new(header, "__metadata__", metadata(served));
    for (uint32_t i = 0; i < layout->view_count; i++) {
        const struct gv_view *view = &layout->view[i];
        json_int_t bytes = (json_int_t)view_elements(view) * (json_int_t)sizeof(float);
        json_t *shape = json_array();
        for (uint32_t d = 0; d < view->rank; d++) {
            (void)json_array_append_new(shape, json_integer(view->shape[d]));
        }
        json_t *tensor = json_pack("{s:s,s:o,s:[I,I]}", "dtype", "F32", "shape", shape, "data_offsets", at, at + bytes);
        (void)json_object_set_new(header, view->name, tensor);
        at += bytes;
    }
    return header;
}

static enum gv_err write_tensors(struct gv_replacement *file, const struct gv_served *served, const char *header,
                                 struct gv_diag *diag)
{
    const struct gv_layout *layout = gv_model_layout(served->model);
    static const char blanks[HEADER_ALIGN] = {' ', ' ', ' ', ' ', ' ', ' ', ' ', ' '};
    size_t length = strlen(header);
    size_t padding = (HEADER_ALIGN - length % HEADER_ALIGN) % HEADER_ALIGN;
    uint8_t prefix[8];
    for (unsigned i = 0; i < 8; i++) {
        prefix[i] = (uint8_t)((uint64_t)(length + padding) >> (8 * i));
    }
    enum gv_err err = gv_replacement_write(file, prefix, sizeof prefix, diag);
    if (err == GV_OK) {
        err = gv_replacement_write(file, header, length, diag);
    }
    if (err == GV_OK) {
        err = gv_replacement_write(file, blanks, padding, diag);
    }
    for (uint32_t i = 0; i < layout->view_count && err == GV_OK; i++) {
        const struct gv_view *view = &layout->view[i];
        err = gv_replacement_write(file, served->parameters + view->offset, view_elements(view) * sizeof(float), diag);
    }
    return err;
}

static enum gv_err export_to(const struct gv_served *served, const char *path, struct gv_diag *diag)
{
    struct gv_replacement file;
    json_t *header = make_header(served);
    char *text = json_dumps(header, JSON_COMPACT);
    json_decref(header);
    if (text == NULL) {
        return gv_diag_set(diag, GV_ERR_NOMEM, "%s", gv_err_text(GV_ERR_NOMEM));
    }
    enum gv_err err = gv_replacement_open_anywhere(&file, path, 0644, diag);
    if (err == GV_OK) {
        err = write_tensors(&file, served, text, diag);
        if (err == GV_OK) {
            err = gv_replacement_commit(&file, diag);
        } else {
            gv_replacement_abort(&file);
        }
    }
    free(text);
    return err;
}

int gv_cmd_export(const struct gv_args *args)
{
    struct gv_diag diag = {.code = GV_OK};
    struct gv_served served;
    enum gv_err err = gv_served_open(&served, args, &diag);
    if (err == GV_OK) {
        err = export_to(&served, args->positional[1], &diag);
    }
    if (err == GV_OK) {
        gv_cli_note(args, "%s: the %s model at age %.0f, %zu parameters", args->positional[1], gv_served_name(&served),
                    served.age, gv_model_layout(served.model)->parameters);
    }
    gv_served_close(&served);
    return err == GV_OK ? GV_EXIT_OK : gv_cli_fail(args, &diag);
}
