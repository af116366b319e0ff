/*
 * The processes of the demo: every node is this very program, started as a user would start it, with a state DIR of its
 * own in a temporary folder and a port of its own on loopback.
 *
 * Guarantees: whatever way the demo ends, its processes end too (a killed demo takes them along: PR_SET_PDEATHSIG).
 */
#include "demo.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "config.h"
#include "control.h"
#include "daemon.h"

#define ARGUMENTS_MAX 40
#define TOKEN_CAP 8192
#define LINE_CAP 512
#define STATUS_TIMEOUT_MS 400
#define START_TIMEOUT_S 20.0
#define JOIN_TIMEOUT_S 40.0
#define JOIN_TRIES 4
/* Of the folder for temporary folders: a control socket's path must fit into 107 characters. */
#define BASE_CHARS_MAX 60

/* One command line, and where its output goes. */
struct command {
    const char *words[ARGUMENTS_MAX];
    size_t count;
};

static void word(struct command *command, const char *text)
{
    GV_ASSERT(command->count + 1 < ARGUMENTS_MAX);
    command->words[command->count++] = text;
    command->words[command->count] = NULL;
}

/* In the child: only async-signal-safe calls, then the program. */
_Noreturn static void become(const struct gv_demo *demo, const struct command *command, int out, int err)
{
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    sigset_t none;
    sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    int null = open("/dev/null", O_RDWR);
    if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(out >= 0 ? out : null, STDOUT_FILENO) < 0 ||
        dup2(err >= 0 ? err : null, STDERR_FILENO) < 0) {
        _exit(127);
    }
    /* execv() promises not to change the words, its type is older than const. */
    char *words[ARGUMENTS_MAX];
    memcpy(words, command->words, sizeof words);
    execv(demo->program, words);
    _exit(127);
}

/* Starts a command; its standard error goes to `log` (appended), its standard output to `out` (-1: the log as well). */
static enum gv_err spawn(const struct gv_demo *demo, const struct command *command, const char *log, int out,
                         pid_t *pid, struct gv_diag *diag)
{
    int err = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (err < 0) {
        return gv_diag_set(diag, GV_ERR_IO, "%s: %s", log, strerror(errno));
    }
    *pid = fork();
    if (*pid == 0) {
        become(demo, command, out >= 0 ? out : err, err);
    }
    int failure = errno;
    (void)close(err);
    return *pid > 0 ? GV_OK : gv_diag_set(diag, GV_ERR_IO, "fork: %s", strerror(failure));
}

/* The last line of a log, to say why something did not work. */
static void last_line(char out[LINE_CAP], const char *log)
{
    out[0] = '\0';
    FILE *file = fopen(log, "re");
    char line[LINE_CAP];
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        memcpy(out, line, sizeof line);
    }
    if (file != NULL) {
        (void)fclose(file);
    }
}

static void log_path(const struct gv_demo *demo, uint32_t index, char *out, size_t cap)
{
    (void)snprintf(out, cap, "%s/node%u.log", demo->folder, index + 1);
}

/* Waits for a process until a deadline. Returns its exit code, -1 if it had to be killed. */
static int wait_for(struct gv_demo *demo, pid_t pid, double deadline)
{
    int status = 0;
    while (true) {
        pid_t ended = waitpid(pid, &status, WNOHANG);
        if (ended == pid) {
            return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
        }
        if (ended < 0 || gv_demo_now() > deadline || !gv_demo_sleep(demo, 0.02)) {
            (void)kill(pid, SIGKILL);
            (void)waitpid(pid, &status, 0);
            return -1;
        }
    }
}

/* A port nobody listens on now. Below 32768: above, a connection could be given the same port and meet itself. */
static uint32_t free_port(uint32_t from)
{
    for (uint32_t port = from; port < 32768; port++) {
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd < 0) {
            break;
        }
        struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        int bound = bind(fd, (const struct sockaddr *)&address, sizeof address);
        (void)close(fd);
        if (bound == 0) {
            return port;
        }
    }
    return 0;
}

/* Every node its own range, so that ports asked for one after another do not collide. */
static void endpoint_for(uint32_t index, char *out, size_t cap)
{
    uint32_t base = 20000u + ((uint32_t)getpid() * 64u) % 10000u;
    (void)snprintf(out, cap, "tcp://127.0.0.1:%u", free_port(base + index * 40u));
}

