/*
 * What the figures of a report show.
 */
#include "figure.h"

#define TRAIN (1u << GV_MODE_TRAIN)
#define MEAN (1u << GV_MODE_MEAN)
#define MEMBERSHIP (1u << GV_MODE_MEMBERSHIP)
#define ALL (TRAIN | MEAN | MEMBERSHIP)

/* Indices into the palette of figure.c. */
enum { BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY };

#define OVER_TIME GV_COL_TIME, "virtual time (@)", GV_SCALE_TIME
#define OVER_CYCLES GV_COL_CYCLE, "cycles", GV_SCALE_PLAIN
#define OVER_TRAFFIC GV_COL_SENT, "sent per node (@B)", GV_SCALE_BYTES
#define LINE GV_COL_NONE, GV_STYLE_LINE
#define THIN GV_COL_NONE, GV_STYLE_THIN
#define DASHED GV_COL_NONE, GV_STYLE_DASHED
#define THEORY GV_COL_NONE, GV_STYLE_THEORY
#define SHOWN true
#define ALONE false /* only in a report of one run */

/* The same lines over time and over traffic. */
#define ACCURACY_PANEL                                                                                               \
    {                                                                                                                \
        "accuracy (%)", GV_SCALE_SHARE,                                                                              \
        {                                                                                                            \
            {GV_COL_ACCURACY_P10, GV_COL_ACCURACY_P90, GV_STYLE_BAND, BLUE, ALONE, "10th to 90th percentile", NULL}, \
                {GV_COL_ACCURACY_MODEL, LINE, GREEN, ALONE, "mean model", NULL},                                     \
                {GV_COL_ACCURACY_MIN, DASHED, VERMILION, SHOWN, "worst node", "worst node"},                         \
            {                                                                                                        \
                GV_COL_ACCURACY, LINE, BLUE, SHOWN, "mean of the nodes", NULL                                        \
            }                                                                                                        \
        }                                                                                                            \
    }

