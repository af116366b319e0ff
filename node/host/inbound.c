/*
 * Accepted connections: see inbound.h for why they are cut the way they are.
 */
#include "inbound.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"

#define FLOOD_BYTES (8ull * GV_CHUNK_BYTES_MAX + 2ull * GV_FRAME_BYTES_MAX)
#define HEARTBEAT_BYTES_PER_S 64u /* twenty would do */

uint64_t gv_inbound_allowance(uint64_t delivered_bytes, uint64_t age_us)
{
    return delivered_bytes + FLOOD_BYTES + age_us / 1000000u * HEARTBEAT_BYTES_PER_S;
}

void gv_inbound_init(struct gv_inbound *inbound, uint16_t port, uint32_t max)
{
    memset(inbound, 0, sizeof *inbound);
    inbound->port = port;
    inbound->max = max < GV_INBOUND_SLOTS ? max : GV_INBOUND_SLOTS;
    for (size_t i = 0; i < GV_INBOUND_SLOTS; i++) {
        inbound->slot[i].fd = -1;
        inbound->slot[i].held = -1;
    }
}

void gv_inbound_deinit(struct gv_inbound *inbound)
{
    for (size_t i = 0; i < GV_INBOUND_SLOTS; i++) {
        if (inbound->slot[i].held >= 0) {
            (void)close(inbound->slot[i].held);
            inbound->slot[i].held = -1;
        }
    }
}

uint64_t gv_received_bytes(int fd)
{
    struct tcp_info info;
    socklen_t size = sizeof info;
    memset(&info, 0, sizeof info);
    return getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) == 0 ? info.tcpi_bytes_received : 0;
}

bool gv_address_text(char out[GV_ENDPOINT_BYTES_MAX + 1], const struct sockaddr_storage *address)
{
    char host[INET6_ADDRSTRLEN];
    out[0] = '\0';
    if (address->ss_family == AF_INET) {
        const struct sockaddr_in *in4 = (const struct sockaddr_in *)(const void *)address;
        if (inet_ntop(AF_INET, &in4->sin_addr, host, sizeof host) == NULL) {
            return false;
        }
        (void)snprintf(out, GV_ENDPOINT_BYTES_MAX + 1, "tcp://%s:%u", host, (unsigned)ntohs(in4->sin_port));
        return true;
    }
    if (address->ss_family != AF_INET6) {
        return false;
    }
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)address;
    if (IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr)) {
        if (inet_ntop(AF_INET, &in6->sin6_addr.s6_addr[12], host, sizeof host) == NULL) {
            return false;
        }
        (void)snprintf(out, GV_ENDPOINT_BYTES_MAX + 1, "tcp://%s:%u", host, (unsigned)ntohs(in6->sin6_port));
        return true;
    }
    if (inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof host) == NULL) {
        return false;
    }
    (void)snprintf(out, GV_ENDPOINT_BYTES_MAX + 1, "tcp://[%s]:%u", host, (unsigned)ntohs(in6->sin6_port));
    return true;
}

static uint16_t port_of(const struct sockaddr_storage *address)
{
    if (address->ss_family == AF_INET) {
        return ntohs(((const struct sockaddr_in *)(const void *)address)->sin_port);
    }
    return address->ss_family == AF_INET6 ? ntohs(((const struct sockaddr_in6 *)(const void *)address)->sin6_port) : 0;
}

bool gv_inbound_source(uint8_t out[16], const struct sockaddr_storage *address)
{
    static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    static const uint8_t local4[16] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 127, 0, 0, 1};
    static const uint8_t local6[16] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
    memset(out, 0, 16);
    if (address->ss_family == AF_INET) {
        memcpy(out, mapped, sizeof mapped);
        memcpy(out + 12, &((const struct sockaddr_in *)(const void *)address)->sin_addr, 4);
    } else if (address->ss_family == AF_INET6) {
        memcpy(out, &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr, 16);
    }
    bool local = memcmp(out, local4, 16) == 0 || memcmp(out, local6, 16) == 0;
    if (!local && memcmp(out, mapped, sizeof mapped) != 0) {
        memset(out + 8, 0, 8); /* whoever has one address of a /64 has all of them */
    }
    return local;
}

