/* The loop of a node that ends: its last checkpoint holds all that was merged. A thread plays the worker. */
#include <criterion/criterion.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "host_help.h"
#include "node.h"

#define FAREWELL_OVER_US 3000000u     /* more than the loop waits for the core */
#define CHECKPOINT_OVER_US 130000000u /* and for the worker */

static struct gv_node *node;
static bool configured;      /* the trainer */
static bool begun;           /* a checkpoint, before the loop */
static uint32_t checkpoints; /* ordered */

static void setup(void)
{
    struct gv_core_config config;
    struct gv_diag diag;
    gv_core_defaults(&config);
    config.outbound_only = true;
    cr_assert_eq(gv_proto_init(), GV_OK);
    node = calloc(1, sizeof *node);
    cr_assert_not_null(node);
    cr_assert(gv_mailbox_new(&node->mail) == GV_OK && gv_mailbox_new(&node->worker.in) == GV_OK &&
              gv_mailbox_new(&node->trainer.in) == GV_OK && gv_curve_key_new(&node->curve) == GV_OK &&
              gv_directory_new(&node->directory, 1) == GV_OK);
    node->core_memory = malloc(gv_core_bytes(&config));
    node->effects = calloc(1, sizeof *node->effects);
    node->core = gv_core_init(node->core_memory, &config);
    struct gv_net_options options = {.key = node->curve, .listen = ""};
    struct gv_net_handler handler = gv_node_net_handler(node);
    cr_assert_eq(gv_net_new(&node->net, &options, &handler, &diag), GV_OK, "%s", diag.text);
    cr_assert_eq(gv_control_new(&node->control, host_make_dir(), gv_node_request, node, &diag), GV_OK);
    node->started = true;
    node->trainer.checkpoint.counter = 1;
    begun = configured = false;
    checkpoints = 0;
}

static void teardown(void)
{
    gv_control_free(&node->control);
    gv_net_free(&node->net, 0);
    gv_directory_free(&node->directory);
    gv_curve_key_free(&node->curve);
    gv_mailbox_free(&node->trainer.in);
    gv_mailbox_free(&node->worker.in);
    gv_mailbox_free(&node->mail);
    free(node->effects);
    free(node->core_memory);
    free(node);
    host_remove_dir();
}

TestSuite(loop, .init = setup, .fini = teardown, .timeout = 20);

/* Answers each checkpoint, after a while in which it does nothing. */
static void *work(void *unused)
{
    struct gv_mail mail;
    (void)usleep(200000);
    if (begun) { /* the one that ran before the loop began */
        gv_mailbox_put(node->mail, &(struct gv_mail){.kind = GV_MAIL_CHECKPOINTED});
    }
    while (gv_mailbox_take(node->worker.in, &mail, -1) && mail.kind != GV_MAIL_STOP) {
        if (mail.kind == GV_MAIL_CHECKPOINT) {
            checkpoints++;
            free(mail.data);
            gv_mailbox_put(node->mail, &(struct gv_mail){.kind = GV_MAIL_CHECKPOINTED});
        }
    }
    return unused;
}

static void run_to_the_end(void)
{
    pthread_t worker;
    cr_assert_eq(pthread_create(&worker, NULL, work, NULL), 0);
    gv_node_loop(node);
    gv_mailbox_put(node->worker.in, &(struct gv_mail){.kind = GV_MAIL_STOP});
    (void)pthread_join(worker, NULL);
}

Test(loop, a_checkpoint_that_began_before_the_end_is_not_the_last)
{
    node->checkpointing = begun = true;
    node->ending = GV_ENDING_FAREWELL;
    node->ending_us = gv_now_us() - FAREWELL_OVER_US;
    run_to_the_end();
    cr_expect_eq(checkpoints, 1, "another, with what was merged since");
    cr_expect_eq(node->checkpoints, 2);
    cr_expect_eq(node->exit_code, GV_EXIT_OK);
}

Test(loop, a_full_box_puts_the_last_checkpoint_off)
{
    struct gv_mail mail = {.kind = GV_MAIL_ENCODE};
    while (gv_node_order(node, &mail)) {
    }
    node->ending = GV_ENDING_FAREWELL;
    node->ending_us = gv_now_us() - FAREWELL_OVER_US;
    run_to_the_end();
    cr_expect_eq(checkpoints, 1);
    cr_expect_eq(node->exit_code, GV_EXIT_OK);
}

Test(loop, an_end_without_the_last_checkpoint_is_a_failure_that_says_so)
{
    node->checkpointing = true; /* for ever */
    node->ending = GV_ENDING_CHECKPOINT;
    node->ending_us = gv_now_us() - CHECKPOINT_OVER_US;
    run_to_the_end();
    cr_expect_eq(node->exit_code, GV_EXIT_FAILED);
    cr_expect_neq(node->diag.text[0], '\0');
}

/* As a trainer that copies a large model: its box is full for a while. */
static void *train(void *unused)
{
    struct gv_mail mail;
    (void)usleep(200000);
    while (gv_mailbox_take(node->trainer.in, &mail, 3000) && mail.kind != GV_MAIL_CONFIGURE) {
    }
    configured = mail.kind == GV_MAIL_CONFIGURE;
    free(mail.data);
    gv_mailbox_put(node->mail, &(struct gv_mail){.kind = GV_MAIL_FAILED, .verdict = GV_ERR_IO}); /* the end */
    return unused;
}

Test(loop, a_full_box_puts_new_hyperparameters_off)
{
    pthread_t trainer;
    struct gv_mail mail = {.kind = GV_MAIL_EVALUATE};
    while (gv_mailbox_try_put(node->trainer.in, &mail)) {
    }
    gv_node_configure_trainer(node);
    cr_assert_eq(pthread_create(&trainer, NULL, train, NULL), 0);
    gv_node_loop(node);
    (void)pthread_join(trainer, NULL);
    cr_expect(configured);
}
