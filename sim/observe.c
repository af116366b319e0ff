/*
 * Figures over all nodes, taken in a control: models, the graph of views, traffic. Deterministic apart from wall times
 * and memory.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "world.h"

#define PEERS_MAX 256u        /* of one core: views and links */
#define SPREAD_ELEMENTS 4096u /* of the mean model, per piece of work */
#define STREAM_EVALUATED 0x6576616cu
#define VARIANCE_LEAST 1e-9 /* of the first: below, rounding decides and not averaging */

double gv_sim_seconds(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

uint64_t gv_sim_rss_bytes(void)
{
    unsigned long long pages = 0;
    unsigned long long resident = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    if (file != NULL) {
        if (fscanf(file, "%llu %llu", &pages, &resident) != 2) {
            resident = 0;
        }
        (void)fclose(file);
    }
    return resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

uint64_t gv_sim_peak_rss_bytes(void)
{
    struct rusage usage;
    return getrusage(RUSAGE_SELF, &usage) == 0 ? (uint64_t)usage.ru_maxrss * 1024u : 0;
}

uint64_t gv_sim_trace(const struct gv_sim *sim)
{
    uint64_t trace = 0x6770766eu;
    for (uint32_t i = 0; i < sim->node_count; i++) {
        const struct gv_sim_node *node = &sim->nodes[i];
        trace = gv_sim_mix(trace, node->trace);
        if (sim->learning != NULL && node->live) {
            trace = gv_sim_mix(trace, gv_replica_hash(node->replica));
        }
    }
    return trace;
}

/* ---- models -------------------------------------------------------------------------------------------------- */

struct model_view {
    struct gv_sim *sim;
    const float **vectors; /* (count) of honest nodes with a model */
    uint32_t count;
    uint32_t *evaluated; /* (evaluated_count) indices into vectors */
    uint32_t evaluated_count;
    struct gv_look *looks; /* (evaluated_count) */
    float *mean;           /* (elements) */
    double *spreads;       /* (pieces) */
    uint64_t elements;
};

static void catch_up(void *context, struct gv_thread *thread, uint32_t index)
{
    struct gv_sim *sim = context;
    if (sim->nodes[index].live) {
        gv_sim_catch_up(sim, thread, index);
    }
}

static void spread_piece(void *context, struct gv_thread *thread, uint32_t piece)
{
    struct model_view *view = context;
    uint64_t first = (uint64_t)piece * SPREAD_ELEMENTS;
    uint64_t last = first + SPREAD_ELEMENTS < view->elements ? first + SPREAD_ELEMENTS : view->elements;
    (void)thread;
    view->spreads[piece] = gv_learning_spread(view->vectors, view->count, first, last, view->mean + first);
}

static void evaluate_one(void *context, struct gv_thread *thread, uint32_t index)
{
    struct model_view *view = context;
    struct gv_sim_local *local = gv_sim_local(thread);
    double start = gv_sim_seconds();
    bool mean = index == view->evaluated_count;
    gv_learning_evaluate(view->sim->learning, local->scratch, mean ? view->mean : view->vectors[view->evaluated[index]],
                         &view->looks[index]);
    local->evaluate_s += gv_sim_seconds() - start;
}

static int by_accuracy(const void *a, const void *b)
{
    double x = ((const struct gv_look *)a)->accuracy;
    double y = ((const struct gv_look *)b)->accuracy;
    return x < y ? -1 : (x > y ? 1 : 0);
}

static void summarise_looks(struct gv_sample *sample, struct gv_look *looks, uint32_t count)
{
    double accuracy = 0.0;
    double loss = 0.0;
    for (uint32_t i = 0; i < count; i++) { /* in the nodes' order: qsort() may put equals in any */
        accuracy += looks[i].accuracy;
        loss += looks[i].loss;
    }
    qsort(looks, count, sizeof *looks, by_accuracy);
    sample->accuracy_mean = accuracy / count;
    sample->loss_mean = loss / count;
    sample->accuracy_min = looks[0].accuracy;
    sample->accuracy_max = looks[count - 1].accuracy;
    sample->accuracy_p10 = looks[count / 10].accuracy;
    sample->accuracy_p90 = looks[count - 1 - count / 10].accuracy;
}

/* Over all elements: `squares` is the sum of the squared distances from the mean vector. */
static void look_at_mean(struct gv_sim *sim, const struct model_view *view, double squares)
{
    double sum = 0.0;
    for (uint64_t e = 0; e < view->elements; e++) {
        sum += (double)view->mean[e];
    }
    sim->sample.mean = sum / (double)view->elements;
    sim->sample.variance = view->count > 1 ? squares / (view->count - 1.0) / (double)view->elements : 0.0;
}

/* One of each stretch of nodes, at random: every n-th would be all or none of those that a share of the nodes is
   (stragglers, say), which are evenly spread too. The same ones each time, as long as there are as many. */
static void choose_evaluated(const struct gv_sim *sim, struct model_view *view)
{
    struct gv_random random;
    gv_random_seed(&random, sim->seed, STREAM_EVALUATED);
    for (uint32_t i = 0; i < view->evaluated_count; i++) {
        uint32_t from = (uint32_t)((uint64_t)i * view->count / view->evaluated_count);
        uint32_t until = (uint32_t)((uint64_t)(i + 1) * view->count / view->evaluated_count);
        view->evaluated[i] = from + gv_random_below(&random, until - from);
    }
}

static void evaluate(struct gv_sim *sim, struct gv_thread *thread, struct model_view *view)
{
    uint32_t wanted = sim->scenario->learning.evaluate_nodes;
    view->evaluated_count = wanted == 0 || wanted > view->count ? view->count : wanted;
    choose_evaluated(sim, view);
    sim->sample.evaluated_nodes = view->evaluated_count;
    gv_engine_each(thread, view->evaluated_count + 1, evaluate_one, view);
    sim->sample.accuracy_of_mean_model = view->looks[view->evaluated_count].accuracy;
    summarise_looks(&sim->sample, view->looks, view->evaluated_count);
}

static void collect_vectors(const struct gv_sim *sim, struct model_view *view)
{
    uint64_t steps = 0;
    double age = 0.0;
    for (uint32_t i = 0; i < sim->node_count; i++) {
        const struct gv_sim_node *node = &sim->nodes[i];
        if (node->live && node->has_model && !node->hostile && !node->copied) {
            view->vectors[view->count++] = gv_replica_parameters(node->replica);
            steps += node->steps;
            age += (double)node->age_q16 / 65536.0;
        }
    }
    if (view->count > 0) {
        view->sim->sample.steps_mean = (double)steps / view->count;
        view->sim->sample.age_mean = age / view->count;
    }
}

static void observe_models(struct gv_sim *sim, struct gv_thread *thread)
{
    struct model_view view = {.sim = sim, .elements = gv_learning_parameters(sim->learning)};
    uint32_t pieces = (uint32_t)((view.elements + SPREAD_ELEMENTS - 1) / SPREAD_ELEMENTS);
    view.vectors = calloc(sim->node_count + 1, sizeof *view.vectors);
    view.evaluated = calloc(sim->node_count + 1, sizeof *view.evaluated);
    view.looks = calloc(sim->node_count + 1, sizeof *view.looks);
    view.mean = calloc(view.elements, sizeof *view.mean);
    view.spreads = calloc(pieces, sizeof *view.spreads);
    bool memory = view.vectors != NULL && view.evaluated != NULL && view.looks != NULL && view.mean != NULL &&
                  view.spreads != NULL;
    if (memory) {
        gv_sim_catch_up_all(sim, thread);
        collect_vectors(sim, &view);
    }
    if (view.count > 0) {
        double squares = 0.0;
        gv_engine_each(thread, pieces, spread_piece, &view);
        for (uint32_t i = 0; i < pieces; i++) {
            squares += view.spreads[i];
        }
        sim->sample.consensus_distance = sqrt(squares / view.count);
        if (sim->scenario->swarm.mode == GV_MODE_TRAIN) {
            evaluate(sim, thread, &view);
        } else {
            look_at_mean(sim, &view, squares);
        }
    }
    free(view.vectors);
    free(view.evaluated);
    free(view.looks);
    free(view.mean);
    free(view.spreads);
}

void gv_sim_catch_up_all(struct gv_sim *sim, struct gv_thread *thread)
{
    gv_engine_each(thread, sim->node_count, catch_up, sim);
}

/* ---- the graph ------------------------------------------------------------------------------------------------- */

struct graph {
    struct gv_sim *sim;
    uint32_t *peers;  /* (node_count, PEERS_KEPT): active ones first */
    uint16_t *active; /* (node_count) */
    uint16_t *known;  /* (node_count) */
    uint32_t width;
};

static void collect_peers(void *context, struct gv_thread *thread, uint32_t index)
{
    struct graph *graph = context;
    struct gv_sim *sim = graph->sim;
    struct gv_peer_info peers[PEERS_MAX];
    (void)thread;
    if (!sim->nodes[index].live) {
        return;
    }
    uint32_t count = gv_core_peers(sim->nodes[index].core, peers, PEERS_MAX);
    count = count < PEERS_MAX ? count : PEERS_MAX;
    uint32_t *row = graph->peers + (size_t)index * graph->width;
    uint32_t used = 0;
    for (uint32_t pass = 0; pass < 2; pass++) {
        enum gv_peer_role role = pass == 0 ? GV_PEER_ACTIVE : GV_PEER_PASSIVE;
        for (uint32_t i = 0; i < count && used < graph->width; i++) {
            uint32_t peer =
                peers[i].role == role ? gv_identities_find(sim->identities, &peers[i].ref.id) : GV_NODE_NONE;
            if (peer < sim->node_count) {
                row[used++] = peer;
            }
        }
        if (pass == 0) {
            graph->active[index] = (uint16_t)used;
        }
    }
    graph->known[index] = (uint16_t)used;
}

static uint32_t root_of(uint32_t *parent, uint32_t node)
{
    while (parent[node] != node) {
        parent[node] = parent[parent[node]];
        node = parent[node];
    }
    return node;
}

static void count_components(struct gv_sim *sim, const struct graph *graph, uint32_t *parent, uint32_t *size)
{
    for (uint32_t i = 0; i < sim->node_count; i++) {
        parent[i] = i;
        size[i] = 0;
    }
    for (uint32_t i = 0; i < sim->node_count; i++) {
        const uint32_t *row = graph->peers + (size_t)i * graph->width;
        for (uint32_t k = 0; k < graph->active[i] && !sim->nodes[i].copy; k++) {
            if (sim->nodes[row[k]].live) {
                parent[root_of(parent, i)] = root_of(parent, row[k]);
            }
        }
    }
    sim->sample.components = 0;
    sim->sample.largest_component = 0;
    for (uint32_t i = 0; i < sim->node_count; i++) {
        if (gv_sim_is_held(&sim->nodes[i])) {
            uint32_t members = ++size[root_of(parent, i)];
            sim->sample.components += members == 1 ? 1 : 0;
            sim->sample.largest_component =
                members > sim->sample.largest_component ? members : sim->sample.largest_component;
        }
    }
}

static void count_degrees(struct gv_sim *sim, const struct graph *graph, uint32_t *degree)
{
    double sum = 0.0;
    double squares = 0.0;
    double active = 0.0;
    uint32_t live = 0;
    memset(degree, 0, sim->node_count * sizeof *degree);
    for (uint32_t i = 0; i < sim->node_count; i++) {
        const uint32_t *row = graph->peers + (size_t)i * graph->width;
        for (uint32_t k = 0; k < graph->known[i]; k++) {
            degree[row[k]]++;
        }
    }
    for (uint32_t i = 0; i < sim->node_count; i++) {
        if (sim->nodes[i].live) {
            live++;
            sum += degree[i];
            squares += (double)degree[i] * degree[i];
            active += graph->active[i];
        }
    }
    if (live > 0) {
        double mean = sum / live;
        sim->sample.in_degree_mean = mean;
        sim->sample.in_degree_deviation = sqrt(squares / live - mean * mean > 0.0 ? squares / live - mean * mean : 0.0);
        sim->sample.in_degree_random_deviation = gv_choice_random_deviation(mean, live);
        sim->sample.peers_active_mean = active / live;
    }
}

static void observe_graph(struct gv_sim *sim, struct gv_thread *thread, uint64_t now_us)
{
    struct graph graph = {.sim = sim, .width = sim->scenario->views.passive_max + sim->scenario->views.active_max};
    size_t count = sim->node_count;
    graph.peers = calloc(count * graph.width + 1, sizeof *graph.peers);
    graph.active = calloc(count + 1, sizeof *graph.active);
    graph.known = calloc(count + 1, sizeof *graph.known);
    uint32_t *parent = calloc(count + 1, sizeof *parent);
    uint32_t *size = calloc(count + 1, sizeof *size);
    if (graph.peers != NULL && graph.active != NULL && graph.known != NULL && parent != NULL && size != NULL) {
        gv_engine_each(thread, sim->node_count, collect_peers, &graph);
        count_components(sim, &graph, parent, size);
        count_degrees(sim, &graph, size);
        const struct gv_view_table views = {
            .peers = graph.peers, .active = graph.active, .known = graph.known, .width = graph.width};
        gv_vitals_graph(sim, &views, now_us);
    }
    free(graph.peers);
    free(graph.active);
    free(graph.known);
    free(parent);
    free(size);
}

/* ---- counts ------------------------------------------------------------------------------------------------------ */

/* How evenly members were chosen that were there all the time, and how soon newcomers are. */
static void observe_choice(struct gv_sim *sim, uint64_t now_us)
{
    struct gv_sample *s = &sim->sample;
    struct gv_choice_sums sums = {0};
    struct gv_choice_ages ages = {0};
    s->newcomers = 0;
    for (uint32_t i = 0; i < sim->threads; i++) {
        gv_choice_merge(&ages, &sim->locals[i].newcomers);
    }
    for (uint32_t i = 0; i < sim->node_count; i++) {
        const struct gv_sim_node *node = &sim->nodes[i];
        if (gv_sim_is_newcomer(sim, node)) {
            s->newcomers++;
            gv_choice_exposed(&ages, node->live ? now_us - node->since_us : 0);
        } else if (node->live && node->since_us <= sim->choice_from_us && !node->copied) {
            gv_choice_add(&sums, node->chosen);
        }
    }
    s->choice = gv_choice_compare(&sums);
    double span_s = now_us > sim->choice_from_us ? (double)(now_us - sim->choice_from_us) / 1e6 : 0.0;
    double rate = sums.nodes > 0 && span_s > 0.0 ? (double)sums.count / (double)sums.nodes / span_s : 0.0;
    s->newcomer_s = gv_choice_newcomers(sim->newcomer_rates, &ages, rate);
}

static bool has_neighbour(const struct gv_sim_node *node)
{
    struct gv_core_stats stats;
    gv_core_stats(node->core, &stats);
    return stats.peers_active > 0;
}

static void observe_counts(struct gv_sim *sim)
{
    struct gv_sample *s = &sim->sample;
    struct gv_fault_counts faults = gv_faults_counts(sim->faults);
    s->exchanges_done = s->exchanges_failed = s->exchanges_refused = s->exchanges_doubt = 0;
    s->messages = s->bytes = s->bytes_state = s->models = s->alarms = s->invariants_checked = 0;
    for (uint32_t i = 0; i < sim->threads; i++) {
        const struct gv_sim_local *local = &sim->locals[i];
        s->exchanges_done += local->exchanges_done;
        s->exchanges_failed += local->exchanges_failed;
        s->exchanges_refused += local->exchanges_refused;
        s->exchanges_doubt += local->exchanges_doubt;
        s->messages += local->messages;
        s->bytes += local->bytes;
        s->bytes_state += local->bytes_state;
        s->models += local->models;
        s->alarms += local->alarms;
        s->invariants_checked += local->checked;
    }
    s->arrivals = faults.arrivals;
    s->departures = faults.departures;
    s->crashes = faults.crashes;
    s->restarts = faults.restarts;
    s->events = gv_engine_events(sim->engine);
    s->nodes = sim->node_count;
    s->live_nodes = s->serving_nodes = 0;
    for (uint32_t i = 0; i < sim->node_count; i++) {
        const struct gv_sim_node *node = &sim->nodes[i];
        s->live_nodes += node->live ? 1 : 0;
        s->serving_nodes += node->live && node->has_model && has_neighbour(node) ? 1 : 0;
    }
}

void gv_sim_observe(struct gv_sim *sim, struct gv_thread *thread, uint64_t now_us, bool last)
{
    struct gv_sample *s = &sim->sample;
    s->virtual_s = (double)now_us / 1e6;
    s->rss_bytes = gv_sim_rss_bytes();
    observe_counts(sim);
    s->wall_s = gv_sim_seconds() - sim->started_s;
    if (sim->run->quiet && !last) {
        return;
    }
    const double none = (double)NAN; /* until something is looked at */
    s->evaluated_nodes = 0;
    s->accuracy_mean = s->accuracy_min = s->accuracy_max = s->accuracy_p10 = s->accuracy_p90 = none;
    s->accuracy_of_mean_model = s->loss_mean = s->consensus_distance = s->variance = s->mean = none;
    s->steps_mean = s->age_mean = s->peers_active_mean = none;
    s->in_degree_mean = s->in_degree_deviation = s->in_degree_random_deviation = none;
    observe_choice(sim, now_us);
    if (sim->learning != NULL) {
        observe_models(sim, thread);
    }
    if (sim->scenario->swarm.peers == GV_PEERS_OWN) {
        observe_graph(sim, thread, now_us);
    }
    if (!sim->first_taken && sim->scenario->swarm.mode == GV_MODE_MEAN) {
        sim->first_taken = true;
        sim->first_variance = s->variance;
        sim->first_mean = s->mean;
        sim->first_us = sim->factor_us = now_us;
        sim->factor_variance = s->variance;
    } else if (s->variance > VARIANCE_LEAST * sim->first_variance) {
        sim->factor_us = now_us;
        sim->factor_variance = s->variance;
    }
    s->wall_s = gv_sim_seconds() - sim->started_s;
    if (last && now_us >= sim->scenario->swarm.duration_us && sim->faults_ended_us > 0 && !sim->violation.found) {
        uint32_t node = GV_NODE_NONE;
        const char *broken = gv_sim_check_liveness(sim, &node);
        if (broken != NULL) {
            thread->now_us = now_us;
            gv_sim_violate(sim, thread, node, broken);
        }
    }
}
