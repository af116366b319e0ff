/* What the trainer tells: numbers in fixed point, whatever the loss; and what it copies, in which order. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "data.h"
#include "host_help.h"
#include "trainer.h"

#define INPUTS 65536u
#define CLASSES 64u /* many slices of a copy, a few milliseconds */

static struct gv_trainer trainer;
static struct gv_mailbox *loop;
static struct gv_manifest manifest;
static struct gv_config config;

/* A trainer without data; it may not be ready yet. */
static void begin(const char *dir)
{
    struct gv_trainer_options options = {.dir = dir, .config = &config, .manifest = &manifest, .creator = true};
    (void)snprintf(manifest.training.model, sizeof manifest.training.model, "softmax:%u-%u", INPUTS, CLASSES);
    manifest.training.rate = 0.1F;
    manifest.training.batch = 1;
    manifest.local_steps = 1;
    config.cpu_percent = 100;
    cr_assert_eq(gv_mailbox_new(&loop), GV_OK);
    cr_assert_eq(gv_trainer_start(&trainer, &options, loop, NULL), GV_OK);
}

static void setup(void)
{
    begin(host_make_dir());
}

static void teardown(void)
{
    gv_trainer_stop(&trainer);
    gv_mailbox_free(&loop);
    host_remove_dir();
}

TestSuite(trainer_copies, .init = setup, .fini = teardown);

static void put(enum gv_mail_kind kind, uint64_t nonce)
{
    struct gv_mail mail = {.kind = kind, .nonce = nonce};
    gv_mailbox_put(trainer.in, &mail);
}

static void await(enum gv_mail_kind kind)
{
    struct gv_mail mail;
    cr_assert(gv_mailbox_take(loop, &mail, 60000), "an answer of kind %d", (int)kind);
    cr_assert_eq(mail.kind, kind);
}

static void fill_stage(float value)
{
    for (size_t i = 0; i < trainer.exchanged; i++) {
        trainer.stage[i] = value;
    }
}

/* gv_data_fit(), which the program is linked to call here, as it ends without memory or with data of another shape. */
static enum gv_err fitting;
enum gv_err __wrap_gv_data_fit(struct gv_data *data, const struct gv_schema *schema, struct gv_diag *diag);
enum gv_err __wrap_gv_data_fit(struct gv_data *data, const struct gv_schema *schema, struct gv_diag *diag)
{
    cr_assert(data->features == 784 && schema == &manifest.schema);
    return gv_diag_set(diag, fitting, "fitting ended so");
}

/* A trainer on images that ends fitting them like that. */
static void start_fitting(enum gv_err err)
{
    fitting = err;
    (void)snprintf(config.data, sizeof config.data, "builtin:glyphs,train=20,test=10");
    setup();
}

Test(trainer, asks_the_swarm_about_data_that_does_not_fit, .fini = teardown)
{
    start_fitting(GV_ERR_DATA);
    await(GV_MAIL_READY);
    cr_assert_eq(trainer.misfit.code, GV_ERR_DATA);
    cr_assert_str_eq(trainer.misfit.text, "fitting ended so");
    cr_assert_not(trainer.trains);
}

Test(trainer, ends_without_memory_for_fitting, .fini = teardown)
{
    start_fitting(GV_ERR_NOMEM);
    struct gv_mail mail;
    cr_assert(gv_mailbox_take(loop, &mail, 60000));
    cr_assert_eq(mail.kind, GV_MAIL_FAILED);
    cr_assert_eq(mail.verdict, GV_ERR_NOMEM);
    cr_assert_eq(trainer.misfit.code, GV_OK);
    struct gv_diag *diag = mail.data;
    cr_assert_str_eq(diag->text, "fitting ended so");
    free(diag);
}

Test(trainer, writes_any_number_in_fixed_point)
{
    cr_expect_eq(gv_q16(1.5), 98304);
    cr_expect_eq(gv_q16(0), 0);
    cr_expect_eq(gv_q16(-1), 0);
    cr_expect_eq(gv_q16((double)NAN), GV_LOSS_NOT_FINITE);
    cr_expect_eq(gv_q16((double)INFINITY), GV_LOSS_NOT_FINITE);
    cr_expect_eq(gv_q16(0x1p47), 1ull << 63);
    cr_expect_eq(gv_q16(0x1p48), UINT64_MAX - 1);
    cr_expect_eq(gv_q16(1e300), UINT64_MAX - 1);
}

