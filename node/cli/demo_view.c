/*
 * What a person sees of the demo: a table that is redrawn in place on a terminal, a line now and then elsewhere, both
 * on standard error; the summary on standard output.
 */
#include "demo.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define BAR_CELLS 20
#define LINE_EVERY_S 3.0

void gv_demo_tell(struct gv_demo *demo, const char *format, ...)
{
    size_t cap = sizeof demo->events / sizeof demo->events[0];
    if (demo->event_count == cap) {
        memmove(&demo->events[0], &demo->events[1], sizeof demo->events[0] * (cap - 1));
        demo->event_count--;
    }
    struct gv_demo_event *event = &demo->events[demo->event_count++];
    event->at_s = gv_demo_now() - demo->start_s;
    va_list args;
    va_start(args, format);
    (void)vsnprintf(event->text, sizeof event->text, format, args);
    va_end(args);
    if (!demo->terminal) {
        (void)fprintf(stderr, "%5.1f s  %s\n", event->at_s, event->text);
    }
}

/* A bar of BAR_CELLS cells for a share of 0..1. */
static void bar(const struct gv_demo *demo, double share, char *out, size_t cap)
{
    int full = share <= 0.0 ? 0 : (int)(share * BAR_CELLS + 0.5);
    out[0] = '\0';
    size_t used = 0;
    for (int i = 0; i < BAR_CELLS && used + 4 < cap; i++) {
        const char *cell = demo->utf8 ? (i < full ? "\u2588" : "\u2591") : (i < full ? "#" : ".");
        used += (size_t)snprintf(out + used, cap - used, "%s", cell);
    }
}

/* "-" for what nobody knows. */
static void percent(double share, char *out, size_t cap)
{
    if (share < 0.0) {
        (void)snprintf(out, cap, "-");
    } else {
        (void)snprintf(out, cap, "%.1f%%", 100.0 * share);
    }
}

static void draw_table(struct gv_demo *demo)
{
    double at = gv_demo_now() - demo->start_s;
    if (demo->lines_drawn > 0) {
        (void)fprintf(stderr, "\033[%uA", demo->lines_drawn);
    }
    uint32_t lines = 0;
    (void)fprintf(stderr, "\033[K%5.1f s   %s on %s\n\033[K\n", at, demo->model, demo->data);
    (void)fprintf(stderr, "\033[K node  id        state       steps   accuracy%*s exchanges  failed\n", BAR_CELLS, "");
    lines += 3;
    for (uint32_t i = 0; i <= demo->node_count; i++) {
        const struct gv_demo_node *node = &demo->nodes[i];
        if (node->phase == GV_DEMO_ABSENT) {
            continue;
        }
        char cells[BAR_CELLS * 4 + 1], accuracy[16];
        bar(demo, node->accuracy, cells, sizeof cells);
        percent(node->accuracy, accuracy, sizeof accuracy);
        (void)fprintf(stderr, "\033[K %4u  %-8s  %-10s %6llu   %s %6s %9llu  %6llu\n", i + 1, node->id, node->state,
                      (unsigned long long)node->steps, cells, accuracy,
                      (unsigned long long)(node->past.exchanges_done + node->now.exchanges_done),
                      (unsigned long long)(node->past.exchanges_failed + node->now.exchanges_failed));
        lines++;
    }
    (void)fprintf(stderr, "\033[K\n");
    lines++;
    uint32_t first = demo->event_count > GV_DEMO_EVENTS_SHOWN ? demo->event_count - GV_DEMO_EVENTS_SHOWN : 0;
    for (uint32_t i = first; i < demo->event_count; i++) {
        (void)fprintf(stderr, "\033[K%5.1f s  %s\n", demo->events[i].at_s, demo->events[i].text);
        lines++;
    }
    demo->lines_drawn = lines;
    (void)fflush(stderr);
}

static void print_line(struct gv_demo *demo)
{
    double at = gv_demo_now() - demo->start_s;
    if (at - demo->last_line_s < LINE_EVERY_S) {
        return;
    }
    demo->last_line_s = at;
    uint32_t alive = 0;
    double low = 2.0, high = -1.0, age = 0.0;
    for (uint32_t i = 0; i <= demo->node_count; i++) {
        const struct gv_demo_node *node = &demo->nodes[i];
        if (node->pid <= 0) {
            continue;
        }
        alive++;
        age = node->age > age ? node->age : age;
        if (node->accuracy >= 0.0) {
            low = node->accuracy < low ? node->accuracy : low;
            high = node->accuracy > high ? node->accuracy : high;
        }
    }
    struct gv_demo_counters sum = gv_demo_totals(demo);
    (void)fprintf(stderr, "%5.1f s  nodes %u  age %.0f of %llu  exchanges %llu", at, alive, age,
                  (unsigned long long)demo->age_end, (unsigned long long)sum.exchanges_done);
    if (high >= 0.0) {
        (void)fprintf(stderr, "  accuracy %.1f to %.1f%%", 100.0 * low, 100.0 * high);
    }
    (void)fputc('\n', stderr);
}

void gv_demo_show(struct gv_demo *demo)
{
    if (demo->terminal) {
        draw_table(demo);
    } else {
        print_line(demo);
    }
}

struct verdict {
    /* Negative: unknown. */
    double worst; /* of the swarm's nodes */
    double best_alone;
    double compute_share; /* mean over the nodes */
    bool all_beat_alone;  /* every node's model is better than every model trained alone */
};

