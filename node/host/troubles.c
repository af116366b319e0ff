/*
 * What went wrong, for `status`: every refusal, cut, drop and alarm under its name, by direction.
 *
 *     refusals           what we refused peers, and exchanges and fetches that failed
 *     refused_by_peers   our greetings that peers refused
 *     declined_by_peers  our offers, fetches and requests for a place that they turned down
 *     dials, dial_failures     whom we tried to reach, and why it came to nothing
 *     shut_out, links_closed, alarm_reasons, drops
 *     lonely             why there is no neighbour, null if there is one
 */
#include "lonely.h"
#include "node.h"

static void set_count(json_t *object, const char *key, uint64_t value)
{
    (void)json_object_set_new(object, key, json_integer((json_int_t)value));
}

/* {"ERR_BUSY": 3, ...}: what has happened at all. */
static void set_reasons(json_t *object, const char *key, const uint64_t counts[GV_REASONS])
{
    static const struct {
        enum gv_err code;
        const char *name;
    } names[] = {
#define NAME(name, code, text) {GV_##name, #name},
        GV_ERR_LIST(NAME)
#undef NAME
    };
    json_t *reasons = json_object();
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        uint32_t index = gv_reason_index(names[i].code);
        if (index < GV_REASONS && counts[index] > 0) {
            set_count(reasons, names[i].name, counts[index]);
        }
    }
    (void)json_object_set_new(object, key, reasons);
}

static void set_dials(json_t *reply, const struct gv_core_stats *core)
{
    static const char *const targets[GV_TARGETS] = {"peers", "book", "seeds"};
    json_t *dials = json_object();
    for (uint32_t i = 0; i < GV_TARGETS; i++) {
        json_t *one = json_object();
        set_count(one, "begun", core->dials[i].begun);
        set_count(one, "failed", core->dials[i].failed);
        set_count(one, "under_way", core->dials[i].under_way);
        (void)json_object_set_new(dials, targets[i], one);
    }
    (void)json_object_set_new(reply, "dials", dials);
    set_reasons(reply, "dial_failures", core->dial_failures);
}

static void set_drops(json_t *reply, const struct gv_node *node, const struct gv_net_stats *net)
{
    struct gv_drops sum = node->drops;
    json_t *drops = json_object();
    gv_drops_add(&sum, &net->drops);
    for (int i = 0; i < GV_DROPS; i++) {
        if (sum.count[i] > 0) {
            set_count(drops, gv_drop_name((enum gv_drop)i), sum.count[i]);
        }
    }
    (void)json_object_set_new(reply, "drops", drops);
}

static void set_came_in(json_t *reply, const struct gv_tally *tally, uint64_t now_us)
{
    json_t *came_in = json_object();
    set_count(came_in, "loopback", tally->came_in[GV_SCOPE_LOOPBACK]);
    set_count(came_in, "private", tally->came_in[GV_SCOPE_PRIVATE]);
    set_count(came_in, "public", tally->came_in[GV_SCOPE_PUBLIC]);
    (void)json_object_set_new(
        came_in, "last_s",
        tally->came_in_us == 0 ? json_null() : json_real((double)gv_elapsed_us(now_us, tally->came_in_us) / 1e6));
    (void)json_object_set_new(reply, "dialled_by", came_in);
}

/* Members that only dial out have none. */
static uint32_t known_addresses(const struct gv_directory *directory)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < gv_directory_count(directory); i++) {
        struct gv_span bytes;
        count += gv_directory_at(directory, i, &bytes)->endpoint_count > 0 ? 1 : 0;
    }
    return count;
}

void gv_node_troubles(const struct gv_node *node, json_t *reply, const struct gv_core_stats *core,
                      const struct gv_net_stats *net)
{
    char why[GV_LONELY_BYTES];
    uint64_t now_us = gv_now_us();
    struct gv_lonely facts = {.core = core,
                              .tally = &node->tally,
                              .addresses = known_addresses(node->directory),
                              .listens = node->config.listen[0] != '\0',
                              .endpoint = node->record.endpoint_count > 0 ? node->record.endpoints[0] : "",
                              .now_us = now_us};
    set_reasons(reply, "refusals", core->refusals);
    set_reasons(reply, "refused_by_peers", node->tally.refused_by_peers);
    set_reasons(reply, "declined_by_peers", core->declined);
    set_dials(reply, core);
    set_reasons(reply, "shut_out", node->tally.shut_out);
    set_reasons(reply, "links_closed", node->tally.closed);
    set_drops(reply, node, net);
    set_count(reply, "alarms", node->alarms);
    set_reasons(reply, "alarm_reasons", node->tally.alarms);
    (void)json_object_set_new(reply, "last_alarm", json_string(node->last_alarm));
    set_came_in(reply, &node->tally, now_us);
    bool lonely = node->started && gv_lonely_why(why, &facts);
    (void)json_object_set_new(reply, "lonely", lonely ? json_string(why) : json_null());
}
