/*
 * How far an address reaches: see scope.h.
 */
#include "scope.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool gv_endpoint_split(char host[GV_ENDPOINT_BYTES_MAX + 1], uint32_t *port, const char *endpoint)
{
    const char *colon = strrchr(endpoint, ':');
    if (strncmp(endpoint, "tcp://", 6) != 0 || colon == NULL || colon < endpoint + 6) {
        return false;
    }
    size_t length = (size_t)(colon - endpoint) - 6;
    if (length == 0 || length > GV_ENDPOINT_BYTES_MAX || colon[1] == '\0' || strlen(colon + 1) > 5 ||
        strspn(colon + 1, "0123456789") != strlen(colon + 1)) {
        return false;
    }
    memcpy(host, endpoint + 6, length);
    host[length] = '\0';
    *port = (uint32_t)strtoul(colon + 1, NULL, 10);
    return true;
}

static enum gv_scope scope_of_ipv4(uint32_t address)
{
    static const struct {
        uint32_t net, mask;
        enum gv_scope scope;
    } nets[] = {
        {0x00000000u, 0xffffffffu, GV_SCOPE_ANY},     {0x7f000000u, 0xff000000u, GV_SCOPE_LOOPBACK},
        {0x0a000000u, 0xff000000u, GV_SCOPE_PRIVATE}, {0xac100000u, 0xfff00000u, GV_SCOPE_PRIVATE},
        {0xc0a80000u, 0xffff0000u, GV_SCOPE_PRIVATE}, {0xa9fe0000u, 0xffff0000u, GV_SCOPE_PRIVATE},
        {0x64400000u, 0xffc00000u, GV_SCOPE_PRIVATE},
    };
    for (size_t i = 0; i < sizeof nets / sizeof nets[0]; i++) {
        if ((address & nets[i].mask) == nets[i].net) {
            return nets[i].scope;
        }
    }
    return GV_SCOPE_PUBLIC;
}

static enum gv_scope scope_of_ipv6(const struct in6_addr *address)
{
    if (IN6_IS_ADDR_V4MAPPED(address)) {
        uint32_t mapped;
        memcpy(&mapped, address->s6_addr + 12, sizeof mapped);
        return scope_of_ipv4(ntohl(mapped));
    }
    if (IN6_IS_ADDR_UNSPECIFIED(address)) {
        return GV_SCOPE_ANY;
    }
    if (IN6_IS_ADDR_LOOPBACK(address)) {
        return GV_SCOPE_LOOPBACK;
    }
    bool local = IN6_IS_ADDR_LINKLOCAL(address) || (address->s6_addr[0] & 0xfe) == 0xfc;
    return local ? GV_SCOPE_PRIVATE : GV_SCOPE_PUBLIC;
}

/* AF_INET, AF_INET6, or AF_UNSPEC if the host is not an address. */
static int parse_literal(struct in_addr *ipv4, struct in6_addr *ipv6, char *host)
{
    if (inet_pton(AF_INET, host, ipv4) == 1) {
        return AF_INET;
    }
    size_t length = strlen(host);
    if (host[0] != '[' || host[length - 1] != ']') {
        return AF_UNSPEC;
    }
    host[strcspn(host, "]%")] = '\0';
    return inet_pton(AF_INET6, host + 1, ipv6) == 1 ? AF_INET6 : AF_UNSPEC;
}

bool gv_endpoint_literal(const char *endpoint)
{
    char host[GV_ENDPOINT_BYTES_MAX + 1];
    uint32_t port;
    struct in_addr ipv4;
    struct in6_addr ipv6;
    return gv_endpoint_split(host, &port, endpoint) && parse_literal(&ipv4, &ipv6, host) != AF_UNSPEC;
}

enum gv_scope gv_scope_of(const char *endpoint)
{
    char host[GV_ENDPOINT_BYTES_MAX + 1];
    uint32_t port;
    struct in_addr ipv4;
    struct in6_addr ipv6;
    if (!gv_endpoint_split(host, &port, endpoint)) {
        return GV_SCOPE_NAME;
    }
    if (strcmp(host, "*") == 0) {
        return GV_SCOPE_ANY;
    }
    if (strcmp(host, "localhost") == 0) {
        return GV_SCOPE_LOOPBACK;
    }
    int family = parse_literal(&ipv4, &ipv6, host);
    if (family == AF_INET) {
        return scope_of_ipv4(ntohl(ipv4.s_addr));
    }
    return family == AF_INET6 ? scope_of_ipv6(&ipv6) : GV_SCOPE_NAME;
}
