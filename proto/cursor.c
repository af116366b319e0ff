/*
 * The bounded msgpack reader. See cursor.h; the format is https://github.com/msgpack/msgpack/blob/master/spec.md.
 */
#include "cursor.h"

#include "text.h"

enum shape { SHAPE_NONE, SHAPE_UINT, SHAPE_INT, SHAPE_BOOL, SHAPE_STR, SHAPE_BIN, SHAPE_ARRAY, SHAPE_MAP, SHAPE_OTHER };

/* What a first byte announces: `bytes` of big-endian number follow, or the number is `immediate`. */
struct lead {
    enum shape shape;
    uint8_t bytes;
    uint8_t immediate;
    uint8_t extra; /* SHAPE_OTHER: bytes of body beyond the number */
};

/* First bytes 0xc0 to 0xdf, in order. 0xc1 is never used. For `ext` the type byte counts as body. */
/* clang-format off: a first byte a line */
static const struct lead leads[32] = {
    {SHAPE_OTHER, 0, 0, 0},  /* c0 nil */
    {SHAPE_NONE, 0, 0, 0},   /* c1 */
    {SHAPE_BOOL, 0, 0, 0},   /* c2 false */
    {SHAPE_BOOL, 0, 1, 0},   /* c3 true */
    {SHAPE_BIN, 1, 0, 0},    /* c4 bin 8 */
    {SHAPE_BIN, 2, 0, 0},    /* c5 bin 16 */
    {SHAPE_BIN, 4, 0, 0},    /* c6 bin 32 */
    {SHAPE_OTHER, 1, 0, 1},  /* c7 ext 8 */
    {SHAPE_OTHER, 2, 0, 1},  /* c8 ext 16 */
    {SHAPE_OTHER, 4, 0, 1},  /* c9 ext 32 */
    {SHAPE_OTHER, 0, 4, 0},  /* ca float 32 */
    {SHAPE_OTHER, 0, 8, 0},  /* cb float 64 */
    {SHAPE_UINT, 1, 0, 0},   /* cc uint 8 */
    {SHAPE_UINT, 2, 0, 0},   /* cd uint 16 */
    {SHAPE_UINT, 4, 0, 0},   /* ce uint 32 */
    {SHAPE_UINT, 8, 0, 0},   /* cf uint 64 */
    {SHAPE_INT, 1, 0, 0},    /* d0 int 8 */
    {SHAPE_INT, 2, 0, 0},    /* d1 int 16 */
    {SHAPE_INT, 4, 0, 0},    /* d2 int 32 */
    {SHAPE_INT, 8, 0, 0},    /* d3 int 64 */
    {SHAPE_OTHER, 0, 2, 0},  /* d4 fixext 1 */
    {SHAPE_OTHER, 0, 3, 0},  /* d5 fixext 2 */
    {SHAPE_OTHER, 0, 5, 0},  /* d6 fixext 4 */
    {SHAPE_OTHER, 0, 9, 0},  /* d7 fixext 8 */
    {SHAPE_OTHER, 0, 17, 0}, /* d8 fixext 16 */
    {SHAPE_STR, 1, 0, 0},    /* d9 str 8 */
    {SHAPE_STR, 2, 0, 0},    /* da str 16 */
    {SHAPE_STR, 4, 0, 0},    /* db str 32 */
    {SHAPE_ARRAY, 2, 0, 0},  /* dc array 16 */
    {SHAPE_ARRAY, 4, 0, 0},  /* dd array 32 */
    {SHAPE_MAP, 2, 0, 0},    /* de map 16 */
    {SHAPE_MAP, 4, 0, 0},    /* df map 32 */
};
/* clang-format on */

static struct lead lead_of(uint8_t first)
{
    if (first < 0x80) {
        return (struct lead){SHAPE_UINT, 0, first, 0};
    }
    if (first < 0x90) {
        return (struct lead){SHAPE_MAP, 0, first & 0x0f, 0};
    }
    if (first < 0xa0) {
        return (struct lead){SHAPE_ARRAY, 0, first & 0x0f, 0};
    }
    if (first < 0xc0) {
        return (struct lead){SHAPE_STR, 0, first & 0x1f, 0};
    }
    if (first >= 0xe0) {
        return (struct lead){SHAPE_OTHER, 0, 0, 0}; /* negative fixint: a value without a body */
    }
    return leads[first - 0xc0];
}