/* What a volunteer would write into config.ini: how much of a core it may use, how often to save and to evaluate. */
static enum gv_err configure(const struct gv_demo *demo, const char *dir, struct gv_diag *diag)
{
    char path[300], cpu[16], checkpoint[32], evaluate[32];
    (void)snprintf(path, sizeof path, "%s/config.ini", dir);
    (void)snprintf(cpu, sizeof cpu, "%u%%", demo->cpu_percent);
    (void)snprintf(checkpoint, sizeof checkpoint, "%llus", (unsigned long long)demo->checkpoint_s);
    (void)snprintf(evaluate, sizeof evaluate, "%llus", (unsigned long long)demo->evaluate_s);
    const char *const pairs[][2] = {
        {"cpu", cpu}, {"checkpoint", checkpoint}, {"evaluate", evaluate}, {"log_level", demo->log_level}};
    struct gv_config *config = calloc(1, sizeof *config);
    if (config == NULL) {
        return gv_diag_set(diag, GV_ERR_NOMEM, "out of memory");
    }
    gv_config_defaults(config);
    enum gv_err err = gv_config_load(config, path, diag);
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0] && err == GV_OK; i++) {
        if (pairs[i][1] != NULL) {
            err = gv_config_set(config, pairs[i][0], pairs[i][1], diag);
        }
    }
    if (err == GV_OK) {
        err = gv_config_save(config, path, diag);
    }
    free(config);
    return err;
}

enum gv_err gv_demo_start(struct gv_demo *demo, uint32_t index, struct gv_diag *diag)
{
    struct gv_demo_node *node = &demo->nodes[index];
    char age[32];
    (void)snprintf(age, sizeof age, "%llu", (unsigned long long)demo->age_end);
    struct command command = {0};
    word(&command, demo->program);
    word(&command, "run");
    word(&command, node->dir);
    if (demo->age_end > 0) {
        word(&command, "--until-age");
        word(&command, age);
    }
    char log[300];
    log_path(demo, index, log, sizeof log);
    enum gv_err err = spawn(demo, &command, log, -1, &node->pid, diag);
    if (err == GV_OK) {
        node->phase = GV_DEMO_RUNNING;
        (void)snprintf(node->state, sizeof node->state, "starting");
    }
    return err;
}

static void add(struct gv_demo_counters *sum, const struct gv_demo_counters *more)
{
    sum->exchanges_done += more->exchanges_done;
    sum->exchanges_failed += more->exchanges_failed;
    sum->bytes_sent += more->bytes_sent;
    sum->bytes_received += more->bytes_received;
}

struct gv_demo_counters gv_demo_totals(const struct gv_demo *demo)
{
    struct gv_demo_counters sum = {0};
    for (uint32_t i = 0; i <= demo->node_count; i++) {
        add(&sum, &demo->nodes[i].past);
        add(&sum, &demo->nodes[i].now);
    }
    return sum;
}

uint64_t gv_demo_steps(const struct gv_demo *demo)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i <= demo->node_count; i++) {
        sum += demo->nodes[i].steps;
    }
    return sum;
}

/* A process ended: what it counted is past. */
static void close_account(struct gv_demo_node *node)
{
    add(&node->past, &node->now);
    node->now = (struct gv_demo_counters){0};
    node->pid = 0;
}

void gv_demo_kill(struct gv_demo *demo, uint32_t index)
{
    struct gv_demo_node *node = &demo->nodes[index];
    if (node->pid <= 0) {
        return;
    }
    (void)kill(node->pid, SIGKILL);
    (void)waitpid(node->pid, NULL, 0);
    close_account(node);
    node->phase = GV_DEMO_KILLED;
    (void)snprintf(node->state, sizeof node->state, "killed");
}

static double number(const json_t *object, const char *key, double otherwise)
{
    const json_t *value = json_object_get(object, key);
    return json_is_number(value) ? json_number_value(value) : otherwise;
}

static uint64_t whole(const json_t *object, const char *key)
{
    double value = number(object, key, 0.0);
    return value > 0.0 ? (uint64_t)value : 0;
}

