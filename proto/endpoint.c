/*
 * What an address in a record may look like: "tcp://HOST:PORT". Records are dialled, so what cannot be dialled has no
 * place in one.
 */
#include "record.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#define SCHEME "tcp://"
#define IN(c, low, high) ((c) >= (low) && (c) <= (high))

/* "1" to "65535" without leading zeros. */
static bool port_valid(const char *text)
{
    uint32_t port = 0;
    size_t digits = strlen(text);
    if (digits < 1 || digits > 5 || text[0] == '0') {
        return false;
    }
    for (size_t i = 0; i < digits; i++) {
        if (!IN(text[i], '0', '9')) {
            return false;
        }
        port = port * 10 + (uint32_t)(text[i] - '0');
    }
    return port <= 65535;
}

static bool word_char(char c)
{
    return IN(c, '0', '9') || IN(c, 'a', 'z') || IN(c, 'A', 'Z') || c == '-' || c == '_';
}

/* Labels of letters, digits, '-' and '_', none empty, none starting with '-'. Digits and dots alone must be an IPv4. */
static bool name_valid(const char *host)
{
    bool letters = false;
    char before = '.';
    for (const char *c = host; *c != '\0'; c++) {
        if (*c == '.' ? before == '.' : !word_char(*c) || (*c == '-' && before == '.')) {
            return false;
        }
        letters = letters || !(IN(*c, '0', '9') || *c == '.');
        before = *c;
    }
    struct in_addr ipv4;
    return before != '.' && (letters || inet_pton(AF_INET, host, &ipv4) == 1);
}

/* An IPv6 address, with a scope if it needs one: "fe80::1%eth0". */
static bool ipv6_valid(char *host)
{
    char *scope = strchr(host, '%');
    if (scope != NULL) {
        *scope++ = '\0';
        if (*scope == '\0') {
            return false;
        }
        for (; *scope != '\0'; scope++) {
            if (!word_char(*scope) && *scope != '.') {
                return false;
            }
        }
    }
    struct in6_addr ipv6;
    return inet_pton(AF_INET6, host, &ipv6) == 1;
}

bool gv_endpoint_valid(const char *text)
{
    char host[GV_ENDPOINT_BYTES_MAX + 1];
    size_t bytes = strnlen(text, GV_ENDPOINT_BYTES_MAX + 1);
    if (bytes > GV_ENDPOINT_BYTES_MAX || strncmp(text, SCHEME, strlen(SCHEME)) != 0) {
        return false;
    }
    memcpy(host, text + strlen(SCHEME), bytes - strlen(SCHEME) + 1);
    char *colon = strrchr(host, ':');
    if (colon == NULL || colon == host || !port_valid(colon + 1)) {
        return false;
    }
    *colon = '\0';
    if (host[0] != '[') {
        return name_valid(host);
    }
    if (colon[-1] != ']') {
        return false;
    }
    colon[-1] = '\0';
    return ipv6_valid(host + 1);
}