static const struct gv_figure FIGURES[] = {
    {"accuracy",
     "Accuracy over virtual time",
     "Accuracy on the test set of the own models of those nodes that are evaluated: their mean, the worst of them, and "
     "the range in which the middle 80\xc2\xa0% of them lie. The mean model is the average of all parameters, which no "
     "node holds; where it is better than the nodes, they still disagree.",
     "Accuracy on the test set of the own models of those nodes that are evaluated. Solid: their mean. Dashed: the "
     "worst of them.",
     TRAIN,
     OVER_TIME,
     {ACCURACY_PANEL}},
    {"accuracysent",
     "Accuracy over traffic",
     "The same against what it cost: bytes that a node has sent, of all kinds, on average over the nodes alive. A "
     "curve further to the left learns from less traffic.",
     "The same against what it cost: bytes that a node has sent, of all kinds, on average over the nodes alive. A "
     "curve further to the left learns from less traffic.",
     TRAIN,
     OVER_TRAFFIC,
     {ACCURACY_PANEL}},
    {"consensus",
     "Consensus distance",
     "Root of the mean squared distance of a node's parameters from the mean model, on a logarithmic axis. Training "
     "drives nodes apart, exchanges pull them together; a level line means that the two are in balance.",
     NULL,
     TRAIN,
     OVER_TIME,
     {{"consensus distance", GV_SCALE_LOG, {{GV_COL_CONSENSUS, LINE, BLUE, SHOWN, "consensus distance", NULL}}}}},
    {"loss",
     "Loss",
     "Mean loss of the nodes' models on the test set, on a logarithmic axis.",
     NULL,
     TRAIN,
     OVER_TIME,
     {{"mean loss", GV_SCALE_LOG, {{GV_COL_LOSS, LINE, BLUE, SHOWN, "mean loss", NULL}}}}},
    {"variance",
     "Variance",
     "Unbiased variance of the nodes' values, on a logarithmic axis, over cycles (one initiation per node and cycle). "
     "The dotted line is the theory for uniform peers and no losses: a factor of 1/(2\xe2\x88\x9a"
     "e) = 0.303 each "
     "cycle. A flatter curve mixes more slowly; where it ends in a level, the precision of the numbers is reached.",
     NULL,
     MEAN,
     OVER_CYCLES,
     {{"variance",
       GV_SCALE_LOG,
       {{GV_COL_VARIANCE_THEORY, THEORY, BLUE, SHOWN, "theory: 0.303 per cycle", NULL},
        {GV_COL_VARIANCE, LINE, BLUE, SHOWN, "measured", NULL}}}}},
    {"factor",
     "Factor of the variance per cycle",
     "By what the variance is multiplied in a cycle, from one sample to the next. Below the dotted line is faster than "
     "uniform peers allow on average, 1 is no progress at all; it wanders about 1 once the precision of the numbers is "
     "reached.",
     NULL,
     MEAN,
     OVER_CYCLES,
     {{"factor per cycle",
       GV_SCALE_PLAIN,
       {{GV_COL_FACTOR_THEORY, THEORY, BLUE, SHOWN, "theory: 0.303", NULL},
        {GV_COL_FACTOR, LINE, BLUE, SHOWN, "measured", NULL}}}}},
    {"drift",
     "Drift of the mean",
     "How far the mean of all nodes has moved from the first one, in standard deviations of the first values, on a "
     "logarithmic axis. Exchanges conserve it but for rounding. While one side of an exchange has applied it and the "
     "other has not yet, the mean is off by half their difference: the curve trembles at the height of the variance, "
     "and comes back. Nodes that come and go, and exchanges that only one side applied, shift it for good.",
     NULL,
     MEAN,
     OVER_CYCLES,
     {{"drift (deviations)", GV_SCALE_LOG, {{GV_COL_DRIFT, LINE, BLUE, SHOWN, "drift of the mean", NULL}}}}},
    {"nodes",
     "Live nodes and components",
     "Above: processes that run, and of them those that have a model and a neighbour. Below: connected components of "
     "the graph of their active views, on a logarithmic axis. One component means that everybody can still reach "
     "everybody.",
     "Above: processes that run. Below: connected components of the graph of their active views, on a logarithmic "
     "axis. One component means that everybody can still reach everybody.",
     ALL,
     OVER_TIME,
     {{"nodes@",
       GV_SCALE_WHOLE,
       {{GV_COL_LIVE, LINE, BLUE, SHOWN, "live", NULL},
        {GV_COL_SERVING, DASHED, VERMILION, ALONE, "serving", NULL},
        {GV_COL_LARGEST, THIN, GREEN, ALONE, "in the largest component", NULL}}},
      {"components", GV_SCALE_PIECES, {{GV_COL_COMPONENTS, LINE, PURPLE, SHOWN, "components", NULL}}}}},
    {"indegree",
     "In-degree",
     "How often a node stands in the views of others, active and passive: the mean with one standard deviation either "
     "side. In a well-mixed overlay the band is narrow and level: nobody is forgotten and nobody is a hub.",
     "How often a node stands in the views of others, active and passive, on average. The deviation is in the next "
     "figure.",
     MEMBERSHIP,
     OVER_TIME,
     {{"in-degree",
       GV_SCALE_PLAIN,
       {{GV_COL_IN_DEGREE_LOW, GV_COL_IN_DEGREE_HIGH, GV_STYLE_BAND, BLUE, ALONE, "mean \xc2\xb1 deviation", NULL},
        {GV_COL_IN_DEGREE, LINE, BLUE, SHOWN, "mean", NULL}}}}},
    {"deviation",
     "Deviation of the in-degree",
     "The standard deviation of the in-degree beside that of a random graph with as many edges (dotted; a binomial "
     "distribution). Below it the overlay is more even than chance.",
     NULL,
     MEMBERSHIP,
     OVER_TIME,
     {{"deviation",
       GV_SCALE_PLAIN,
       {{GV_COL_DEVIATION_RANDOM, THEORY, BLUE, SHOWN, "random graph", NULL},
        {GV_COL_DEVIATION, LINE, BLUE, SHOWN, "measured", NULL}}}}},
    {"peers",
     "Neighbours",
     "Mean size of the active view: the links that a node keeps open for gossip.",
     NULL,
     MEMBERSHIP,
     OVER_TIME,
     {{"neighbours", GV_SCALE_PLAIN, {{GV_COL_PEERS, LINE, BLUE, SHOWN, "mean active view", NULL}}}}},
    {"traffic",
     "Traffic",
     "Bytes that a live node sends each second, on average. Above: parameters, that is chunks of models and states "
     "that "
     "ride in offers. Below: everything else, such as membership, failure detection and the frames around parameters.",
     NULL,
     TRAIN | MEAN,
     OVER_TIME,
     {{"parameters (@B/s)", GV_SCALE_BYTES, {{GV_COL_RATE_STATE, LINE, BLUE, SHOWN, "parameters", NULL}}},
      {"other (@B/s)", GV_SCALE_BYTES, {{GV_COL_RATE_OTHER, LINE, VERMILION, SHOWN, "other", NULL}}}}},
    {"upkeep",
     "Traffic",
     "Bytes that a live node sends each second, on average, for membership and failure detection.",
     NULL,
     MEMBERSHIP,
     OVER_TIME,
     {{"per node (@B/s)", GV_SCALE_BYTES, {{GV_COL_RATE_ALL, LINE, BLUE, SHOWN, "all", NULL}}}}},
    {"messages",
     "Messages",
     "Frames that a live node sends each second, on average. In a protocol that scales it does not grow with the "
     "number of nodes.",
     NULL,
     MEMBERSHIP,
     OVER_TIME,
     {{"messages per node and second", GV_SCALE_PLAIN, {{GV_COL_MESSAGES, LINE, BLUE, SHOWN, "messages", NULL}}}}},
    {"exchanges",
     "Outcomes of exchanges",
     "Exchanges per second in the whole swarm, as their initiators saw them end. Above: done. Below: refused (the peer "
     "was busy), failed (nothing changed on either side), in doubt (no answer about the commit; not applied here).",
     "Exchanges per second in the whole swarm, as their initiators saw them end. Above: done. Below: failed (nothing "
     "changed on either side).",
     TRAIN | MEAN,
     OVER_TIME,
     {{"done per s@", GV_SCALE_COUNT, {{GV_COL_DONE, LINE, BLUE, SHOWN, "done", NULL}}},
      {"not done per s@",
       GV_SCALE_COUNT,
       {{GV_COL_REFUSED, LINE, SKY, ALONE, "refused", NULL},
        {GV_COL_FAILED, LINE, VERMILION, SHOWN, "failed", NULL},
        {GV_COL_DOUBT, DASHED, PURPLE, ALONE, "in doubt", NULL}}}}},
    {"steps",
     "Steps and age",
     "Local steps of a node, and the age of its model (the swarm's clock, averaged in exchanges), on average over the "
     "live nodes. Newcomers have few steps but take over the age of the model that they fetch.",
     "Local steps of a node, on average over the live nodes.",
     TRAIN,
     OVER_TIME,
     {{"steps@",
       GV_SCALE_COUNT,
       {{GV_COL_STEPS, LINE, BLUE, SHOWN, "own steps", NULL},
        {GV_COL_AGE, DASHED, VERMILION, ALONE, "age of the model", NULL}}}}},
};

const struct gv_figure *gv_figures(size_t *count)
{
    *count = sizeof FIGURES / sizeof FIGURES[0];
    return FIGURES;
}
