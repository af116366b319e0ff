/*
 * msgpack-c with a fixed buffer behind it. See pack.h.
 */
#include "pack.h"

#include <msgpack.h>
#include <string.h>

/* msgpack-c's callback: < 0 stops it. */
static int append(void *context, const char *data, size_t bytes)
{
    struct gv_pack *p = context;
    if (p->overflow || bytes > p->cap - p->used) {
        p->overflow = true;
        return -1;
    }
    memcpy(p->out + p->used, data, bytes);
    p->used += bytes;
    return 0;
}

/* A packer lives as long as one value: the compiler then sees which callback it has, and writes the bytes in place
 * instead of calling it for each head. */
static inline msgpack_packer packer_of(struct gv_pack *p)
{
    msgpack_packer packer;
    msgpack_packer_init(&packer, p, append);
    return packer;
}

void gv_pack_init(struct gv_pack *p, uint8_t *out, size_t cap)
{
    p->out = out;
    p->cap = cap;
    p->used = 0;
    p->overflow = false;
}

void gv_pack_array(struct gv_pack *p, size_t count)
{
    msgpack_packer packer = packer_of(p);
    (void)msgpack_pack_array(&packer, count);
}

void gv_pack_u64(struct gv_pack *p, uint64_t value)
{
    msgpack_packer packer = packer_of(p);
    (void)msgpack_pack_uint64(&packer, value);
}

void gv_pack_bool(struct gv_pack *p, bool value)
{
    msgpack_packer packer = packer_of(p);
    (void)(value ? msgpack_pack_true(&packer) : msgpack_pack_false(&packer));
}

void gv_pack_bin(struct gv_pack *p, const uint8_t *data, size_t bytes)
{
    gv_pack_bin_head(p, bytes);
    if (bytes > 0) {
        msgpack_packer packer = packer_of(p);
        (void)msgpack_pack_bin_body(&packer, data, bytes);
    }
}

void gv_pack_bin_head(struct gv_pack *p, size_t bytes)
{
    msgpack_packer packer = packer_of(p);
    (void)msgpack_pack_bin(&packer, bytes);
}

void gv_pack_text(struct gv_pack *p, const char *text)
{
    size_t bytes = strlen(text);
    msgpack_packer packer = packer_of(p);
    (void)msgpack_pack_str(&packer, bytes);
    if (bytes > 0) {
        (void)msgpack_pack_str_body(&packer, text, bytes);
    }
}

enum gv_err gv_pack_end(const struct gv_pack *p, size_t *bytes)
{
    *bytes = p->used;
    return p->overflow ? GV_ERR_RANGE : GV_OK;
}