/* True if `number` needed this many bytes of head, given what a shorter form of the same shape can hold. */
static bool is_shortest(enum shape shape, uint8_t bytes, uint64_t number)
{
    if (shape == SHAPE_INT) {
        return false; /* not negative, so an unsigned form is as short */
    }
    switch (bytes) {
    case 0:
        return true;
    case 1:
        return shape == SHAPE_UINT ? number > 0x7f : shape == SHAPE_STR ? number > 31 : true;
    case 2:
        return number > (shape == SHAPE_ARRAY || shape == SHAPE_MAP ? 15u : 0xffu);
    case 4:
        return number > 0xffff;
    default:
        return number > 0xffffffff;
    }
}

static uint64_t load_few(const uint8_t *at, uint8_t bytes)
{
    uint64_t value = 0;
    for (uint8_t i = 0; i < bytes; i++) {
        value = value << 8 | at[i];
    }
    return value;
}

static uint64_t load_be(const uint8_t *at)
{
    return (uint64_t)at[0] << 56 | (uint64_t)at[1] << 48 | (uint64_t)at[2] << 40 | (uint64_t)at[3] << 32 |
           (uint64_t)at[4] << 24 | (uint64_t)at[5] << 16 | (uint64_t)at[6] << 8 | (uint64_t)at[7];
}

/* Reads first byte and number. Negative integers keep their two's complement, sign-extended. */
static struct lead read_lead(struct gv_cursor *c, uint64_t *number)
{
    static const struct lead none = {SHAPE_NONE, 0, 0, 0};
    *number = 0;
    if (c->at == NULL) {
        return none;
    }
    if (c->left < 1) {
        gv_cursor_fail(c, GV_ERR_TRUNCATED);
        return none;
    }
    struct lead lead = lead_of(c->at[0]);
    if (c->left - 1 < lead.bytes) {
        gv_cursor_fail(c, GV_ERR_TRUNCATED);
        return none;
    }
    uint64_t value = lead.immediate;
    if (lead.bytes > 0) {
        value = c->left > 8 ? load_be(c->at + 1) >> (64 - 8 * lead.bytes) : load_few(c->at + 1, lead.bytes);
    }
    if (lead.shape == SHAPE_INT && (c->at[1] & 0x80) != 0 && lead.bytes < 8) {
        value |= UINT64_MAX << (8 * lead.bytes);
    }
    if (c->canonical && !is_shortest(lead.shape, lead.bytes, value)) {
        gv_cursor_fail(c, GV_ERR_MALFORMED);
        return none;
    }
    c->at += 1 + lead.bytes;
    c->left -= 1 + (size_t)lead.bytes;
    *number = value;
    return lead;
}

/* The head of a value of this shape; its number is a length, a count or the value itself. */
static uint64_t read_head(struct gv_cursor *c, enum shape shape)
{
    uint64_t number;
    struct lead lead = read_lead(c, &number);
    bool fits = lead.shape == shape || (shape == SHAPE_UINT && lead.shape == SHAPE_INT && number <= INT64_MAX);
    if (!fits) {
        gv_cursor_fail(c, GV_ERR_MALFORMED);
        return 0;
    }
    return number;
}

static struct gv_span read_body(struct gv_cursor *c, enum shape shape, size_t min, size_t max)
{
    static const struct gv_span nothing;
    uint64_t bytes = read_head(c, shape);
    if (c->at == NULL) {
        return nothing;
    }
    if (bytes > max) {
        gv_cursor_fail(c, GV_ERR_OVERSIZE);
        return nothing;
    }
    if (bytes > c->left || bytes < min) {
        gv_cursor_fail(c, bytes > c->left ? GV_ERR_TRUNCATED : GV_ERR_MALFORMED);
        return nothing;
    }
    struct gv_span span = {.data = c->at, .bytes = (size_t)bytes};
    c->at += bytes;
    c->left -= (size_t)bytes;
    return span;
}