/* Takes over a status reply. */
static void take_status(struct gv_demo_node *node, const json_t *status)
{
    const char *state = json_string_value(json_object_get(status, "state"));
    (void)snprintf(node->state, sizeof node->state, "%s", state != NULL ? state : "?");
    const char *id = json_string_value(json_object_get(status, "node_id"));
    (void)snprintf(node->id, sizeof node->id, "%.8s", id != NULL ? id : "");
    node->steps = whole(status, "steps");
    node->age = number(status, "age", node->age);
    node->accuracy = number(status, "accuracy", node->accuracy);
    node->compute_share = number(status, "compute_share", node->compute_share);
    node->now = (struct gv_demo_counters){
        .exchanges_done = whole(status, "exchanges_done"),
        .exchanges_failed = whole(status, "exchanges_failed"),
        .bytes_sent = whole(status, "bytes_sent"),
        .bytes_received = whole(status, "bytes_received"),
    };
}

static bool ask_status(struct gv_demo_node *node)
{
    json_t *request = json_pack("{s:s}", "cmd", "status");
    json_t *reply = NULL;
    enum gv_err err =
        request != NULL ? gv_control_call(node->dir, request, &reply, STATUS_TIMEOUT_MS, NULL) : GV_ERR_NOMEM;
    json_decref(request);
    bool answered = err == GV_OK && json_is_true(json_object_get(reply, "ok"));
    if (answered) {
        take_status(node, reply);
    }
    json_decref(reply);
    return answered;
}

void gv_demo_poll(struct gv_demo *demo)
{
    for (uint32_t i = 0; i <= demo->node_count; i++) {
        struct gv_demo_node *node = &demo->nodes[i];
        int status = 0;
        if (node->pid <= 0) {
            continue;
        }
        if (waitpid(node->pid, &status, WNOHANG) == node->pid) {
            close_account(node);
            node->exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
            node->phase = node->exit_code == 0 ? GV_DEMO_FINISHED : GV_DEMO_FAILED;
            (void)snprintf(node->state, sizeof node->state, node->exit_code == 0 ? "done" : "exit %d", node->exit_code);
        } else {
            (void)ask_status(node);
        }
    }
}

/* Waits until the node answers on its control socket. */
static enum gv_err wait_until_up(struct gv_demo *demo, uint32_t index, struct gv_diag *diag)
{
    double deadline = gv_demo_now() + START_TIMEOUT_S;
    struct gv_demo_node *node = &demo->nodes[index];
    while (gv_demo_now() < deadline && gv_demo_sleep(demo, 0.05)) {
        if (ask_status(node)) {
            return GV_OK;
        }
        if (waitpid(node->pid, NULL, WNOHANG) == node->pid) {
            node->pid = 0;
            break;
        }
    }
    char log[300], line[LINE_CAP];
    log_path(demo, index, log, sizeof log);
    last_line(line, log);
    return gv_diag_set(diag, GV_ERR_NET, "node %u does not come up: %s", index + 1, line);
}

/* The words `create` and `join` have in common. */
static void common_words(struct gv_demo *demo, struct command *command, const char *endpoint, const char *shard)
{
    word(command, "--data");
    word(command, demo->data);
    word(command, "--listen");
    word(command, endpoint);
    word(command, "--shard");
    word(command, shard);
    word(command, "--partition");
    word(command, "iid");
}

static enum gv_err create(struct gv_demo *demo, struct gv_diag *diag)
{
    struct gv_demo_node *node = &demo->nodes[0];
    (void)snprintf(node->dir, sizeof node->dir, "%s/n1", demo->folder);
    char endpoint[64], shard[32], total[48], log[300];
    endpoint_for(0, endpoint, sizeof endpoint);
    (void)snprintf(shard, sizeof shard, "1/%u", demo->shard_count);
    (void)snprintf(total, sizeof total, "total_age=%llu", (unsigned long long)demo->age_end);
    log_path(demo, 0, log, sizeof log);
    struct command command = {0};
    word(&command, demo->program);
    word(&command, "create");
    word(&command, node->dir);
    word(&command, "--name");
    word(&command, "demo");
    word(&command, "--model");
    word(&command, demo->model);
    common_words(demo, &command, endpoint, shard);
    for (size_t i = 0; demo->settings[i] != NULL; i++) {
        word(&command, "--set");
        word(&command, demo->settings[i]);
    }
    if (demo->age_end > 0) {
        word(&command, "--set");
        word(&command, total);
    }
    pid_t pid;
    enum gv_err err = spawn(demo, &command, log, -1, &pid, diag);
    if (err == GV_OK && wait_for(demo, pid, gv_demo_now() + JOIN_TIMEOUT_S) != 0) {
        char line[LINE_CAP];
        last_line(line, log);
        err = gv_diag_set(diag, GV_ERR_CONFIG, "create: %s", line);
    }
    return err;
}