static struct verdict judge(const struct gv_demo *demo)
{
    struct verdict verdict = {.worst = -1.0, .best_alone = -1.0};
    double shares = 0.0;
    uint32_t share_count = 0;
    for (uint32_t i = 0; i <= demo->node_count; i++) {
        const struct gv_demo_node *node = &demo->nodes[i];
        if (node->final_accuracy >= 0.0 && (verdict.worst < 0.0 || node->final_accuracy < verdict.worst)) {
            verdict.worst = node->final_accuracy;
        }
        if (node->alone_accuracy > verdict.best_alone) {
            verdict.best_alone = node->alone_accuracy;
        }
        if (node->compute_share >= 0.0) {
            shares += node->compute_share;
            share_count++;
        }
    }
    verdict.compute_share = share_count > 0 ? shares / share_count : -1.0;
    verdict.all_beat_alone = verdict.best_alone >= 0.0 && verdict.worst > verdict.best_alone;
    return verdict;
}

static void print_text(const struct gv_demo *demo, const struct verdict *verdict)
{
    struct gv_demo_counters sum = gv_demo_totals(demo);
    (void)printf("\n node    steps   in the swarm   alone, same shard and steps\n");
    for (uint32_t i = 0; i <= demo->node_count; i++) {
        const struct gv_demo_node *node = &demo->nodes[i];
        char swarm[16], alone[16];
        if (node->phase == GV_DEMO_ABSENT) {
            continue;
        }
        percent(node->final_accuracy, swarm, sizeof swarm);
        percent(node->alone_accuracy, alone, sizeof alone);
        (void)printf(" %4u  %7llu         %6s                        %6s%s\n", i + 1, (unsigned long long)node->steps,
                     swarm, alone, node->phase == GV_DEMO_KILLED ? "   (killed, stayed away)" : "");
    }
    char worst[16], best_alone[16], central[16];
    percent(verdict->worst, worst, sizeof worst);
    percent(verdict->best_alone, best_alone, sizeof best_alone);
    percent(demo->central_accuracy, central, sizeof central);
    (void)printf("\nworst node %s, best node trained alone %s, one model on all the data with all %llu steps %s\n"
                 "(%zu test samples that no node trained on)\n",
                 worst, best_alone, (unsigned long long)gv_demo_steps(demo), central, demo->test_samples);
    /* Both ends count an exchange. */
    (void)printf("exchanges: %llu done, %llu failed; %.1f MB sent, all of it encrypted\n",
                 (unsigned long long)sum.exchanges_done / 2, (unsigned long long)sum.exchanges_failed,
                 (double)sum.bytes_sent / 1e6);
    if (verdict->compute_share >= 0.0) {
        (void)printf("share of the trainers' time spent computing: %.1f%%\n", 100.0 * verdict->compute_share);
    }
    (void)printf("%s\n", verdict->all_beat_alone
                             ? "Every node of the swarm is better than every node that trained alone."
                             : "The swarm did NOT beat every node that trained alone.");
}

static void set_share(json_t *object, const char *key, double value)
{
    (void)json_object_set_new(object, key, value >= 0.0 ? json_real(value) : json_null());
}

static void print_json(const struct gv_demo *demo, const struct verdict *verdict)
{
    struct gv_demo_counters sum = gv_demo_totals(demo);
    json_t *nodes = json_array();
    for (uint32_t i = 0; i <= demo->node_count; i++) {
        const struct gv_demo_node *node = &demo->nodes[i];
        if (node->phase == GV_DEMO_ABSENT) {
            continue;
        }
        json_t *item = json_pack("{s:i, s:s, s:b, s:I}", "node", (int)i + 1, "id", node->id, "killed",
                                 (int)(node->phase == GV_DEMO_KILLED), "steps", (json_int_t)node->steps);
        set_share(item, "accuracy", node->final_accuracy);
        set_share(item, "accuracy_alone", node->alone_accuracy);
        set_share(item, "compute_share", node->compute_share);
        (void)json_array_append_new(nodes, item);
    }
    json_t *all = json_pack("{s:s, s:s, s:o, s:I, s:I, s:I, s:I, s:I, s:b, s:f}", "data", demo->data, "model",
                            demo->model, "nodes", nodes, "steps", (json_int_t)gv_demo_steps(demo), "exchanges_done",
                            (json_int_t)(sum.exchanges_done / 2), "exchanges_failed", (json_int_t)sum.exchanges_failed,
                            "bytes_sent", (json_int_t)sum.bytes_sent, "test_samples", (json_int_t)demo->test_samples,
                            "beats_alone", (int)verdict->all_beat_alone, "wall_s", gv_demo_now() - demo->start_s);
    set_share(all, "accuracy_worst", verdict->worst);
    set_share(all, "accuracy_best_alone", verdict->best_alone);
    set_share(all, "accuracy_central", demo->central_accuracy);
    set_share(all, "compute_share", verdict->compute_share);
    (void)json_dumpf(all, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(6));
    (void)putchar('\n');
    json_decref(all);
}

bool gv_demo_summary(struct gv_demo *demo)
{
    struct verdict verdict = judge(demo);
    if (demo->json) {
        print_json(demo, &verdict);
    } else {
        print_text(demo, &verdict);
    }
    (void)fflush(stdout);
    return verdict.all_beat_alone;
}
