/*
 * What the host let fall: see drops.h.
 */
#include "drops.h"

#include "log.h"

static const char *const NAMES[GV_DROPS] = {
#define NAME(name, key, text) key,
    GV_DROP_LIST(NAME)
#undef NAME
};

static const char *const TEXTS[GV_DROPS] = {
#define TEXT(name, key, text) text,
    GV_DROP_LIST(TEXT)
#undef TEXT
};

const char *gv_drop_name(enum gv_drop drop)
{
    return NAMES[drop];
}

const char *gv_drop_text(enum gv_drop drop)
{
    return TEXTS[drop];
}

void gv_drop(struct gv_drops *drops, enum gv_drop drop, const char *from)
{
    drops->count[drop]++;
    gv_log_limited(GV_LEVEL_UNUSUAL, NAMES[drop], "dropped", "what=%s from=%s why=\"%s\"", NAMES[drop],
                   from[0] != '\0' ? from : "-", TEXTS[drop]);
}

void gv_drops_add(struct gv_drops *sum, const struct gv_drops *more)
{
    for (int i = 0; i < GV_DROPS; i++) {
        sum->count[i] += more->count[i];
    }
}