/* Takes a token of this source; the least recently used bucket makes room for a new one. */
static bool rate_allows(struct gv_inbound *inbound, const uint8_t source[16], uint64_t now_us)
{
    struct gv_address_rate *bucket = NULL;
    struct gv_address_rate *oldest = &inbound->rate[0];
    for (size_t i = 0; i < GV_ADDRESS_SLOTS && bucket == NULL; i++) {
        struct gv_address_rate *rate = &inbound->rate[i];
        if (rate->updated_us != 0 && memcmp(rate->source, source, 16) == 0) {
            bucket = rate;
        } else if (rate->updated_us < oldest->updated_us) {
            oldest = rate;
        }
    }
    const uint32_t full = GV_HANDSHAKE_BURST * 1000u;
    if (bucket == NULL) {
        bucket = oldest;
        memcpy(bucket->source, source, 16);
        bucket->tokens = full;
    } else {
        uint64_t gained = gv_elapsed_us(now_us, bucket->updated_us) * GV_HANDSHAKES_PER_S / 1000u;
        bucket->tokens = gained >= full - bucket->tokens ? full : bucket->tokens + (uint32_t)gained;
    }
    bucket->updated_us = now_us;
    if (bucket->tokens < 1000) {
        return false;
    }
    bucket->tokens -= 1000;
    return true;
}

void gv_inbound_kick(struct gv_connection *connection)
{
    if (!connection->kicked) {
        connection->kicked = true;
        (void)shutdown(connection->held, SHUT_RDWR);
    }
}

/* Those not admitted, whether they have spoken or not: the ones of our own machine, or all the others. */
struct provisional {
    uint32_t all, same; /* of the same source */
    struct gv_connection *oldest;
};

static struct provisional provisional_of(struct gv_inbound *inbound, const struct gv_connection *fresh)
{
    struct provisional provisional = {0};
    for (size_t i = 0; i < GV_INBOUND_SLOTS; i++) {
        struct gv_connection *connection = &inbound->slot[i];
        if (connection->fd < 0 || connection->admitted || connection->kicked || connection->local != fresh->local) {
            continue;
        }
        provisional.all++;
        provisional.same += memcmp(connection->source, fresh->source, 16) == 0 ? 1u : 0u;
        if (provisional.oldest == NULL || connection->accepted_us < provisional.oldest->accepted_us) {
            provisional.oldest = connection;
        }
    }
    return provisional;
}

/* GV_DROPS, or why a connection is not wanted. */
static enum gv_drop judge(struct gv_inbound *inbound, const struct gv_connection *fresh, uint64_t now_us)
{
    if (inbound->count >= inbound->max) {
        return GV_DROP_CONNECTIONS;
    }
    struct provisional provisional = provisional_of(inbound, fresh);
    if (!fresh->local && provisional.same >= GV_PER_ADDRESS_PROVISIONAL_MAX) {
        return GV_DROP_SILENT_ADDRESS;
    }
    if (!fresh->local && !rate_allows(inbound, fresh->source, now_us)) {
        return GV_DROP_HANDSHAKE_RATE;
    }
    if (provisional.all < (fresh->local ? GV_LOCAL_PROVISIONAL_MAX : GV_PROVISIONAL_MAX)) {
        return GV_DROPS;
    }
    /* Or a handful of addresses could keep every place by opening six connections a second. */
    if (gv_elapsed_us(now_us, provisional.oldest->accepted_us) < GV_PROVISIONAL_GRACE_US) {
        return GV_DROP_SILENT;
    }
    gv_drop(&inbound->drops, GV_DROP_SILENT, provisional.oldest->text);
    gv_inbound_kick(provisional.oldest);
    return GV_DROPS;
}