enum gv_err gv_demo_found(struct gv_demo *demo, struct gv_diag *diag)
{
    enum gv_err err = create(demo, diag);
    if (err == GV_OK) {
        err = configure(demo, demo->nodes[0].dir, diag);
    }
    if (err == GV_OK) {
        err = gv_demo_start(demo, 0, diag);
    }
    return err == GV_OK ? wait_until_up(demo, 0, diag) : err;
}

/* Reads all that comes through a pipe, at most cap - 1 bytes. */
static void read_pipe(int fd, char *out, size_t cap)
{
    size_t used = 0;
    struct pollfd item = {.fd = fd, .events = POLLIN};
    while (used + 1 < cap && poll(&item, 1, (int)(START_TIMEOUT_S * 1000)) > 0) {
        ssize_t got = read(fd, out + used, cap - 1 - used);
        if (got <= 0) {
            break;
        }
        used += (size_t)got;
    }
    out[used] = '\0';
}

/* `invite DIR --uses N`: the token comes on standard output. */
static enum gv_err invite(struct gv_demo *demo, uint32_t inviter, uint32_t uses, char *token, struct gv_diag *diag)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) {
        return gv_diag_set(diag, GV_ERR_IO, "pipe: %s", strerror(errno));
    }
    char count[16], log[300];
    (void)snprintf(count, sizeof count, "%u", uses);
    log_path(demo, inviter, log, sizeof log);
    struct command command = {0};
    word(&command, demo->program);
    word(&command, "invite");
    word(&command, demo->nodes[inviter].dir);
    word(&command, "--uses");
    word(&command, count);
    pid_t pid = 0;
    enum gv_err err = spawn(demo, &command, log, ends[1], &pid, diag);
    (void)close(ends[1]);
    if (err == GV_OK) {
        read_pipe(ends[0], token, TOKEN_CAP);
        token[strcspn(token, "\r\n")] = '\0';
        if (wait_for(demo, pid, gv_demo_now() + START_TIMEOUT_S) != 0 || strncmp(token, "gv1", 3) != 0) {
            char line[LINE_CAP];
            last_line(line, log);
            err = gv_diag_set(diag, GV_ERR_TOKEN, "invite: %s", line);
        }
    }
    (void)close(ends[0]);
    return err;
}

static enum gv_err start_join(struct gv_demo *demo, uint32_t index, const char *token, pid_t *pid, struct gv_diag *diag)
{
    struct gv_demo_node *node = &demo->nodes[index];
    (void)snprintf(node->dir, sizeof node->dir, "%s/n%u", demo->folder, index + 1);
    char endpoint[64], shard[32], log[300];
    endpoint_for(index, endpoint, sizeof endpoint);
    (void)snprintf(shard, sizeof shard, "%u/%u", index + 1, demo->shard_count);
    log_path(demo, index, log, sizeof log);
    struct command command = {0};
    word(&command, demo->program);
    word(&command, "join");
    word(&command, token);
    word(&command, node->dir);
    common_words(demo, &command, endpoint, shard);
    return spawn(demo, &command, log, -1, pid, diag);
}

/* Waits for a `join`; one that found nobody in time ("try later", on a busy machine) is tried again. */
static enum gv_err finish_join(struct gv_demo *demo, uint32_t index, const char *token, pid_t pid, struct gv_diag *diag)
{
    int code = wait_for(demo, pid, gv_demo_now() + JOIN_TIMEOUT_S);
    for (int tries = 1; code == GV_EXIT_TRY_LATER && tries < JOIN_TRIES; tries++) {
        enum gv_err err = start_join(demo, index, token, &pid, diag);
        if (err != GV_OK) {
            return err;
        }
        code = wait_for(demo, pid, gv_demo_now() + JOIN_TIMEOUT_S);
    }
    if (code != 0) {
        char log[300], line[LINE_CAP];
        log_path(demo, index, log, sizeof log);
        last_line(line, log);
        return gv_diag_set(diag, GV_ERR_NET, "node %u: %s", index + 1, line);
    }
    enum gv_err err = configure(demo, demo->nodes[index].dir, diag);
    return err == GV_OK ? gv_demo_start(demo, index, diag) : err;
}