/* Steps over a head and, unless it opens a container, its body. Returns the elements that follow. */
static uint64_t skip_one(struct gv_cursor *c)
{
    uint64_t number;
    struct lead lead = read_lead(c, &number);
    if (c->at == NULL) {
        return 0;
    }
    uint64_t body = 0;
    uint64_t elements = 0;
    switch (lead.shape) {
    case SHAPE_ARRAY:
        elements = number;
        break;
    case SHAPE_MAP:
        elements = 2 * number; /* at most 2^33 */
        break;
    case SHAPE_STR:
    case SHAPE_BIN:
        body = number;
        break;
    case SHAPE_OTHER:
        body = number + lead.extra;
        break;
    case SHAPE_NONE:
        gv_cursor_fail(c, GV_ERR_MALFORMED);
        return 0;
    case SHAPE_UINT:
    case SHAPE_INT:
    case SHAPE_BOOL:
        break;
    }
    if (body > c->left || elements > c->left) { /* an element takes a byte at least */
        gv_cursor_fail(c, GV_ERR_TRUNCATED);
        return 0;
    }
    c->at += body;
    c->left -= (size_t)body;
    return elements;
}

void gv_cursor_init(struct gv_cursor *c, const uint8_t *data, size_t bytes)
{
    *c = (struct gv_cursor){.at = data, .left = bytes, .err = GV_OK};
    if (data == NULL) {
        c->left = 0;
        c->err = GV_ERR_TRUNCATED;
    }
}

void gv_cursor_init_canonical(struct gv_cursor *c, const uint8_t *data, size_t bytes)
{
    gv_cursor_init(c, data, bytes);
    c->canonical = true;
}

void gv_cursor_fail(struct gv_cursor *c, enum gv_err err)
{
    if (c->at != NULL) {
        c->at = NULL;
        c->left = 0;
        c->err = err;
    }
}

uint32_t gv_cursor_array(struct gv_cursor *c, uint32_t max)
{
    uint64_t count = read_head(c, SHAPE_ARRAY);
    if (c->at != NULL && count > max) {
        gv_cursor_fail(c, GV_ERR_OVERSIZE);
    }
    if (c->at != NULL && count > c->left) { /* an element takes a byte at least */
        gv_cursor_fail(c, GV_ERR_TRUNCATED);
    }
    return c->at != NULL ? (uint32_t)count : 0;
}

uint64_t gv_cursor_u64(struct gv_cursor *c)
{
    return read_head(c, SHAPE_UINT);
}

uint64_t gv_cursor_range(struct gv_cursor *c, uint64_t min, uint64_t max)
{
    uint64_t number = read_head(c, SHAPE_UINT);
    if (c->at != NULL && (number < min || number > max)) {
        gv_cursor_fail(c, GV_ERR_MALFORMED);
    }
    return c->at != NULL ? number : 0;
}

bool gv_cursor_bool(struct gv_cursor *c)
{
    return read_head(c, SHAPE_BOOL) != 0;
}

struct gv_span gv_cursor_bin(struct gv_cursor *c, size_t min, size_t max)
{
    return read_body(c, SHAPE_BIN, min, max);
}

void gv_cursor_fixed(struct gv_cursor *c, uint8_t *out, size_t bytes)
{
    struct gv_span span = read_body(c, SHAPE_BIN, bytes, bytes);
    if (c->at != NULL) {
        memcpy(out, span.data, bytes);
    } else {
        memset(out, 0, bytes);
    }
}

void gv_cursor_text(struct gv_cursor *c, char *out, size_t max)
{
    struct gv_span span = read_body(c, SHAPE_STR, 0, max);
    if (c->at != NULL && !gv_text_utf8((const char *)span.data, span.bytes)) {
        gv_cursor_fail(c, GV_ERR_MALFORMED);
    }
    size_t bytes = c->at != NULL ? span.bytes : 0;
    if (bytes > 0) {
        memcpy(out, span.data, bytes);
    }
    out[bytes] = '\0';
}

void gv_cursor_skip(struct gv_cursor *c)
{
    uint64_t pending[GV_MSGPACK_DEPTH_MAX]; /* elements still to come at each open level */
    size_t depth = 0;
    uint64_t elements = skip_one(c);
    while (c->at != NULL && (elements > 0 || depth > 0)) {
        if (elements > 0) {
            if (depth == GV_MSGPACK_DEPTH_MAX) {
                gv_cursor_fail(c, GV_ERR_MALFORMED);
                return;
            }
            pending[depth++] = elements;
        }
        while (depth > 0 && pending[depth - 1] == 0) {
            depth--;
        }
        if (depth == 0) {
            return;
        }
        pending[depth - 1]--;
        elements = skip_one(c);
    }
}

enum gv_err gv_cursor_end(const struct gv_cursor *c)
{
    if (c->at == NULL) {
        return c->err;
    }
    return c->left == 0 ? GV_OK : GV_ERR_MALFORMED;
}
