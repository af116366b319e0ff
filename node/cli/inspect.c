/*
 * inspect: what an invite token says. Touches nothing and asks nobody.
 */
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cli.h"
#include "commands.h"
#include "invite.h"

static void set_hex(json_t *object, const char *key, const uint8_t bytes[GV_ID_BYTES])
{
    char hex[2 * GV_ID_BYTES + 1];
    struct gv_id id;
    memcpy(id.b, bytes, sizeof id.b);
    gv_id_hex(hex, &id, 2 * GV_ID_BYTES);
    (void)json_object_set_new(object, key, json_string(hex));
}

static json_t *describe(const struct gv_invite *invite)
{
    json_t *object = json_object();
    json_t *seeds = json_array();
    json_t *chain = json_array();
    const struct gv_cert *cert = gv_invite_cert(invite);
    struct gv_swarm_id swarm = gv_swarm_id_of(&invite->root);
    struct gv_id id = gv_id_of(&cert->subject);
    (void)json_object_set_new(object, "swarm", json_string(invite->name));
    set_hex(object, "swarm_id", swarm.b);
    set_hex(object, "invite_id", id.b);
    (void)json_object_set_new(object, "issued", json_integer((json_int_t)cert->issued_s));
    (void)json_object_set_new(object, "expires", json_integer((json_int_t)cert->expires_s));
    (void)json_object_set_new(object, "expired",
                              json_boolean(cert->expires_s != 0 && cert->expires_s <= (uint64_t)time(NULL)));
    (void)json_object_set_new(object, "uses", json_integer(cert->uses));
    for (uint32_t i = 0; i < invite->seed_count; i++) {
        (void)json_array_append_new(seeds, json_string(invite->seeds[i].endpoint));
    }
    (void)json_object_set_new(object, "seeds", seeds);
    for (uint32_t i = 0; i < invite->chain.count; i++) {
        const struct gv_cert *link = &invite->chain.link[i];
        struct gv_id subject = gv_id_of(&link->subject);
        json_t *one = json_object();
        (void)json_object_set_new(one, "kind", json_string(link->kind == GV_CERT_MEMBER ? "member" : "invite"));
        set_hex(one, "id", subject.b);
        (void)json_array_append_new(chain, one);
    }
    (void)json_object_set_new(object, "chain", chain);
    return object;
}

static void print_text(const struct gv_invite *invite)
{
    char when[32];
    char hex[2 * GV_ID_BYTES + 1];
    const struct gv_cert *cert = gv_invite_cert(invite);
    struct gv_swarm_id swarm = gv_swarm_id_of(&invite->root);
    struct gv_id id;
    memcpy(id.b, swarm.b, sizeof id.b);
    gv_id_hex(hex, &id, 2 * GV_ID_BYTES);
    (void)printf("swarm    %s\nswarm id %s\n", invite->name, hex);
    id = gv_id_of(&cert->subject);
    gv_id_hex(hex, &id, 2 * GV_ID_BYTES);
    (void)printf("invite   %s\n", hex);
    gv_cli_time(when, cert->issued_s);
    (void)printf("issued   %s\n", when);
    gv_cli_time(when, cert->expires_s);
    bool expired = cert->expires_s != 0 && cert->expires_s <= (uint64_t)time(NULL);
    (void)printf("expires  %s%s\n", cert->expires_s == 0 ? "never" : when, expired ? " (expired)" : "");
    (void)printf("uses     %u\n", cert->uses);
    for (uint32_t i = 0; i < invite->seed_count; i++) {
        char key[sodium_base64_ENCODED_LEN(GV_KEY_BYTES, sodium_base64_VARIANT_ORIGINAL)];
        (void)sodium_bin2base64(key, sizeof key, invite->seeds[i].curve.b, GV_KEY_BYTES,
                                sodium_base64_VARIANT_ORIGINAL);
        (void)printf("seed     %s %s\n", invite->seeds[i].endpoint, key); /* as a line of DIR/peers has them */
    }
    (void)printf("chain    root");
    for (uint32_t i = 0; i < invite->chain.count; i++) {
        id = gv_id_of(&invite->chain.link[i].subject);
        gv_id_hex(hex, &id, 8);
        (void)printf(" > %s %s", invite->chain.link[i].kind == GV_CERT_MEMBER ? "member" : "invite", hex);
    }
    (void)printf("\n");
}

int gv_cmd_inspect(const struct gv_args *args)
{
    char token[GV_TOKEN_TEXT_MAX + 1];
    struct gv_invite invite;
    struct gv_diag diag = {.code = GV_OK};
    int code;
    if (gv_cli_token(token, args->positional[0], &diag) != GV_OK || gv_invite_decode(&invite, token, &diag) != GV_OK) {
        return gv_cli_fail(args, &diag);
    }
    if (gv_arg_given(args, "json")) {
        json_t *object = describe(&invite);
        code = gv_cli_print_json(args, object);
        json_decref(object);
    } else {
        print_text(&invite);
        code = gv_cli_finish(args);
    }
    sodium_memzero(&invite, sizeof invite);
    sodium_memzero(token, sizeof token);
    return code;
}
