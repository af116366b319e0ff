/*
 * Invariants over all nodes. See check.h; the definitions are in check.c's table.
 */
#include "check.h"

#include <string.h>

#define FALLEN 0.5    /* of the variance, at most, in a liveness phase */
#define ROUNDING 1e-6 /* of the variance at the start of a run: float16 gets no nearer to one another */

static uint32_t root_of(uint32_t *parent, uint32_t node)
{
    while (parent[node] != node) {
        parent[node] = parent[parent[node]];
        node = parent[node];
    }
    return node;
}

static void join(uint32_t *parent, uint32_t a, uint32_t b)
{
    uint32_t x = root_of(parent, a);
    uint32_t y = root_of(parent, b);
    parent[x > y ? x : y] = x < y ? x : y; /* the least number is the root */
}

static bool names(const struct gv_overlay *o, uint32_t a, uint32_t b)
{
    for (uint32_t i = o->first[a]; i < o->first[a + 1]; i++) {
        if (o->to[i] == b) {
            return true;
        }
    }
    return false;
}

/* a names b and b does not name a, both being there. */
static bool is_one_sided(const struct gv_overlay *o, uint32_t a, uint32_t b)
{
    return a < o->nodes && b < o->nodes && o->counts[a] && o->counts[b] && names(o, a, b) && !names(o, b, a);
}

/* The root of the largest component, the first of equal ones; UINT32_MAX: nobody counts. size (nodes). */
static uint32_t find_largest(const struct gv_overlay *o, uint32_t *parent, uint32_t *size)
{
    uint32_t largest = UINT32_MAX;
    memset(size, 0, o->nodes * sizeof *size);
    for (uint32_t n = 0; n < o->nodes; n++) {
        if (o->counts[n]) {
            size[root_of(parent, n)]++;
        }
    }
    for (uint32_t n = 0; n < o->nodes; n++) {
        if (size[n] > 0 && (largest == UINT32_MAX || size[n] > size[largest])) {
            largest = n;
        }
    }
    return largest;
}

uint32_t gv_check_components(const struct gv_overlay *o, uint32_t *scratch)
{
    for (uint32_t n = 0; n < o->nodes; n++) {
        scratch[n] = n;
    }
    for (uint32_t n = 0; n < o->nodes; n++) {
        for (uint32_t i = o->first[n]; o->counts[n] && i < o->first[n + 1]; i++) {
            if (o->to[i] < o->nodes && o->counts[o->to[i]]) {
                join(scratch, n, o->to[i]);
            }
        }
    }
    uint32_t components = 0;
    for (uint32_t n = 0; n < o->nodes; n++) {
        components += o->counts[n] && scratch[n] == n ? 1 : 0;
    }
    return components;
}

void gv_check_apart(const struct gv_overlay *o, uint32_t *scratch, bool *apart)
{
    (void)gv_check_components(o, scratch);
    uint32_t largest = find_largest(o, scratch, scratch + o->nodes);
    for (uint32_t n = 0; n < o->nodes; n++) {
        apart[n] = o->counts[n] && root_of(scratch, n) != largest;
    }
}

const char *gv_check_connected(uint32_t nodes, const bool *apart, const bool *was_apart, uint32_t *node)
{
    for (uint32_t n = 0; n < nodes; n++) {
        if (apart[n] && was_apart[n]) {
            *node = n;
            return gv_check_name("one-component");
        }
    }
    return NULL;
}

const char *gv_check_symmetric(const struct gv_overlay *moments, uint32_t count, uint32_t *node)
{
    for (uint32_t n = 0; n < moments->nodes; n++) {
        for (uint32_t i = moments->first[n]; i < moments->first[n + 1]; i++) {
            bool always = true;
            for (uint32_t m = 0; m < count; m++) {
                always = always && is_one_sided(&moments[m], n, moments->to[i]);
            }
            if (always) {
                *node = n;
                return gv_check_name("symmetric-links");
            }
        }
    }
    return NULL;
}

const char *gv_check_leaves(const struct gv_overlay *active, const bool *left, uint32_t *node)
{
    for (uint32_t n = 0; n < active->nodes; n++) {
        for (uint32_t i = active->first[n]; active->counts[n] && i < active->first[n + 1]; i++) {
            if (active->to[i] < active->nodes && left[active->to[i]]) {
                *node = n;
                return gv_check_name("leaves-honoured");
            }
        }
    }
    return NULL;
}

const char *gv_check_revocations(const struct gv_overlay *overlay, const uint64_t *entries, uint64_t all,
                                 uint32_t *node)
{
    for (uint32_t n = 0; n < overlay->nodes; n++) {
        if (overlay->counts[n] && (entries[n] & all) != all) {
            *node = n;
            return gv_check_name("revocations-everywhere");
        }
    }
    return NULL;
}

const char *gv_check_variance(double begin, double end, double scale)
{
    return end <= FALLEN * begin || end <= ROUNDING * scale ? NULL : gv_check_name("variance-falling");
}