void gv_inbound_accepted(struct gv_inbound *inbound, int fd, uint64_t now_us)
{
    inbound->accepted++;
    struct gv_connection fresh = {.fd = fd, .held = fcntl(fd, F_DUPFD_CLOEXEC, 0), .accepted_us = now_us};
    if (fresh.held < 0) {
        gv_drop(&inbound->drops, errno == EBADF ? GV_DROP_HANDSHAKE : GV_DROP_DESCRIPTORS, "");
        return; /* it closed already, or no descriptor is left: libzmq's own time-outs end it */
    }
    struct sockaddr_storage ours = {0};
    struct sockaddr_storage theirs = {0};
    socklen_t ours_size = sizeof ours;
    socklen_t theirs_size = sizeof theirs;
    if (getsockname(fresh.held, (struct sockaddr *)&ours, &ours_size) != 0 ||
        getpeername(fresh.held, (struct sockaddr *)&theirs, &theirs_size) != 0 || port_of(&ours) != inbound->port) {
        gv_drop(&inbound->drops, GV_DROP_HANDSHAKE, "");
        (void)close(fresh.held); /* the number was reused before we looked */
        return;
    }
    fresh.local = gv_inbound_source(fresh.source, &theirs);
    (void)gv_address_text(fresh.text, &theirs);
    struct gv_connection *slot = gv_inbound_find(inbound, fd);
    for (size_t i = 0; slot == NULL && i < GV_INBOUND_SLOTS; i++) {
        slot = inbound->slot[i].fd < 0 ? &inbound->slot[i] : NULL;
    }
    enum gv_drop why = slot == NULL ? GV_DROP_CONNECTIONS : judge(inbound, &fresh, now_us);
    if (why != GV_DROPS) {
        gv_drop(&inbound->drops, why, fresh.text);
        (void)shutdown(fresh.held, SHUT_RDWR);
        (void)close(fresh.held);
        return;
    }
    if (slot->fd >= 0) { /* its DISCONNECTED was lost */
        (void)close(slot->held);
    } else {
        inbound->count++;
    }
    *slot = fresh;
}

uint32_t gv_inbound_disconnected(struct gv_inbound *inbound, int fd)
{
    struct gv_connection *connection = gv_inbound_find(inbound, fd);
    if (connection == NULL) {
        return 0;
    }
    uint32_t link = connection->link;
    (void)close(connection->held);
    memset(connection, 0, sizeof *connection);
    connection->fd = -1;
    connection->held = -1;
    inbound->count--;
    return link;
}

struct gv_connection *gv_inbound_find(struct gv_inbound *inbound, int fd)
{
    for (size_t i = 0; i < GV_INBOUND_SLOTS; i++) {
        if (inbound->slot[i].fd >= 0 && inbound->slot[i].fd == fd) {
            return &inbound->slot[i];
        }
    }
    return NULL;
}

struct gv_connection *gv_inbound_of_link(struct gv_inbound *inbound, uint32_t link)
{
    for (size_t i = 0; i < GV_INBOUND_SLOTS; i++) {
        if (inbound->slot[i].fd >= 0 && inbound->slot[i].link == link) {
            return &inbound->slot[i];
        }
    }
    return NULL;
}

uint64_t gv_inbound_cut(const struct gv_inbound *inbound)
{
    static const enum gv_drop cuts[] = {GV_DROP_CONNECTIONS,    GV_DROP_HANDSHAKE_RATE, GV_DROP_SILENT,
                                        GV_DROP_SILENT_ADDRESS, GV_DROP_SILENCE,        GV_DROP_FLOOD,
                                        GV_DROP_LINKS};
    uint64_t sum = 0;
    for (size_t i = 0; i < sizeof cuts / sizeof cuts[0]; i++) {
        sum += inbound->drops.count[cuts[i]];
    }
    return sum;
}

void gv_inbound_sweep(struct gv_inbound *inbound, uint64_t now_us)
{
    for (size_t i = 0; i < GV_INBOUND_SLOTS; i++) {
        struct gv_connection *connection = &inbound->slot[i];
        if (connection->fd < 0) {
            continue;
        }
        uint64_t age_us = gv_elapsed_us(now_us, connection->accepted_us);
        uint64_t allowed = gv_inbound_allowance(connection->delivered_bytes, age_us);
        bool silent = connection->link == 0 && age_us > GV_PROVISIONAL_US;
        if (!connection->kicked && (silent || gv_received_bytes(connection->held) > allowed)) {
            gv_drop(&inbound->drops, silent ? GV_DROP_SILENCE : GV_DROP_FLOOD, connection->text);
            gv_inbound_kick(connection);
        }
    }
}
