/*
 * The simulator's learning: shards, rounds, replicas, checkpoints, and looking at models.
 */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "learn_help.h"
#include "learning_state.h"
#include "merge.h"
#include "random.h"

#define GLYPHS "builtin:glyphs,train=203,test=60"

static void scenario_of(struct gv_scenario *scenario, const char *text)
{
    struct gv_diag diag = {0};
    gv_scenario_defaults(scenario);
    cr_assert_eq(gv_scenario_parse(scenario, text, "test.ini", &diag), GV_OK, "%s", diag.text);
    cr_assert_eq(gv_scenario_check(scenario, &diag), GV_OK, "%s", diag.text);
}

static struct gv_learning *learning_of(const struct gv_scenario *scenario, uint64_t seed)
{
    struct gv_learning *learning = NULL;
    struct gv_diag diag = {0};
    cr_assert_eq(gv_learning_new(&learning, scenario, seed, &diag), GV_OK, "%s", diag.text);
    return learning;
}

static struct gv_replica *replica_of(const struct gv_learning *learning, uint32_t node)
{
    struct gv_replica *replica = NULL;
    cr_assert_eq(gv_replica_new(&replica, learning, node), GV_OK);
    return replica;
}

static void train_scenario(struct gv_scenario *scenario, const char *more)
{
    char text[1024];
    (void)snprintf(
        text, sizeof text,
        "[swarm]\nnodes = 7\n[learning]\ndata = " GLYPHS "\nmodel = softmax:784-10\nrate = 0.1\nbatch = 8\n%s", more);
    scenario_of(scenario, text);
}

static void mean_scenario(struct gv_scenario *scenario, uint32_t elements)
{
    char text[256];
    (void)snprintf(text, sizeof text, "[swarm]\nnodes = 7\nmode = mean\nelements = %u\n", elements);
    scenario_of(scenario, text);
}

/* ---- shards ------------------------------------------------------------------------------------------------ */

static void expect_partition(const char *more)
{
    struct gv_scenario scenario;
    train_scenario(&scenario, more);
    struct gv_learning *learning = learning_of(&scenario, 3);
    uint32_t seen[203] = {0};
    cr_assert_eq(learning->shards, 7);
    cr_assert_eq(learning->first[0], 0);
    cr_assert_eq(learning->first[7], 203);
    for (uint32_t shard = 0; shard < 7; shard++) {
        cr_assert_lt(learning->first[shard], learning->first[shard + 1], "shard %u of \"%s\" is empty", shard, more);
    }
    for (uint32_t i = 0; i < 203; i++) {
        cr_assert_lt(learning->rows[i], 203);
        seen[learning->rows[i]]++;
    }
    for (uint32_t i = 0; i < 203; i++) {
        cr_assert_eq(seen[i], 1, "row %u is in %u shards", i, seen[i]);
    }
    gv_learning_free(&learning);
}

/* The mean loss of some steps. */
static double train(struct gv_replica *replica, struct gv_learning_scratch *scratch, uint32_t steps, double age)
{
    double sum = 0.0;
    gv_replica_train(replica, scratch, steps, age, &sum);
    return sum / steps;
}

Test(learning, shards_cover_every_row_once)
{
    expect_partition("");
    expect_partition("partition = dirichlet:0.5\n");
    expect_partition("partition = classes:2\n");
}

Test(learning, shards_are_those_of_the_daemon)
{
    struct gv_scenario scenario;
    train_scenario(&scenario, "partition = dirichlet:0.5\n");
    struct gv_learning *learning = learning_of(&scenario, 11);
    uint32_t owner[203];
    struct gv_diag diag = {0};
    cr_assert_eq(gv_data_partition(owner, &learning->data, "dirichlet:0.5", 7, 11, &diag), GV_OK, "%s", diag.text);
    for (uint32_t shard = 0; shard < 7; shard++) {
        for (uint32_t i = learning->first[shard]; i < learning->first[shard + 1]; i++) {
            cr_assert_eq(owner[learning->rows[i]], shard);
            cr_assert(i == learning->first[shard] || learning->rows[i - 1] < learning->rows[i]);
        }
    }
    gv_learning_free(&learning);
}