enum gv_err gv_demo_join(struct gv_demo *demo, uint32_t inviter, uint32_t first, uint32_t count, struct gv_diag *diag)
{
    char token[TOKEN_CAP];
    pid_t pids[GV_DEMO_NODES_MAX + 1] = {0};
    enum gv_err err = invite(demo, inviter, count, token, diag);
    for (uint32_t i = 0; i < count && err == GV_OK; i++) {
        err = start_join(demo, first + i, token, &pids[i], diag);
    }
    for (uint32_t i = 0; i < count; i++) {
        if (pids[i] > 0 && err == GV_OK) {
            err = finish_join(demo, first + i, token, pids[i], diag);
        } else if (pids[i] > 0) {
            (void)kill(pids[i], SIGKILL);
            (void)waitpid(pids[i], NULL, 0);
        }
    }
    return err;
}

/* `eval DIR --data SPEC --json` of one node: the served model on the test part. */
static double evaluate(struct gv_demo *demo, uint32_t index)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) {
        return -1.0;
    }
    char log[300], text[TOKEN_CAP];
    log_path(demo, index, log, sizeof log);
    struct command command = {0};
    word(&command, demo->program);
    word(&command, "eval");
    word(&command, demo->nodes[index].dir);
    word(&command, "--data");
    word(&command, demo->data);
    word(&command, "--json");
    pid_t pid = 0;
    struct gv_diag diag;
    enum gv_err err = spawn(demo, &command, log, ends[1], &pid, &diag);
    (void)close(ends[1]);
    double accuracy = -1.0;
    if (err == GV_OK) {
        read_pipe(ends[0], text, sizeof text);
        (void)wait_for(demo, pid, gv_demo_now() + START_TIMEOUT_S);
        json_t *reply = json_loads(text, 0, NULL);
        accuracy = number(reply, "accuracy", -1.0);
        json_decref(reply);
    }
    (void)close(ends[0]);
    return accuracy;
}

void gv_demo_evaluate(struct gv_demo *demo)
{
    for (uint32_t i = 0; i <= demo->node_count && !demo->interrupted; i++) {
        struct gv_demo_node *node = &demo->nodes[i];
        bool has_model = node->phase == GV_DEMO_FINISHED || node->phase == GV_DEMO_RUNNING;
        node->final_accuracy = has_model ? evaluate(demo, i) : -1.0;
    }
}

enum gv_err gv_demo_open(struct gv_demo *demo, struct gv_diag *diag)
{
    ssize_t length = readlink("/proc/self/exe", demo->program, sizeof demo->program - 1);
    if (length <= 0) {
        return gv_diag_set(diag, GV_ERR_IO, "/proc/self/exe: %s", strerror(errno));
    }
    demo->program[length] = '\0';
    const char *base = getenv("TMPDIR");
    if (base == NULL || strlen(base) > BASE_CHARS_MAX) {
        base = "/tmp";
    }
    (void)snprintf(demo->folder, sizeof demo->folder, "%s/grapevine-demo-XXXXXX", base);
    if (mkdtemp(demo->folder) == NULL) {
        enum gv_err err = gv_diag_set(diag, GV_ERR_IO, "%s: %s", demo->folder, strerror(errno));
        demo->folder[0] = '\0';
        return err;
    }
    for (uint32_t i = 0; i <= demo->node_count; i++) {
        demo->nodes[i].accuracy = demo->nodes[i].final_accuracy = -1.0;
        demo->nodes[i].alone_accuracy = demo->nodes[i].compute_share = -1.0;
    }
    /* One thread each: the nodes share the processors. */
    (void)setenv("OPENBLAS_NUM_THREADS", "1", 1);
    return GV_OK;
}

static int remove_entry(const char *path, const struct stat *info, int kind, struct FTW *walk)
{
    (void)info;
    (void)kind;
    (void)walk;
    (void)remove(path);
    return 0;
}

void gv_demo_clean_up(struct gv_demo *demo, bool keep_folder)
{
    for (uint32_t i = 0; i <= demo->node_count; i++) {
        gv_demo_kill(demo, i);
    }
    if (demo->folder[0] != '\0' && !keep_folder) {
        (void)nftw(demo->folder, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    }
}
