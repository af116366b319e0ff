/* What monitoring is told: a node that has nothing to exchange is not ill. */
#include <criterion/criterion.h>

#include "health.h"

static bool healthy(const char *state, bool resting, double last_exchange_s)
{
    char why[GV_HEALTH_BYTES];
    json_t *status = json_pack("{s:s, s:b, s:f, s:b}", "state", state, "resting", resting, "last_exchange_s",
                               last_exchange_s, "model_finite", true);
    cr_assert_not_null(status);
    bool verdict = gv_healthy(why, status);
    cr_expect_eq(why[0] == '\0', verdict, "%s", why);
    json_decref(status);
    return verdict;
}

Test(health, ten_minutes_without_an_exchange)
{
    cr_expect(healthy("training", false, 599));
    cr_expect_not(healthy("training", false, 601));
    cr_expect_not(healthy("serving", false, 601), "others train and should exchange with it");
    cr_expect(healthy("paused", false, 1e6));
    cr_expect(healthy("serving", true, 1e6), "the swarm has finished");
    cr_expect(healthy("training", true, 1e6), "outside its hours");
    cr_expect_not(healthy("isolated", true, 1));
}

Test(health, an_isolated_node_with_neighbours_says_what_they_do_not)
{
    char why[GV_HEALTH_BYTES];
    json_t *status = json_pack("{s:s, s:n, s:f}", "state", "isolated", "lonely", "last_exchange_s", 1.0);
    cr_assert_not_null(status);
    cr_expect_not(gv_healthy(why, status));
    cr_expect_str_eq(why, "isolated: no neighbour says how old the swarm's model is; see `grapevine peers`");
    json_decref(status);
}
