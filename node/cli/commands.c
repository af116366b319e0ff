/*
 * The command table: see commands.h.
 */
#include "commands.h"

#include <string.h>

static const char SWARM[] = "a swarm";
static const char NODE[] = "a node";
static const char MODEL[] = "a model";
static const char HERE[] = "everything on one machine";
static const char PROGRAM[] = "the program";

#define END              \
    {                    \
        NULL, NULL, NULL \
    }

#define NODE_OPTIONS                                                                                                 \
    {"data", "SPEC", "data to train on: idx:DIR, csv:FILE[,label=last|COLUMN][,header][,test=0.2], builtin:glyphs"}, \
        {"listen", "EP", "where others reach this node, as tcp://0.0.0.0:7400"},                                     \
        {"advertise", "EP", "the address to tell others, as tcp://example.org:7400"},                                \
        {"family", "any|ipv4|ipv6", "which addresses to use"},                                                       \
        {"shard", "I/N", "for trials: train on part I of N of the data"},                                            \
    {                                                                                                                \
        "partition", "HOW", "for trials: how shards are cut: iid, dirichlet:ALPHA or classes:K"                      \
    }

#define ROOT_KEY                                                              \
    {                                                                         \
        "root-key", "FILE", "the swarm's root key, if it is not DIR/root.key" \
    }

static const struct gv_option CREATE[] = {
    {"name", "NAME", "the swarm's name"},
    {"model", "SPEC", "the model, as mlp:784-128-10 or softmax:30-2"},
    NODE_OPTIONS,
    {"test", "SHARE", "the share of the data to hold out for testing, as 0.2 (csv: only)"},
    {"root-key", "FILE", "where to put the root key instead of DIR/root.key"},
    {"set", "K=V ...", "a setting of the manifest, as local_steps=16"},
    END,
};

static const struct gv_option INVITE[] = {
    {"expires", "TIME", "how long the invite admits newcomers, as 7d or 12h (7d)"},
    {"uses", "N", "how many newcomers it admits (1)"},
    ROOT_KEY,
    END,
};

static const struct gv_option JSON[] = {{"json", NULL, "print JSON"}, END};

static const struct gv_option UPDATE[] = {
    {"set", "K=V ...", "a setting of the manifest, as rate=0.05"},
    ROOT_KEY,
    END,
};

static const struct gv_option REVOKE[] = {
    {"keep", "ID ...", "a node below the revoked one that stays a member"},
    {"invite", NULL, "NODE is the id of an invite: close it; those who used it stay"},
    ROOT_KEY,
    END,
};

static const struct gv_option JOIN[] = {NODE_OPTIONS, END};

static const struct gv_option RUN[] = {
    {"daemon", NULL, "detach; return once the node listens"},
    {"steps", "N", "end after this many local steps"},
    {"until-age", "N", "end when the swarm's clock has reached this many steps"},
    END,
};

static const struct gv_option STATUS[] = {
    {"json", NULL, "print JSON"},
    {"check", NULL, "exit 1 and say why if the node is not healthy"},
    END,
};

static const struct gv_option LEAVE[] = {{"yes", NULL, "really: there is no way back for this node"}, END};

static const struct gv_option EVAL[] = {
    {"data", "SPEC", "data to evaluate on; its test part if it has one"},
    {"json", NULL, "print JSON"},
    {"raw", NULL, "this node's own model after its last local step, not the served one"},
    END,
};

static const struct gv_option PREDICT[] = {
    {"data", "SPEC", "data to predict; its test part if it has one; csv:FILE,label=none if it has no classes"},
    {"raw", NULL, "this node's own model after its last local step, not the served one"},
    END,
};

static const struct gv_option EXPORT[] = {
    {"raw", NULL, "this node's own model after its last local step, not the served one"},
    END,
};

static const struct gv_option DEMO[] = {
    {"nodes", "N", "how many (8)"},
    {"data", "SPEC", "data to share out (builtin:glyphs)"},
    {"seconds", "S", "how long to train (30)"},
    {"json", NULL, "print JSON"},
    END,
};

