/*
 * doctor: the machine and the libraries it brings.
 */
#include <dirent.h>
#include <dlfcn.h>
#include <inttypes.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include <zmq.h>

#include "blas.h"
#include "doctor.h"

#define DESCRIPTORS_WANTED 1024u /* 64 links with their sockets, monitors and duplicates, and connections to come */
#define CLOCK_WARN_S 60
#define CLOCK_FAIL_S 3600

void gv_doctor_blas(struct gv_doctor *d)
{
    const char *kernel = gv_blas_kernel();
    const char *better = gv_blas_better_kernel();
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    if (better != NULL) {
        gv_doctor_say(
            d, GV_VERDICT_OK, "blas", NULL,
            "OpenBLAS falls back to its kernel %s here; `run` notices and starts again with %s, with 1 thread "
            "of %ld",
            kernel, better, processors);
    } else {
        gv_doctor_say(
            d, GV_VERDICT_OK, "blas", NULL,
            "OpenBLAS uses its kernel %s, which suits this processor: %.0f GFLOP/s; a node uses 1 thread of %ld",
            kernel, gv_blas_measure(5), processors);
    }
}

/* Whether the library this function lies in was linked with libsodium. False too if that cannot be found out. */
static bool needs_sodium(const void *function, bool *known)
{
    Dl_info info;
    struct link_map *map = NULL;
    const char *names = NULL;
    *known = dladdr1(function, &info, (void **)&map, RTLD_DL_LINKMAP) != 0 && map != NULL && map->l_name[0] != '\0';
    if (!*known) {
        return false; /* linked statically into this program */
    }
    for (const ElfW(Dyn) *entry = map->l_ld; entry->d_tag != DT_NULL; entry++) {
        names = entry->d_tag == DT_STRTAB ? (const char *)entry->d_un.d_ptr : names;
    }
    for (const ElfW(Dyn) *entry = map->l_ld; names != NULL && entry->d_tag != DT_NULL; entry++) {
        if (entry->d_tag == DT_NEEDED && strncmp(names + entry->d_un.d_val, "libsodium", 9) == 0) {
            return true;
        }
    }
    return false;
}

void gv_doctor_zmq(struct gv_doctor *d)
{
    int major, minor, patch;
    bool known = false;
    zmq_version(&major, &minor, &patch);
    bool sodium = needs_sodium((const void *)(uintptr_t)zmq_version, &known);
    const char *with = sodium ? "built with libsodium" : (known ? "built without libsodium" : "linked statically");
    if (zmq_has("curve") != 1) {
        gv_doctor_say(d, GV_VERDICT_FAIL, "libzmq", "Install one that is built with libsodium (Debian: libzmq5)",
                      "%d.%d.%d has no CURVE: no link can be encrypted", major, minor, patch);
    } else if (known && !sodium) {
        gv_doctor_say(d, GV_VERDICT_WARN, "libzmq", "Install one that is built with libsodium (Debian: libzmq5)",
                      "%d.%d.%d has CURVE but is %s: its own cipher is much slower", major, minor, patch, with);
    } else {
        gv_doctor_say(d, GV_VERDICT_OK, "libzmq", NULL, "%d.%d.%d has CURVE, %s", major, minor, patch, with);
    }
}

/* Open descriptors of a process, 0 if that cannot be seen; *limit is what it may have. */
static uint64_t count_descriptors(long pid, uint64_t *limit)
{
    char path[64];
    char line[256];
    uint64_t count = 0;
    (void)snprintf(path, sizeof path, "/proc/%ld/fd", pid);
    DIR *folder = opendir(path);
    if (folder == NULL) {
        return 0;
    }
    while (readdir(folder) != NULL) {
        count++;
    }
    (void)closedir(folder);
    (void)snprintf(path, sizeof path, "/proc/%ld/limits", pid);
    FILE *file = fopen(path, "r");
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        (void)sscanf(line, "Max open files %" SCNu64, limit);
    }
    if (file != NULL) {
        (void)fclose(file);
    }
    return count > 2 ? count - 2 : 0; /* "." and ".." */
}

void gv_doctor_descriptors(struct gv_doctor *d)
{
    static const char advice[] =
        "Raise the limit (LimitNOFILE= in the unit file, `ulimit -Hn`, /etc/security/limits.conf)";
    struct rlimit files;
    uint64_t limit = 0;
    uint64_t used = d->status != NULL && d->pid > 0 ? count_descriptors(d->pid, &limit) : 0;
    if (used > 0 && limit > 0) {
        bool tight = used >= limit / 5 * 4;
        gv_doctor_say(d, tight ? GV_VERDICT_FAIL : GV_VERDICT_OK, "descriptors", tight ? advice : NULL,
                      "the daemon has %" PRIu64 " files and sockets open, of %" PRIu64 " that it may", used, limit);
    } else if (getrlimit(RLIMIT_NOFILE, &files) != 0) {
        gv_doctor_say(d, GV_VERDICT_SKIP, "descriptors", NULL, "the limit of open files cannot be read");
    } else {
        bool low = files.rlim_max < DESCRIPTORS_WANTED;
        gv_doctor_say(d, low ? GV_VERDICT_WARN : GV_VERDICT_OK, "descriptors", low ? advice : NULL,
                      "a process started here may open %" PRIu64 " files and sockets; a busy node wants up to %u",
                      (uint64_t)files.rlim_max, DESCRIPTORS_WANTED);
    }
}

/* When the newest thing that somebody signed in this DIR was made. */
static uint64_t newest_signature(const struct gv_doctor *d, const char **what)
{
    uint64_t newest = 0;
    for (uint32_t i = 0; d->has_member && i < d->node.chain.count; i++) {
        if (d->node.chain.link[i].issued_s > newest) {
            newest = d->node.chain.link[i].issued_s;
            *what = "this node's certificate";
        }
    }
    return newest;
}

void gv_doctor_clock(struct gv_doctor *d, uint64_t now_s, bool known, int64_t offset_s, const char *source)
{
    static const char advice[] = "Set the clock (timedatectl set-ntp true): the expiry of invites goes by it";
    const char *what = "";
    char when[32];
    char then[32];
    uint64_t newest = newest_signature(d, &what);
    int64_t off = offset_s < 0 ? -offset_s : offset_s;
    gv_cli_time(when, now_s);
    gv_cli_time(then, newest);
    if (newest > now_s + CLOCK_WARN_S) {
        gv_doctor_say(d, GV_VERDICT_FAIL, "clock", advice, "it is %s by this clock, before %s was issued (%s)", when,
                      what, then);
    } else if (!known) {
        gv_doctor_say(d, GV_VERDICT_OK, "clock", NULL, "%s, which is plausible; there was nobody to compare it with",
                      when);
    } else if (off > CLOCK_WARN_S) {
        gv_doctor_say(d, off > CLOCK_FAIL_S ? GV_VERDICT_FAIL : GV_VERDICT_WARN, "clock", advice,
                      "%s; %s is %" PRId64 " s %s", when, source, off, offset_s > 0 ? "ahead" : "behind");
    } else {
        gv_doctor_say(d, GV_VERDICT_OK, "clock", NULL, "%s, within %" PRId64 " s of %s", when, off, source);
    }
}