Test(learning, features_are_scaled_as_the_scenario_says)
{
    struct gv_scenario scenario;
    struct gv_diag diag = {.text = ""};
    train_scenario(&scenario, "");
    struct gv_learning *learning = learning_of(&scenario, 3);
    cr_expect_eq(learning->data.scaling, GV_SCALING_UNIT, "images");
    gv_learning_free(&learning);
    train_scenario(&scenario, "scaling = none\n");
    learning = learning_of(&scenario, 3);
    cr_expect_eq(learning->data.scaling, GV_SCALING_NONE);
    float x[784];
    uint16_t label;
    uint32_t row = 0;
    gv_data_gather(&learning->data, &learning->data.train, &row, 1, x, &label);
    for (size_t i = 0; i < 784; i++) {
        cr_assert(x[i] >= 0 && x[i] <= 1, "pixel %zu is %g", i, (double)x[i]);
    }
    gv_learning_free(&learning);
    train_scenario(&scenario, "scaling = standard\n");
    cr_expect_eq(gv_learning_new(&learning, &scenario, 3, &diag), GV_ERR_DATA);
    cr_expect_not_null(strstr(diag.text, "tables"), "%s", diag.text);
}

/* ---- rounds ------------------------------------------------------------------------------------------------ */

Test(learning, a_round_is_local_steps_of_full_batches)
{
    struct gv_scenario scenario;
    train_scenario(&scenario, "local_steps = 5\n");
    struct gv_learning *learning = learning_of(&scenario, 1);
    struct gv_core_manifest manifest = {0};
    gv_learning_manifest(learning, &manifest);
    cr_assert_eq(manifest.local_steps, 5);
    for (uint32_t node = 0; node < 9; node++) {
        cr_assert_eq(gv_learning_round_steps(learning, node), 5);
        cr_assert_eq(gv_learning_round_samples(learning, node), 40);
    }
    gv_learning_free(&learning);
}

Test(learning, a_round_of_epochs_is_passes_over_the_nodes_rows)
{
    struct gv_scenario scenario;
    train_scenario(&scenario, "epochs = 2\ntrain_on = merge\npartition = dirichlet:0.5\n");
    struct gv_learning *learning = learning_of(&scenario, 1);
    for (uint32_t node = 0; node < 9; node++) { /* nodes 7 and 8 have the rows of 0 and 1 */
        uint32_t rows = learning->first[node % 7 + 1] - learning->first[node % 7];
        cr_assert_eq(gv_learning_round_samples(learning, node), 2 * rows);
        cr_assert_eq(gv_learning_round_steps(learning, node), 2 * ((rows + 7) / 8));
    }
    gv_learning_free(&learning);
}

Test(learning, a_node_takes_no_more_rows_than_it_may)
{
    struct gv_scenario scenario;
    train_scenario(&scenario, "epochs = 1\ntrain_on = merge\nsamples_per_node = 6\n");
    struct gv_learning *learning = learning_of(&scenario, 1);
    struct gv_replica *replica = replica_of(learning, 4);
    cr_assert_eq(gv_learning_round_samples(learning, 4), 6);
    cr_assert_eq(gv_learning_round_steps(learning, 4), 1);
    cr_assert_eq(gv_learner_samples(replica->learner), 6);
    gv_replica_free(&replica);
    gv_learning_free(&learning);
}

Test(learning, averaging_does_not_train)
{
    struct gv_scenario scenario;
    mean_scenario(&scenario, 4);
    struct gv_learning *learning = learning_of(&scenario, 1);
    struct gv_learning_scratch *scratch = NULL;
    struct gv_replica *replica = replica_of(learning, 0);
    cr_assert_eq(gv_learning_scratch_new(&scratch, learning), GV_OK);
    uint64_t before = gv_replica_hash(replica);
    cr_assert_eq(gv_learning_round_samples(learning, 0), 0);
    cr_assert(isnan(train(replica, scratch, 3, 0.0)));
    cr_assert_eq(gv_replica_hash(replica), before);
    gv_learning_scratch_free(&scratch);
    gv_replica_free(&replica);
    gv_learning_free(&learning);
}

/* ---- replicas ------------------------------------------------------------------------------------------------ */

