/*
 * Tensor codecs: float32 vectors <-> the bytes of a chunk. Little-endian on the wire.
 *
 * Q(x) = decode(encode(x)). Exchanges subtract quantised values on both sides so that the two deltas are exactly
 * opposite whatever the codec.
 */
#ifndef GV_TENSOR_H
#define GV_TENSOR_H

#include "gv/err.h"
#include "gv/msg.h"

/** Bytes of `count` elements in `codec`; count in [0, 2^30]. */
size_t gv_tensor_bytes(enum gv_codec codec, size_t count);

/** Encodes x (count) to out (gv_tensor_bytes). Values too large for f16 become the largest finite one of their sign. */
void gv_tensor_encode(uint8_t *out, enum gv_codec codec, const float *x, size_t count);

/** Encodes and replaces x by Q(x). */
void gv_tensor_quantise(uint8_t *out, enum gv_codec codec, float *x, size_t count);

/** x (count) <- decoded. GV_ERR_CHUNK if bytes is not gv_tensor_bytes(count), GV_ERR_NONFINITE if any value is not
 *  finite; x is then unspecified. */
GV_NODISCARD enum gv_err gv_tensor_decode(float *x, size_t count, enum gv_codec codec, const uint8_t *data,
                                          size_t bytes);

#endif
