/*
 * watch EVERY_MS DIR...: asks the nodes on these state DIRs, again and again, and prints a line of CSV for each round,
 * with names and meanings as in the simulator's metrics.csv: over all who answer, as one swarm. It ends with its
 * standard input.
 *
 * DIR whose folder holds a file `gone` counts as dead, whatever it answers: so the test can tell of a host that lives
 * behind a cut.
 */
#include <jansson.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "control.h"

#define NODES_MAX 64
#define TIMEOUT_MS 2000
#define ID_CHARS 64

struct node {
    const char *dir;
    bool live;
    char id[ID_CHARS + 1];
    uint32_t neighbours, component;
    bool active[NODES_MAX]; /* whom it counts as a neighbour */
    double done, failed, refused, doubt, steps;
};

static double wall_s(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static json_t *ask(const char *dir, const char *what)
{
    json_t *request = json_pack("{s:s}", "cmd", what), *reply = NULL;
    if (gv_control_call(dir, request, &reply, TIMEOUT_MS, NULL) != GV_OK) {
        reply = NULL;
    }
    json_decref(request);
    return reply;
}

static double number(const json_t *object, const char *key)
{
    return json_number_value(json_object_get(object, key));
}

static bool gone(const char *dir)
{
    char path[300];
    (void)snprintf(path, sizeof path, "%s/gone", dir);
    return access(path, F_OK) == 0;
}

static void ask_status(struct node *node)
{
    json_t *status = gone(node->dir) ? NULL : ask(node->dir, "status");
    const char *id = json_string_value(json_object_get(status, "node_id"));
    node->live = id != NULL;
    if (node->live) {
        (void)snprintf(node->id, sizeof node->id, "%s", id);
        node->done = number(status, "exchanges_done");
        node->failed = number(status, "exchanges_failed");
        node->refused = number(status, "exchanges_refused");
        node->doubt = number(status, "exchanges_in_doubt");
        node->steps = number(status, "steps");
    }
    json_decref(status);
}

static void ask_peers(struct node *nodes, size_t count, struct node *node)
{
    json_t *reply = node->live ? ask(node->dir, "peers") : NULL;
    const json_t *peers = json_object_get(reply, "peers");
    memset(node->active, 0, sizeof node->active);
    node->neighbours = 0;
    for (size_t i = 0; i < json_array_size(peers); i++) {
        const json_t *peer = json_array_get(peers, i);
        const char *role = json_string_value(json_object_get(peer, "role"));
        const char *id = json_string_value(json_object_get(peer, "node_id"));
        if (role == NULL || id == NULL || strcmp(role, "active") != 0) {
            continue;
        }
        node->neighbours++;
        for (size_t k = 0; k < count; k++) {
            node->active[k] = node->active[k] || strncmp(nodes[k].id, id, ID_CHARS) == 0;
        }
    }
    json_decref(reply);
}

/* Components of the live, joined by a neighbour either way. */
static uint32_t components(struct node *nodes, size_t count)
{
    uint32_t found = 0;
    for (size_t i = 0; i < count; i++) {
        nodes[i].component = (uint32_t)i;
        found += nodes[i].live ? 1 : 0;
    }
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < count; k++) {
            uint32_t from = nodes[k].component, to = nodes[i].component;
            if (!nodes[i].live || !nodes[k].live || !nodes[i].active[k] || from == to) {
                continue;
            }
            found--;
            for (size_t n = 0; n < count; n++) {
                nodes[n].component = nodes[n].component == from ? to : nodes[n].component;
            }
        }
    }
    return found;
}

static void round_of(struct node *nodes, size_t count)
{
    double done = 0, failed = 0, refused = 0, doubt = 0, steps = 0, neighbours = 0;
    uint32_t live = 0, stale = 0;
    double at_s = wall_s();
    for (size_t i = 0; i < count; i++) {
        ask_status(&nodes[i]);
    }
    for (size_t i = 0; i < count; i++) {
        ask_peers(nodes, count, &nodes[i]);
    }
    for (size_t i = 0; i < count; i++) {
        live += nodes[i].live ? 1 : 0;
        done += nodes[i].done; /* what the dead have done stays done */
        failed += nodes[i].failed;
        refused += nodes[i].refused;
        doubt += nodes[i].doubt;
        steps += nodes[i].steps;
        neighbours += nodes[i].live ? nodes[i].neighbours : 0;
        for (size_t k = 0; k < count; k++) {
            stale += nodes[i].live && nodes[i].active[k] && !nodes[k].live && nodes[k].id[0] != '\0' ? 1 : 0;
        }
    }
    /* An exchange has two ends and counts at both. */
    (void)printf("%.3f,%u,%u,%.3f,%u,%.1f,%.0f,%.0f,%.0f,%.1f\n", at_s, live, components(nodes, count),
                 live > 0 ? neighbours / live : 0.0, stale, done / 2, failed, refused, doubt, steps / (double)count);
    (void)fflush(stdout);
}

int main(int argc, char **argv)
{
    static struct node nodes[NODES_MAX];
    size_t count = 0;
    long every_ms = argc > 2 ? strtol(argv[1], NULL, 10) : 0;
    if (every_ms < 10 || argc - 2 > NODES_MAX) {
        (void)fprintf(stderr, "usage: watch EVERY_MS DIR... (10 or more; at most %d)\n", NODES_MAX);
        return 2;
    }
    for (int i = 2; i < argc; i++) {
        nodes[count++].dir = argv[i];
    }
    (void)printf("wall_s,live_nodes,components,peers_active_mean,stale,exchanges_done,exchanges_failed,"
                 "exchanges_refused,exchanges_doubt,steps_mean\n");
    struct pollfd end = {.fd = STDIN_FILENO, .events = POLLIN};
    while (poll(&end, 1, (int)every_ms) == 0) {
        round_of(nodes, count);
    }
    return 0;
}