Test(trainer_copies, a_model_adopted_while_another_is_pinned_is_what_the_next_pin_serves)
{
    await(GV_MAIL_READY);
    put(GV_MAIL_PIN, 1);
    await(GV_MAIL_PINNED);
    fill_stage(5.0F);
    put(GV_MAIL_ADOPT, 2);
    await(GV_MAIL_MERGED);
    cr_expect_neq(trainer.served[0], 5.0F, "it stands still");
    put(GV_MAIL_UNPIN, 1);
    put(GV_MAIL_PIN, 3);
    await(GV_MAIL_PINNED);
    cr_expect_eq(trainer.served[0], 5.0F);
}

/* The one before the merge, where a busy machine lets the thread read both letters at once, or the one after it. */
Test(trainer_copies, a_pin_in_the_middle_of_a_merge_serves_all_of_one_model)
{
    await(GV_MAIL_READY);
    for (int turn = 0; turn < 5; turn++) {
        fill_stage(5.0F);
        put(GV_MAIL_ADOPT, 1);
        await(GV_MAIL_MERGED);
        fill_stage(1.0F);
        put(GV_MAIL_COMMIT, 2);
        struct timespec moment = {.tv_nsec = 1000000};
        (void)nanosleep(&moment, NULL);
        put(GV_MAIL_PIN, 3);
        await(GV_MAIL_MERGED);
        await(GV_MAIL_PINNED);
        cr_assert(trainer.served[0] == 5.0F || trainer.served[0] == 6.0F, "turn %d", turn);
        for (size_t i = 0; i < trainer.parameters; i++) {
            cr_assert_eq(trainer.served[i], trainer.served[0], "parameter %zu in turn %d", i, turn);
        }
        put(GV_MAIL_UNPIN, 3);
    }
}

Test(trainer_copies, a_snapshot_says_whether_the_model_is_finite)
{
    struct gv_mail mail;
    const float values[] = {5.0F, NAN, INFINITY, 5.0F};
    await(GV_MAIL_READY);
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        fill_stage(5.0F);
        trainer.stage[trainer.exchanged - 1] = values[i];
        put(GV_MAIL_ADOPT, 1);
        await(GV_MAIL_MERGED);
        put(GV_MAIL_SNAPSHOT, 2);
        cr_assert(gv_mailbox_take(loop, &mail, 60000));
        cr_assert_eq(mail.kind, GV_MAIL_SNAPSHOT_READY);
        cr_expect_eq(mail.verdict, isfinite(values[i]) ? GV_OK : GV_ERR_DIVERGED, "value %zu", i);
    }
}

/* Asks for the first `count` parameters, as the worker does for a checkpoint. */
static void ask_slice(struct gv_slice *slice, float *out, size_t count)
{
    *slice = (struct gv_slice){.out = out, .count = count};
    struct gv_mail mail = {.kind = GV_MAIL_SLICE, .data = slice};
    gv_mailbox_put(trainer.in, &mail);
}

static void await_slice(void)
{
    struct gv_mail mail;
    cr_assert(gv_mailbox_take(trainer.slices, &mail, 60000));
}

Test(trainer_copies, a_checkpoint_has_the_merge_that_was_ordered_before_it)
{
    float at_once[4];
    float later[4];
    struct gv_slice slice;
    put(GV_MAIL_SNAPSHOT, 1);
    put(GV_MAIL_COMMIT, 1); /* all are there before the thread looks: doubles the parameters */
    ask_slice(&slice, at_once, 4);
    await(GV_MAIL_READY);
    await(GV_MAIL_SNAPSHOT_READY);
    await(GV_MAIL_MERGED);
    await_slice();
    ask_slice(&slice, later, 4);
    await_slice();
    cr_expect_arr_eq(at_once, later, sizeof later);
}

/* It makes a member of a node, which takes no peer's word that it is none. */
Test(trainer, says_that_there_was_a_checkpoint_it_could_not_use)
{
    for (int damaged = 0; damaged < 2; damaged++) {
        const char *dir = host_make_dir();
        if (damaged != 0) {
            host_write("checkpoint.a", "not a checkpoint", 16);
        }
        begin(dir);
        await(GV_MAIL_READY);
        cr_expect_eq(trainer.had_checkpoint, damaged != 0);
        cr_expect_eq(trainer.checkpoint_damaged, damaged != 0);
        cr_expect_eq(trainer.checkpoint.counter, 0);
        teardown();
    }
}