Test(learning, all_nodes_start_from_the_same_model)
{
    struct gv_scenario scenario;
    train_scenario(&scenario, "");
    struct gv_learning *learning = learning_of(&scenario, 1);
    struct gv_learning *other = learning_of(&scenario, 2); /* another run of the same scenario: the same model */
    struct gv_replica *first = replica_of(learning, 0);
    size_t bytes = gv_learning_parameters(learning) * sizeof(float);
    float *expected = malloc(bytes);
    cr_assert_not_null(expected);
    gv_model_init(learning->model, expected, scenario.learning.training.seed);
    cr_assert_arr_eq(gv_replica_parameters(first), expected, bytes);
    for (uint32_t node = 1; node < 7; node++) {
        struct gv_replica *replica = replica_of(node % 2 == 0 ? learning : other, node);
        cr_assert_arr_eq(gv_replica_parameters(replica), gv_replica_parameters(first), bytes);
        cr_assert_eq(gv_replica_hash(replica), gv_replica_hash(first));
        gv_replica_free(&replica);
    }
    free(expected);
    gv_replica_free(&first);
    gv_learning_free(&other);
    gv_learning_free(&learning);
}

Test(learning, nodes_train_on_rows_of_their_own_in_an_order_of_their_own)
{
    struct gv_scenario scenario;
    train_scenario(&scenario, "");
    struct gv_learning *learning = learning_of(&scenario, 1);
    struct gv_learning_scratch *scratch = NULL;
    uint64_t hashes[8];
    cr_assert_eq(gv_learning_scratch_new(&scratch, learning), GV_OK);
    for (uint32_t node = 0; node < 8; node++) { /* node 7 has the rows of node 0 */
        struct gv_replica *replica = replica_of(learning, node);
        struct gv_replica *again = replica_of(learning, node);
        double loss = train(replica, scratch, 2, 0.0);
        cr_assert(isfinite(loss) && loss > 0.0);
        double same = train(again, scratch, 2, 0.0);
        cr_assert_float_eq(same, loss, 0.0);
        hashes[node] = gv_replica_hash(replica);
        cr_assert_eq(gv_replica_hash(again), hashes[node]);
        for (uint32_t k = 0; k < node; k++) {
            cr_assert_neq(hashes[k], hashes[node], "nodes %u and %u trained alike", k, node);
        }
        gv_replica_free(&again);
        gv_replica_free(&replica);
    }
    gv_learning_scratch_free(&scratch);
    gv_learning_free(&learning);
}

Test(learning, a_vector_is_normal_deviates_of_seed_and_node)
{
    enum { ELEMENTS = 20000 };
    struct gv_scenario scenario;
    mean_scenario(&scenario, ELEMENTS);
    struct gv_learning *learning = learning_of(&scenario, 5);
    struct gv_learning *other = learning_of(&scenario, 6);
    uint64_t first = 0;
    for (uint32_t node = 0; node < 3; node++) {
        struct gv_replica *replica = replica_of(learning, node);
        struct gv_replica *again = replica_of(learning, node);
        struct gv_replica *elsewhere = replica_of(other, node);
        const float *x = gv_replica_parameters(replica);
        double sum = 0.0, squares = 0.0, fourth = 0.0;
        for (int i = 0; i < ELEMENTS; i++) {
            double square = (double)x[i] * (double)x[i];
            sum += (double)x[i];
            squares += square;
            fourth += square * square;
        }
        /* Six deviations of each estimate: 1, sqrt(2), sqrt(96) over sqrt(n). */
        double unit = 6.0 / sqrt(ELEMENTS);
        cr_assert_lt(fabs(sum / ELEMENTS), unit);
        cr_assert_lt(fabs(squares / ELEMENTS - 1.0), sqrt(2.0) * unit);
        cr_assert_lt(fabs(fourth / ELEMENTS - 3.0), sqrt(96.0) * unit);
        cr_assert_eq(gv_replica_hash(again), gv_replica_hash(replica));
        cr_assert_neq(gv_replica_hash(elsewhere), gv_replica_hash(replica));
        cr_assert(node == 0 || gv_replica_hash(replica) != first);
        first = node == 0 ? gv_replica_hash(replica) : first;
        gv_replica_free(&elsewhere);
        gv_replica_free(&again);
        gv_replica_free(&replica);
    }
    gv_learning_free(&other);
    gv_learning_free(&learning);
}

Test(learning, the_hash_sees_every_bit_of_what_is_exchanged)
{
    struct gv_scenario scenario;
    train_scenario(&scenario, "momentum = 0.9\nexchange_momentum = yes\n");
    struct gv_learning *learning = learning_of(&scenario, 1);
    struct gv_replica *replica = replica_of(learning, 0);
    uint64_t parameters = gv_learning_parameters(learning);
    const uint64_t places[] = {0, 1, parameters - 1, parameters, 2 * parameters - 1};
    uint64_t before = gv_replica_hash(replica);
    cr_assert_eq(learning->block_count, 2);
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        float kept = replica->vector[places[i]];
        uint32_t bits;
        memcpy(&bits, &kept, sizeof bits);
        bits ^= 1U;
        memcpy(&replica->vector[places[i]], &bits, sizeof bits);
        cr_assert_neq(gv_replica_hash(replica), before, "element %llu", (unsigned long long)places[i]);
        replica->vector[places[i]] = kept;
        cr_assert_eq(gv_replica_hash(replica), before);
    }
    gv_replica_free(&replica);
    gv_learning_free(&learning);
}

