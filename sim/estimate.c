/*
 * How much memory a run will take: gv_scenario_memory(). Measured constants beside what follows from the scenario;
 * meant to be right within a quarter, so that a run that cannot fit is refused before it starts.
 */
#include <dirent.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "gv/core.h"
#include "model.h"
#include "scenario.h"
#include "world.h"

#define PROGRAM_BYTES (20u << 20) /* the program, its libraries, OpenBLAS's buffers, scratch memory of the threads */
#define IDENTITY_BYTES 1600u      /* keys, certificate, and the signed records of one node that are still in use */
#define QUEUE_BYTES 2000u         /* occurrences, control frames and last events of one node */
#define ARRIVAL_BYTES 12000u      /* handshakes of one node under way, if all come at once */
#define ARRIVAL_US 2000000.0      /* how long they last */
#define REPLICA_BYTES 512u        /* of a replica beside its parameters */
#define SNAPSHOT_BYTES 256u       /* of a snapshot beside its parameters */
#define STAGE_BYTES 256u
#define LINKS_KEPT 2u    /* links beyond the active view: greetings, shuffles, joins */
#define GLYPH_BYTES 786u /* a row of builtin:glyphs, with its label */
#define UNPACKED 2u      /* data in memory to data in files: images are packed, tables are text */

static uint64_t number_behind(const char *text, const char *name, uint64_t otherwise)
{
    const char *at = strstr(text, name);
    return at != NULL ? strtoull(at + strlen(name), NULL, 10) : otherwise;
}

static uint64_t folder_bytes(const char *path)
{
    char file[1024];
    struct stat info;
    uint64_t bytes = 0;
    DIR *folder = opendir(path);
    for (const struct dirent *entry = NULL; folder != NULL && (entry = readdir(folder)) != NULL;) {
        int used = snprintf(file, sizeof file, "%s/%s", path, entry->d_name);
        bool known = used > 0 && (size_t)used < sizeof file && stat(file, &info) == 0 && S_ISREG(info.st_mode);
        bytes += known && strstr(entry->d_name, "-idx") != NULL ? (uint64_t)info.st_size : 0;
    }
    if (folder != NULL) {
        (void)closedir(folder);
    }
    return bytes;
}

/* What the data will take, before it is loaded. */
static uint64_t guess_data(const struct gv_scenario *scenario)
{
    char path[sizeof scenario->learning.data];
    struct stat info;
    const char *data = scenario->learning.data;
    if (strncmp(data, "builtin:", 8) == 0) {
        return (number_behind(data, "train=", 8000) + number_behind(data, "test=", 2000)) * GLYPH_BYTES;
    }
    if (strncmp(data, "idx:", 4) != 0 && strncmp(data, "csv:", 4) != 0) {
        return 0;
    }
    (void)snprintf(path, sizeof path, "%s", data + 4);
    path[strcspn(path, ",")] = '\0';
    if (data[0] == 'i') {
        return UNPACKED * folder_bytes(path);
    }
    return stat(path, &info) == 0 && S_ISREG(info.st_mode) ? UNPACKED * (uint64_t)info.st_size : 0;
}

static uint64_t parameters_of(const struct gv_scenario *scenario)
{
    struct gv_model *model = NULL;
    uint64_t parameters = 0;
    if (gv_model_new(&model, scenario->learning.training.model, NULL) == GV_OK) {
        parameters = gv_model_layout(model)->parameters;
    }
    gv_model_free(&model);
    return parameters;
}

/* Whether nodes keep checkpoints. */
static bool can_restart(const struct gv_scenario *scenario)
{
    for (uint32_t i = 0; i < scenario->fault_count; i++) {
        if (scenario->faults[i].kind == GV_FAULT_RESTART) {
            return true;
        }
    }
    return !gv_dist_is_zero(&scenario->churn.downtime);
}

/* Every node that there can be: places are made for all of them at the start. */
static uint64_t nodes_ever(const struct gv_scenario *scenario)
{
    double nodes = (double)scenario->swarm.nodes + scenario->churn.arrivals * (double)scenario->swarm.duration_us;
    for (uint32_t i = 0; i < scenario->fault_count; i++) {
        const struct gv_fault *fault = &scenario->faults[i];
        bool adds = fault->kind == GV_FAULT_ARRIVE || fault->kind == GV_FAULT_COPY_KEY;
        nodes += !adds ? 0 : fault->share > 0 ? fault->share * nodes : fault->count;
    }
    return (uint64_t)nodes;
}

/* Parameters, optimiser and what exchanges hold, of one node. */
static uint64_t replica_bytes(const struct gv_scenario *scenario, uint64_t parameters)
{
    bool train = scenario->swarm.mode == GV_MODE_TRAIN;
    uint64_t block = parameters * sizeof(float);
    uint64_t sent = scenario->learning.codec == GV_CODEC_F16 ? block / 2 : block;
    uint64_t live = train && scenario->learning.training.momentum > 0 ? 2 * block : block;
    uint64_t saved = train && can_restart(scenario) ? block : 0;
    return live + saved + sent + REPLICA_BYTES + SNAPSHOT_BYTES + STAGE_BYTES;
}

uint64_t gv_scenario_memory(const struct gv_scenario *scenario, uint64_t parameters, uint64_t data_bytes)
{
    uint64_t nodes = nodes_ever(scenario);
    enum gv_mode mode = scenario->swarm.mode;
    uint64_t links = scenario->views.active_max + LINKS_KEPT;
    links += mode == GV_MODE_MEMBERSHIP ? 0 : scenario->views.cached_links_max;
    links = links < scenario->views.links_max ? links : scenario->views.links_max;
    uint64_t node = gv_core_bytes(&scenario->views) + sizeof(struct gv_sim_node) + links * sizeof(struct gv_sim_link) +
                    scenario->book * sizeof(uint32_t) + IDENTITY_BYTES + QUEUE_BYTES;
    if (scenario->swarm.peers != GV_PEERS_ORACLE) { /* an oracle introduces them without a word */
        double spread = ARRIVAL_US / ((double)scenario->swarm.arrival_us + ARRIVAL_US);
        node += (uint64_t)(spread * ARRIVAL_BYTES);
    }
    if (mode == GV_MODE_MEAN) {
        node += replica_bytes(scenario, parameters > 0 ? parameters : scenario->swarm.elements);
    } else if (mode == GV_MODE_TRAIN) {
        node += replica_bytes(scenario, parameters > 0 ? parameters : parameters_of(scenario));
        data_bytes = data_bytes > 0 ? data_bytes : guess_data(scenario);
    }
    return PROGRAM_BYTES + data_bytes + nodes * node;
}
