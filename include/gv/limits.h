/*
 * Every bound of the program in one place, with the assertions that relate them. PROTOCOL.md states the same numbers;
 * a number that peers can observe changes only together with the protocol version.
 */
#ifndef GV_LIMITS_H
#define GV_LIMITS_H

#define GV_PROTOCOL_VERSION 1

/* Sizes of keys and hashes, bytes. */
#define GV_ID_BYTES 32
#define GV_KEY_BYTES 32
#define GV_SIGNATURE_BYTES 64

/* Admission. */
#define GV_CHAIN_LINKS_MAX 9      /* root, then two links per generation of inviters: four generations may invite */
#define GV_INVITERS_MAX 4         /* members in a chain before the last */
#define GV_SEEDS_MAX 3            /* endpoints in an invite */
#define GV_ENDPOINTS_MAX 4        /* endpoints in a record */
#define GV_ENDPOINT_BYTES_MAX 128 /* text of one endpoint without terminator, "tcp://[v6%scope]:port" fits */
#define GV_KEPT_IDS_MAX 64        /* identities that one closing or revocation entry may keep */
#define GV_TRUST_ENTRIES_MAX 1024 /* revocations and closings a node holds */
#define GV_INVITE_USES_MAX 10000
#define GV_PROVISIONAL_US (5 * 1000 * 1000) /* time for a HELLO on a new link */

/* Frames, bytes. */
#define GV_CERT_BYTES_MAX 192
#define GV_RECORD_BYTES_MAX 2560
#define GV_TRUST_ENTRY_BYTES_MAX 4096
#define GV_MANIFEST_BYTES_MAX (256 * 1024)
#define GV_CHUNK_BYTES_MIN (64 * 1024)
#define GV_CHUNK_BYTES_MAX (1024 * 1024)
#define GV_CHUNK_HEAD_BYTES_MAX 64
#define GV_INLINE_BYTES_MAX (64 * 1024) /* a model whose encoding is no longer rides in OFFER and ACCEPT */
#define GV_FRAME_BYTES_MAX (GV_CHUNK_BYTES_MAX + 4096)
#define GV_CURVE_OVERHEAD_BYTES 33 /* ZMQ_MAXMSGSIZE counts ciphertext */
#define GV_RECORDS_PER_MSG_MAX 32
#define GV_MSGPACK_DEPTH_MAX 6

/* Membership (MEMBERSHIP numbers; the core takes its own from struct gv_core_config, bounded by these). */
#define GV_ACTIVE_MAX 16
#define GV_NEIGHBOURS_NAMED_MAX 12 /* of them, in a PONG */
#define GV_PASSIVE_MAX 96
#define GV_LINKS_MAX 64
#define GV_ADDRESS_BOOK_MAX 1024
#define GV_SHUFFLE_RECORDS 8

/* Exchange. */
#define GV_CREDIT_CHUNKS_MAX 4
#define GV_OUTCOMES_KEPT 64
#define GV_BLOCKS_MAX 2 /* parameters; momentum where the manifest says so */

/* Model and data. */
#define GV_LAYERS_MAX 16
#define GV_CLASSES_MAX 1024
#define GV_FEATURES_MAX 65536
#define GV_BATCH_MAX 32767          /* rows of a step */
#define GV_SCALED_FEATURES_MAX 4096 /* features with a mean and deviation of their own in the manifest */
#define GV_PARAMETERS_MAX (1u << 30)
#define GV_NAME_BYTES_MAX 64

_Static_assert(GV_CHAIN_LINKS_MAX == 2 * GV_INVITERS_MAX + 1, "each inviter has two links: its membership, its invite");
/* A record must hold a full chain, its endpoints, its own fields and its signature. */
_Static_assert(GV_RECORD_BYTES_MAX >=
                   GV_CHAIN_LINKS_MAX * GV_CERT_BYTES_MAX + GV_ENDPOINTS_MAX * (GV_ENDPOINT_BYTES_MAX + 3) + 256,
               "a record with the longest chain fits");
_Static_assert(GV_FRAME_BYTES_MAX >= GV_RECORDS_PER_MSG_MAX * (GV_RECORD_BYTES_MAX + 8) + 1024,
               "a sample of records fits");
_Static_assert(GV_FRAME_BYTES_MAX >= GV_MANIFEST_BYTES_MAX + 1024, "a manifest fits");
_Static_assert(GV_FRAME_BYTES_MAX >= GV_CHUNK_BYTES_MAX + GV_CHUNK_HEAD_BYTES_MAX, "a chunk fits");
_Static_assert(GV_FRAME_BYTES_MAX >= GV_INLINE_BYTES_MAX + 2048, "an OFFER with its model fits");
_Static_assert(GV_TRUST_ENTRY_BYTES_MAX >=
                   GV_KEPT_IDS_MAX * (GV_ID_BYTES + 2) + GV_CHAIN_LINKS_MAX * GV_CERT_BYTES_MAX + 128,
               "an entry with all its kept ids and its issuer's chain fits");
_Static_assert((long long)GV_BATCH_MAX *GV_FEATURES_MAX <= 2147483647, "BLAS counts in int");

#endif