Test(learning, a_checkpoint_is_what_a_restart_goes_back_to)
{
    struct gv_scenario scenario;
    train_scenario(&scenario, "momentum = 0.9\n");
    struct gv_learning *learning = learning_of(&scenario, 1);
    struct gv_learning_scratch *scratch = NULL;
    struct gv_replica *replica = replica_of(learning, 2);
    size_t count = gv_learning_parameters(learning);
    cr_assert_eq(gv_learning_scratch_new(&scratch, learning), GV_OK);
    uint64_t initial = gv_replica_hash(replica);
    (void)train(replica, scratch, 3, 0.0);
    cr_assert_not(gv_replica_restore(replica), "there is no checkpoint yet");
    cr_assert_eq(gv_replica_hash(replica), initial);
    (void)train(replica, scratch, 3, 0.0);
    cr_assert_eq(gv_replica_checkpoint(replica), GV_OK);
    uint64_t kept = gv_replica_hash(replica);
    (void)train(replica, scratch, 3, 3.0);
    cr_assert_neq(gv_replica_hash(replica), kept);
    cr_assert(gv_replica_restore(replica));
    cr_assert_eq(gv_replica_hash(replica), kept);
    const float *velocity = gv_learner_velocity(replica->learner);
    for (size_t i = 0; i < count; i++) {
        cr_assert(velocity[i] == 0.0F, "velocity %zu", i);
    }
    cr_assert(gv_replica_restore(replica), "a checkpoint can be gone back to again");
    gv_learning_scratch_free(&scratch);
    gv_replica_free(&replica);
    gv_learning_free(&learning);
}

/* ---- looking at models ----------------------------------------------------------------------------------------- */

Test(learning, an_evaluation_is_that_of_the_test_samples)
{
    struct gv_scenario scenario;
    train_scenario(&scenario, "evaluate_samples = 0\n");
    struct gv_learning *learning = learning_of(&scenario, 1);
    struct gv_learning_scratch *scratch = NULL;
    struct gv_replica *replica = replica_of(learning, 0);
    struct gv_evaluation expected;
    struct gv_look look;
    cr_assert_eq(gv_learning_scratch_new(&scratch, learning), GV_OK);
    (void)train(replica, scratch, 20, 0.0);
    gv_learning_evaluate(learning, scratch, gv_replica_parameters(replica), &look);
    cr_assert_eq(gv_evaluate(&expected, scratch->scratch, gv_replica_parameters(replica), &learning->data,
                             &learning->data.test, NULL),
                 GV_OK);
    cr_assert_eq(expected.samples, 60);
    cr_assert_float_eq(look.accuracy, expected.accuracy, 0.0);
    cr_assert_float_eq(look.loss, expected.loss, 0.0);
    cr_assert_gt(look.accuracy, 0.2, "twenty steps teach it something: %g", look.accuracy);
    gv_learning_scratch_free(&scratch);
    gv_replica_free(&replica);
    gv_learning_free(&learning);
}

Test(learning, an_evaluation_of_a_part_knows_all_classes)
{
    struct gv_scenario scenario;
    scenario_of(&scenario, "[swarm]\nnodes = 7\n[learning]\ndata = builtin:glyphs,train=203,test=400\n"
                           "model = softmax:784-10\nevaluate_samples = 200\n");
    struct gv_learning *learning = learning_of(&scenario, 1);
    const struct gv_samples *test = &learning->data.test;
    uint32_t seen[10] = {0};
    cr_assert_eq(learning->part.count, 200);
    for (size_t i = 0; i < learning->part.count; i++) {
        size_t row = learning->part.first + i * learning->part.step;
        cr_assert_lt(row, test->count);
        seen[test->labels[row]]++;
    }
    for (uint32_t class = 0; class < 10; class ++) {
        cr_expect(seen[class] > 5 && seen[class] < 35, "%u of 200 rows are of class %u", seen[class], class);
    }
    gv_learning_free(&learning);
}