static const struct gv_option SIM[] = {
    {"set", "section.key=value ...", "a setting of the scenario, as swarm.nodes=50"},
    {"out", "DIR", "where to write report.html, metrics.csv, summary.json and the scenario as it was run"},
    {"seed", "N", "of everything random: the same seed gives the same run (a random one)"},
    {"threads", "N", "how many work at once; the result does not depend on it (all processors)"},
    {"json", NULL, "print JSON"},
    {"keys", NULL, "list the keys of a scenario, with their units and defaults"},
    END,
};

static const struct gv_option HELP[] = {
    {"man", NULL, "print the manual page (roff)"},
    {"markdown", NULL, "print the command table as Markdown"},
    END,
};

static const struct gv_command COMMANDS[] = {
    {"create", SWARM, "DIR --name NAME --model SPEC [--data SPEC] [--listen EP] [--advertise EP] [--set K=V ...]",
     "make a swarm: root key, manifest, and this first node's state",
     "The root key signs the manifest, updates and revocations, and no daemon ever opens it: move it away from the\n"
     "machine once the swarm is made, and keep a copy. Without --listen the node listens on tcp://0.0.0.0:7400.",
     1, 1, CREATE, gv_cmd_create, NULL, false},
    {"invite", SWARM, "DIR [--expires 7d] [--uses N]", "print a token with which others join",
     "The token is all a newcomer needs, and whoever has it can use it: send it as you would a password.\n"
     "Expiry and uses are best effort until the invite is closed, which a running inviter does at expiry.",
     1, 1, INVITE, gv_cmd_invite, NULL, false},
    {"inspect", SWARM, "TOKEN", "say what a token holds; touches nothing", "TOKEN - reads standard input.", 1, 1, JSON,
     gv_cmd_inspect, NULL, false},
    {"update", SWARM, "DIR --set K=V ...", "sign a newer manifest; running nodes take it up",
     "A change of model starts a new epoch: every node begins again with fresh parameters.", 1, 1, UPDATE,
     gv_cmd_update, NULL, false},
    {"revoke", SWARM, "DIR NODE [--keep ID ...]", "expel a node and whoever joined through it",
     "NODE and ID are node ids or their unambiguous beginnings. The root key revokes anyone; without it a node\n"
     "revokes only those who joined through it.",
     2, 2, REVOKE, gv_cmd_revoke, NULL, false},
    {"join", NODE, "TOKEN DIR --data SPEC [--listen EP] [--advertise EP]", "become a member and write DIR",
     "Contacts a seed of the invite (exit 75 if none answers), checks the data against the swarm's, then writes DIR.\n"
     "TOKEN - reads standard input, which keeps it out of the process list. Without --listen the node dials out only.\n"
     "Without --data it serves and relays, and does not train.",
     2, 2, JOIN, gv_cmd_join, NULL, false},
    {"run", NODE, "DIR [--daemon] [--steps N | --until-age N]", "run the node",
     "SIGTERM and `grapevine stop` checkpoint and tell the neighbours; SIGHUP rereads configuration and data.\n"
     "After --steps or --until-age the node settles (a few exchanges without training) and exits 0, or 6 if it never\n"
     "found anybody.",
     1, 1, RUN, gv_cmd_run, NULL, true},
    {"status", NODE, "DIR [--json] [--check]", "how the node and its swarm are doing", NULL, 1, 1, STATUS,
     gv_cmd_status, NULL, false},
    {"peers", NODE, "DIR [--json]", "whom the node knows, and why each is in its state",
     "Roles: active (a neighbour), linked, passive (known only), former (none of these any more, but remembered); a\n"
     "question mark: suspected to be dead. Links: out (dialled by this node), in, dialling.",
     1, 1, JSON, gv_cmd_peers, NULL, false},
    {"doctor", NODE, "DIR [--json]", "what may keep the node from working, and what to do",
     "Looks at configuration, keys, membership, disk, libraries, limits, the running daemon, other members and the\n"
     "clock; changes nothing, takes a few seconds, with or without a daemon. Exit 1 if a check failed. Whether the "
     "node\n"
     "can be reached from outside only others can show: it tells how they see it, and who has dialled it.",
     1, 1, JSON, gv_cmd_doctor, NULL, false},
    {"config", NODE, "DIR", "the node's settings, and where each comes from",
     "Edit DIR/config.ini and send the node SIGHUP to change them.", 1, 1, NULL, gv_cmd_config, NULL, false},
    {"pause", NODE, "DIR", "stop training; go on serving others", NULL, 1, 1, NULL, gv_cmd_pause, NULL, false},
    {"resume", NODE, "DIR", "train again", NULL, 1, 1, NULL, gv_cmd_resume, NULL, false},
    {"stop", NODE, "DIR", "end the daemon; the node comes back as the same with `run`", NULL, 1, 1, NULL, gv_cmd_stop,
     NULL, false},
    {"leave", NODE, "DIR --yes", "leave the swarm for good", "The node signs its farewell; DIR cannot be run again.", 1,
     1, LEAVE, gv_cmd_leave, NULL, false},
    {"eval", MODEL, "DIR --data SPEC [--json] [--raw]", "accuracy and loss of the model on data", NULL, 1, 1, EVAL,
     gv_cmd_eval, NULL, true},
    {"predict", MODEL, "DIR --data SPEC [--raw]", "the class of every row, as CSV on standard output", NULL, 1, 1,
     PREDICT, gv_cmd_predict, NULL, true},
    {"export", MODEL, "DIR FILE [--raw]", "write the model as safetensors", NULL, 2, 2, EXPORT, gv_cmd_export, NULL,
     false},
    {"demo", HERE, "[--nodes 8] [--data SPEC] [--seconds 30] [--json]", "a real local swarm, with churn, on loopback",
     NULL, 0, 0, DEMO, NULL, gv_cmd_demo, true},
    {"sim", HERE, "SCENARIO.ini [--set section.key=value ...] [--out DIR] [--seed N] [--threads N] [--json]",
     "simulate a swarm of 10 to 100,000 nodes, with the daemon's own core",
     "A scenario says how many nodes there are, what they learn, on what network, and what goes wrong; sim/scenarios "
     "holds\n"
     "some to begin with. Standard error gets the line that repeats the run. Ctrl-C writes what there is so far.\n"
     "`grapevine sim compare DIR DIR ... [--out DIR]` lays runs over one another in one report.\n"
     "`grapevine sim campaign [--seeds N] [--first N] [--threads N] [--stop-at-first] [--print]` looks for bugs: "
     "many\n"
     "short runs with faults of all kinds, each from its own seed.",
     0, GV_ARGS_POSITIONALS_MAX, SIM, NULL, gv_cmd_sim, false},
    {"bench", HERE, "[exchange|merge|codec|train|core] [--json]", "measure this machine", NULL, 0, 0, JSON, NULL,
     gv_cmd_bench, true},
    {"help", PROGRAM, "[COMMAND] [--man] [--markdown]", "this text, or that of one command", NULL, 0, 1, HELP,
     gv_cmd_help, NULL, false},
    {"version", PROGRAM, "", "versions of the program and its libraries", NULL, 0, 0, NULL, gv_cmd_version, NULL,
     false},
    {NULL, NULL, NULL, NULL, NULL, 0, 0, NULL, NULL, NULL, false},
};

const struct gv_command *gv_commands(void)
{
    return COMMANDS;
}

const struct gv_command *gv_command_find(const char *name)
{
    for (const struct gv_command *command = COMMANDS; command->name != NULL; command++) {
        if (strcmp(command->name, name) == 0) {
            return command;
        }
    }
    return NULL;
}