Test(learning, an_evaluation_may_look_at_a_part_of_the_test_samples)
{
    struct gv_scenario scenario;
    train_scenario(&scenario, "evaluate_samples = 20\n");
    struct gv_learning *learning = learning_of(&scenario, 1);
    struct gv_learning_scratch *scratch = NULL;
    struct gv_replica *replica = replica_of(learning, 0);
    const struct gv_part part = {.first = 0, .step = 1, .count = 20};
    struct gv_evaluation expected;
    struct gv_look look;
    cr_assert_eq(gv_learning_scratch_new(&scratch, learning), GV_OK);
    gv_learning_evaluate(learning, scratch, gv_replica_parameters(replica), &look);
    cr_assert_eq(gv_evaluate(&expected, scratch->scratch, gv_replica_parameters(replica), &learning->data,
                             &learning->data.test, &part),
                 GV_OK);
    cr_assert_eq(expected.samples, 20);
    cr_assert_float_eq(look.accuracy, expected.accuracy, 0.0);
    cr_assert_float_eq(look.loss, expected.loss, 0.0);
    gv_learning_scratch_free(&scratch);
    gv_replica_free(&replica);
    gv_learning_free(&learning);
}

Test(learning, the_spread_is_the_sum_of_squares_around_the_mean)
{
    enum { VECTORS = 5, ELEMENTS = 1000 };
    static float values[VECTORS][ELEMENTS];
    static float mean[ELEMENTS];
    const float *vectors[VECTORS];
    struct gv_random random;
    gv_random_seed(&random, help_seed(), 0);
    for (int v = 0; v < VECTORS; v++) {
        vectors[v] = values[v];
        for (int i = 0; i < ELEMENTS; i++) {
            values[v][i] = (float)(gv_random_normal(&random) + v);
        }
    }
    const uint64_t ranges[][2] = {{0, ELEMENTS}, {0, 1}, {7, 263}, {255, 257}, {300, 1000}, {5, 5}};
    for (size_t r = 0; r < sizeof ranges / sizeof ranges[0]; r++) {
        uint64_t first = ranges[r][0], last = ranges[r][1];
        double naive = 0.0;
        double squares = gv_learning_spread(vectors, VECTORS, first, last, mean);
        for (uint64_t e = first; e < last; e++) {
            double sum = 0.0;
            for (int v = 0; v < VECTORS; v++) {
                sum += (double)values[v][e];
            }
            cr_assert_float_eq(mean[e - first], (float)(sum / VECTORS), 0.0F);
            for (int v = 0; v < VECTORS; v++) {
                double d = (double)values[v][e] - sum / VECTORS;
                naive += d * d;
            }
        }
        cr_assert_leq(fabs(squares - naive), 1e-12 * naive, "range %zu: %.17g, expected %.17g", r, squares, naive);
    }
}

Test(learning, equal_vectors_have_no_spread)
{
    float vector[600];
    float mean[600];
    for (int i = 0; i < 600; i++) {
        vector[i] = 0.1F * (float)i;
    }
    const float *const vectors[] = {vector, vector, vector, vector};
    cr_assert_float_eq(gv_learning_spread(vectors, 4, 0, 600, mean), 0.0, 0.0);
    cr_assert_arr_eq(mean, vector, sizeof vector);
}

/* ---- errors -------------------------------------------------------------------------------------------------- */

static void refused(const char *text, const char *part)
{
    struct gv_scenario scenario;
    struct gv_learning *learning = NULL;
    struct gv_diag diag = {0};
    scenario_of(&scenario, text);
    cr_assert_neq(gv_learning_new(&learning, &scenario, 1, &diag), GV_OK, "%s", text);
    cr_assert_null(learning);
    cr_assert_not_null(strstr(diag.text, part), "\"%s\" lacks \"%s\"", diag.text, part);
}

Test(learning, refuses_data_that_the_model_does_not_fit_or_that_is_not_there)
{
    refused("[learning]\ndata = " GLYPHS "\nmodel = softmax:10-10\n", "784 features");
    refused("[learning]\ndata = " GLYPHS "\nmodel = softmax:784-3\n", "10 classes");
    refused("[learning]\ndata = csv:nowhere/absent.csv\nmodel = softmax:3-2\n", "absent.csv");
    refused("[swarm]\nnodes = 300\n[learning]\ndata = " GLYPHS "\nmodel = softmax:784-10\n", "203");
}
